-- What one message writes is kept small.

-- The last seq that was given to requests of a team, in its row for all routes.
ALTER TABLE gate ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;

INSERT INTO gate (team, route) SELECT DISTINCT team, '' FROM request WHERE true ON CONFLICT DO NOTHING;

UPDATE gate SET seq = (SELECT seq FROM sequence) WHERE route = '' AND inbox = 0;

DROP TABLE sequence;

-- When the last attempt began. It is written to the table attempt when it ends, or is lost.
ALTER TABLE request ADD COLUMN began INTEGER NOT NULL DEFAULT 0;

UPDATE request SET began = (SELECT began FROM attempt WHERE request = request.id AND n = request.attempts)
 WHERE state = 3;

DELETE FROM attempt WHERE n = (SELECT attempts FROM request WHERE id = attempt.request AND state = 3);
