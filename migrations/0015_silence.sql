-- A hash of the text that the run's answer shows on a phone: notify = "changed" compares it. Kept when
-- the answer itself is pruned; null for runs from before it was known.
alter table run add column text_hash text;
