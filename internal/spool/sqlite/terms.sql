-- Terms are recorded for many messages at once, since each is in a page of its own: the last message that
-- has its terms. A search looks through all messages after it.
CREATE TABLE terms_of (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    message INTEGER NOT NULL
) STRICT;

INSERT INTO terms_of SELECT 1, COALESCE(max(id), 0) FROM message;
