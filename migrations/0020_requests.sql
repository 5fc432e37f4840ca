-- What the page of tokens counts: the requests of the last day.
create index request_lately on request (started_at);
