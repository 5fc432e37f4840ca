-- A notice is a delivery that need not belong to a run: delivery.run_id may be null. Taking a NOT NULL
-- away leaves the rows as they are, so the table's text is changed and nothing is copied, as
-- https://sqlite.org/lang_altertable.html ("Making Other Kinds Of Table Schema Changes") has it.
pragma writable_schema = on;
update sqlite_schema set sql = replace(sql, 'run_id       bigint not null references run', 'run_id       bigint references run')
    where type = 'table' and name = 'delivery';
pragma writable_schema = reset;

-- The same notice is owed to a target once.
create unique index delivery_notice on delivery (target, sequence_id) where run_id is null;
-- What belongs to no run is pruned by its own time.
create index delivery_runless on delivery (give_up_at) where run_id is null;

-- What goes on that people are told of: one row a subject, gone when it is over.
create table trouble (
    subject  text   primary key,     -- job/gold, token/kimi/FINGERPRINT/dead, endpoint/kimi, target/phone, config
    since_at bigint not null,        -- when it happened first
    last_at  bigint not null,        -- when it happened last
    times    bigint not null,        -- how often in a row
    run_id   bigint,                 -- the run that it happened to last, which counts once
    told     bigint not null,        -- how often it was told of
    told_at  bigint                  -- when it was told of last; null: not yet
);

-- Each notice, one row for each target that hears of it.
create table notice (
    notice_id integer primary key autoincrement,
    subject   text   not null,
    target    text   not null,
    title     text   not null,       -- its title, which is what a summary says of it
    told_at   bigint not null,       -- when it was written
    state     text   not null        -- told (there is a delivery) | gathered (the hour is full: waits for a summary) | summed (was in one)
);
create index notice_told on notice (target, told_at) where state = 'told';
create index notice_gathered on notice (target) where state = 'gathered';

-- When a notice told of a missed run; those from before notices knew of them are not told of.
alter table run add column missed_told_at bigint;
update run set missed_told_at = coalesce(finished_at, 0) where state = 'missed';
create index run_missed on run (job) where state = 'missed' and missed_told_at is null;
