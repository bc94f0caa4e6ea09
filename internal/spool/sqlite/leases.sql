-- Leases are remembered by the process that has them: this index is of deferred requests alone, and a message that
-- is sent at once is never in it.
DROP INDEX request_due;

CREATE INDEX request_due ON request (due) WHERE state = 2;
