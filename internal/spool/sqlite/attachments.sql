-- What the spool knows of files: the octets are in the blob store.

-- One file in the blob store. A route has the same octets once.
CREATE TABLE blob (
    id     INTEGER PRIMARY KEY,
    key    TEXT    NOT NULL UNIQUE CHECK (key <> ''), -- of its object
    route  TEXT    NOT NULL,
    digest BLOB    NOT NULL CHECK (length(digest) = 32), -- SHA-256 of its octets
    size   INTEGER NOT NULL CHECK (size >= 0),
    shared INTEGER NOT NULL DEFAULT 1 CHECK (shared IN (0, 1)) -- later messages of the route link to it, too
) STRICT;

CREATE UNIQUE INDEX blob_digest ON blob (route, digest) WHERE shared = 1;

-- For their number and sum, at each scrape of the metrics.
CREATE INDEX blob_size ON blob (size);

-- One file of a message, with its link. It can outlive its message.
CREATE TABLE attachment (
    id           INTEGER PRIMARY KEY,
    link         BLOB    NOT NULL UNIQUE CHECK (length(link) = 32), -- SHA-256 of the link's id
    blob         INTEGER NOT NULL REFERENCES blob,
    queue_id     TEXT    NOT NULL,
    route        TEXT    NOT NULL,
    accepted     INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    inline       INTEGER NOT NULL CHECK (inline IN (0, 1)),
    ends         INTEGER NOT NULL,           -- when the link expires, or was revoked
    revoked      INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1))
) STRICT;

CREATE INDEX attachment_blob     ON attachment (blob);
CREATE INDEX attachment_queue_id ON attachment (queue_id);
CREATE INDEX attachment_route    ON attachment (route);
CREATE INDEX attachment_ends     ON attachment (ends);

-- Objects that nothing needs any longer, until they have been deleted.
CREATE TABLE garbage (
    key TEXT PRIMARY KEY CHECK (key <> '')
) STRICT, WITHOUT ROWID;

-- Where the objects are.
CREATE TABLE blob_store (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    location TEXT    NOT NULL
) STRICT;

-- What links are signed with.
CREATE TABLE signing_key (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB    NOT NULL CHECK (length(key) = 32)
) STRICT;
