-- What the page, the API and the figures read quickly, and what they keep.

-- The newest runs of all jobs; 100,000 rows would be sorted for each look otherwise.
create index run_newest on run (scheduled_at, run_id);

-- What is not over; few rows, whatever the table holds.
create index run_open on run (state) where finished_at is null;

-- The last success of each job.
create index run_delivered on run (job, finished_at) where state = 'delivered';

-- Keys that promptcron made for itself and that never leave the ledger: link, with which the links
-- in pushes are signed.
create table secret (
    name  text primary key,
    value blob not null
);

-- Who has logged in to the page. The cookie's own text is not kept: only its hash with the web's
-- token, so that a changed token ends every session.
create table web_session (
    hash       text   primary key,
    expires_at bigint not null
);
