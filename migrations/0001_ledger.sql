-- Instants are milliseconds since the Unix epoch, UTC. Texts of states are run-semantics' words.

-- One row a job that was ever seen. Every nominal instant up to cursor_at is in the table run.
create table job (
    job           text primary key,
    first_seen_at bigint not null,
    cursor_at     bigint not null,
    paused_at     bigint,
    paused_until  bigint,          -- null while paused: until it is resumed
    removed_at    bigint           -- null while the config has it enabled
);

-- Which schedule a job had from when until when: what audit walks.
create table revision (
    job      text   not null,
    since_at bigint not null,      -- instants after this one
    until_at bigint,               -- up to and with this one; null: still
    schedule text   not null,      -- the schedule and its zone as text
    primary key (job, since_at)
);

-- One row an occurrence; or, for a long outage or pause, one row for many (instants, until_at).
create table run (
    run_id           integer primary key autoincrement,
    job              text   not null,
    scheduled_at     bigint not null,
    trigger          text   not null,   -- schedule | manual
    state            text   not null,
    reason           text,
    instants         bigint not null default 1,
    until_at         bigint,            -- the last instant of a range record
    overlap          text   not null default 'allow',
    due_at           bigint not null,   -- scheduled_at and its jitter
    start_by         bigint,            -- start_deadline, as an instant
    planned_at       bigint not null,   -- when the row became durable
    first_claimed_at bigint,            -- retry_for counts from here
    next_attempt_at  bigint not null,
    lease_owner      text,
    lease_until      bigint,
    fence            bigint not null default 0,  -- the claim's number, checked on every later write
    started_at       bigint,
    answered_at      bigint,
    finished_at      bigint,
    ai               text,
    model            text,
    token_label      text,
    asked_ms         bigint,
    unique (job, scheduled_at, trigger)
);
create index run_live on run (job, run_id) where state in ('planned', 'claimed', 'asking');
create index run_waiting on run (next_attempt_at) where state = 'planned';
create index run_finished on run (finished_at) where finished_at is not null;
create index run_range on run (job, until_at) where until_at is not null;

-- What was asked and answered: kept for `keep`, then pruned; the run's row stays.
create table content (
    run_id integer primary key references run (run_id),
    prompt text not null,
    answer text not null
);

-- One try at asking; written before the first byte goes out.
create table attempt (
    run_id      bigint not null references run (run_id),
    number      bigint not null,
    started_at  bigint not null,
    finished_at bigint,
    outcome     text   not null,   -- asking | answered | failed | interrupted (not counted) | lost (a crash)
    ai          text   not null,
    token_label text,
    error       text,
    primary key (run_id, number)
);

-- The outbox: one message part owed to one target.
create table delivery (
    delivery_id  integer primary key autoincrement,
    run_id       bigint not null references run (run_id),
    kind         text   not null,   -- answer | notice
    target       text   not null,
    part         bigint not null,
    parts        bigint not null,
    sequence_id  text   not null,
    message      text   not null,   -- the message as JSON, without topic and credentials
    bytes        bigint not null,   -- of text in it
    state        text   not null,   -- owed | sending | delivered | failed
    next_at      bigint not null,
    give_up_at   bigint not null,
    lease_owner  text,
    lease_until  bigint,
    fence        bigint not null default 0,
    delivered_at bigint,
    receipt      text,              -- the id the server gave it
    error        text,
    unique (run_id, kind, target, part)
);
create index delivery_owed on delivery (target, run_id, part) where state in ('owed', 'sending');

-- One POST; written before it, its outcome after.
create table delivery_attempt (
    delivery_id bigint not null references delivery (delivery_id),
    number      bigint not null,
    started_at  bigint not null,
    finished_at bigint,
    outcome     text   not null,   -- sending | delivered | failed | unknown (sent, no answer)
    error       text,
    primary key (delivery_id, number)
);

-- The daemon's signs of life, one row.
create table beat (
    id         integer primary key check (id = 1),
    owner      text   not null,
    started_at bigint not null,
    beat_at    bigint not null,
    planner_at bigint not null,
    stopped_at bigint
);

-- What is known of each token, so that a restart resets no rest. The state is JSON, without the token.
create table token (
    ai          text   not null,
    fingerprint text   not null,
    state       text   not null,
    changed_at  bigint not null,
    primary key (ai, fingerprint)
);

-- Single facts: pruned_until.
create table fact (
    name  text primary key,
    value bigint not null
);
