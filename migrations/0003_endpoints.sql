-- What is known of each endpoint as a whole, so that a restart does not end its cooling. The state is JSON.
create table endpoint (
    ai         text   primary key,
    base_url   text   not null,   -- what is known counts for this address alone
    state      text   not null,
    changed_at bigint not null
);

-- One request of an attempt, in the order in which they were made: an attempt asks with one token after the other,
-- and one endpoint of its job's chain after the other.
create table request (
    run_id      bigint not null references run (run_id),
    number      bigint not null,   -- the attempt's
    position    bigint not null,   -- from 1
    ai          text   not null,
    token_label text,
    started_at  bigint not null,
    finished_at bigint not null,
    error       text,              -- null: answered
    primary key (run_id, number, position)
);

-- The first endpoint of the job's chain, where another one (run.ai) answered in its place.
alter table run add column instead_of text;
