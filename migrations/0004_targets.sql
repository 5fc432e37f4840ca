-- What a server grants to one visitor: the address that asks, with its credentials. Targets that share both
-- share this row. Kept, so that a restart neither forgets a hold nor has a burst again.
create table visitor (
    visitor     text   primary key,        -- the server's origin, and behind a # a hash of the credentials; or `#logins`
    held_until  bigint,                    -- nothing is sent before
    held_for    text,                      -- why, in the words that a person reads
    was_refused bigint not null default 0, -- 1: it said once that it was too much, and is paced since
    full_at     bigint,                    -- when what was spent of the burst is granted again
    day         bigint,                    -- the UTC day that sent counts
    sent        bigint not null default 0  -- messages on that day
);

-- How a target fares: one row once something was sent to it.
create table target (
    target          text   primary key,
    failing_since   bigint,                -- the first failure after its last success; null: it takes what is sent
    error           text,                  -- its last failure
    no_sequence     bigint not null default 0,  -- 1: its server's replies name no sequence_id: ntfy before 2.16
    delivered_at    bigint                 -- its last success
);

-- Its place in the order in which an answer's parts are sent, from 1.
alter table delivery add column turn bigint not null default 0;
update delivery set turn = part;
-- 1: the server refused this message alone, so what is behind it does not wait for it any more.
alter table delivery add column aside bigint not null default 0;
