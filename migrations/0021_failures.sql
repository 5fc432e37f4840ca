-- Its last failure: what it has been owed since then was not tried there yet, and is not handed over untried.
alter table target add column failed_at bigint;
update target set failed_at = failing_since;
