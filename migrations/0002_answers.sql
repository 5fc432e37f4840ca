-- What belongs to an answer besides its text, and the conversations that answers make.

-- The pages that the AI's search found, as a JSON list of {number, title, url}; null where it told of none.
alter table content add column sources text;

-- 1 where the AI stopped at its length limit, twice: the answer is cut off.
alter table content add column cut_off bigint not null default 0;

-- One conversation of a job with an endpoint; the newest one goes on. It begins with its first answer.
create table conversation (
    conversation_id integer primary key autoincrement,
    job             text   not null,
    ai              text   not null,
    begun_at        bigint not null,
    remote_id       text,              -- kimi: its id there, under which it goes on
    token           text               -- kimi: the fingerprint of the token whose account it belongs to
);
create index conversation_newest on conversation (job, ai, conversation_id);

-- Which runs are the turns of a conversation. A run is one turn at most: written with its answer, in one transaction,
-- so that no crash can lose or double one. What was said is in the table content.
create table turn (
    run_id          bigint primary key references run (run_id),
    conversation_id bigint not null references conversation (conversation_id)
);
create index turn_in_order on turn (conversation_id, run_id);
