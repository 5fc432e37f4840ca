-- Where a token's state was found: that it was refused counts for this address alone, for a wrong one refuses every
-- token. Null in rows that are older than this column: their address is not known, and the token is asked with again.
alter table token add column base_url text;
