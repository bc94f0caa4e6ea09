-- A large message is stored in pieces, as SQLite needs several times the memory of a value: what follows
-- its beginning, which is content.raw.
CREATE TABLE piece (
    message INTEGER NOT NULL REFERENCES content,
    n       INTEGER NOT NULL CHECK (n > 0),
    raw     BLOB    NOT NULL CHECK (raw <> x''),
    PRIMARY KEY (message, n)
) STRICT;

CREATE TRIGGER pieces_go_with_content AFTER DELETE ON content BEGIN
    DELETE FROM piece WHERE message = old.message;
END;
