-- What the page looks at first.

-- What has gone wrong lately.
create index run_failed on run (finished_at) where state = 'failed';

-- When each target last took a message, and how many of late.
create index delivery_taken on delivery (target, delivered_at) where state = 'delivered';
