-- The spool of heyrelay in one file: what was answered 250, and what became of it.
--
-- Times are nanoseconds since 1970 in UTC; 0 stands for none.
-- Numbers of states, priorities and calls are those of package spool:
--   state  0 queued  1 ready  2 deferred  3 active  4 held | 5 sent  6 flagged  7 failed  8 dropped
--   priority  0 high  1 normal  2 bulk
--   call   0 send  1 check-conversation  2 find-message

-- One accepted SMTP transaction.
CREATE TABLE message (
    id          INTEGER PRIMARY KEY,
    queue_id    TEXT    NOT NULL UNIQUE,
    accepted    INTEGER NOT NULL,
    client      TEXT    NOT NULL,
    sender      TEXT    NOT NULL,            -- '' for <>
    route       TEXT    NOT NULL,
    team        TEXT    NOT NULL,
    inbox       INTEGER NOT NULL,
    title       TEXT    NOT NULL,
    warnings    BLOB,
    fingerprint BLOB    CHECK (length(fingerprint) = 32), -- NULL once an equal message is no repeat any more
    weak_fingerprint        INTEGER NOT NULL CHECK (weak_fingerprint IN (0, 1)),  -- counts only until the client has heard the 250
    content_digest      BLOB    CHECK (length(content_digest) = 32),      -- of the content, where the fingerprint is that of a key
    envelope_id TEXT    NOT NULL,            -- ENVID, '' for none
    return      TEXT    NOT NULL CHECK (return IN ('', 'FULL', 'HDRS')),
    reports_after     INTEGER NOT NULL             -- no report leaves before: the client may be told in the reply
) STRICT;

CREATE INDEX message_fingerprint ON message (fingerprint, accepted) WHERE fingerprint IS NOT NULL;

-- Bodies stand apart, so that a change of state does not rewrite them, and once,
-- however many requests a message has.
CREATE TABLE content (
    message INTEGER PRIMARY KEY REFERENCES message,
    html    TEXT    NOT NULL,
    subject_offset   INTEGER NOT NULL,                -- offset in html for a line before all others
    text    TEXT    NOT NULL,
    raw     BLOB                             -- as received
) STRICT;

-- Our record of one Heymarket conversation.
CREATE TABLE conversation (
    id       INTEGER PRIMARY KEY,
    team     TEXT    NOT NULL,
    inbox    INTEGER NOT NULL,
    participants  TEXT    NOT NULL CHECK (participants <> ''),
    convo_id INTEGER NOT NULL DEFAULT 0,     -- 0 until the API has given one
    title    TEXT    NOT NULL,               -- of the message that opened it
    base_subject     TEXT    NOT NULL,               -- that title without Re: and tags
    last_used     INTEGER NOT NULL                -- when its last message was accepted
) STRICT;

CREATE INDEX conversation_convo ON conversation (team, convo_id) WHERE convo_id <> 0;

-- Which conversation a key stands for. There is no foreign key: nothing looks
-- links up by conversation, and the index that a deletion would need costs every
-- message. Accept compares what it finds, and Check looks for what points nowhere.
CREATE TABLE link (
    key          BLOB    PRIMARY KEY CHECK (length(key) = 16),
    conversation INTEGER NOT NULL,
    owner        INTEGER NOT NULL            -- the message whose own id this is, 0 where it is only cited
) STRICT, WITHOUT ROWID;

-- One POST to come, or what became of it. A lane is a queue of requests of which
-- one, the head, is under way. It has the number of its conversation; a head that
-- stepped aside has a lane of its own, the number of its request below zero.
CREATE TABLE request (
    id           INTEGER PRIMARY KEY,
    message      INTEGER NOT NULL REFERENCES message,
    conversation INTEGER NOT NULL REFERENCES conversation,
    joined       INTEGER NOT NULL CHECK (joined IN (0, 1)),       -- found its conversation, did not open it
    lookup_name         TEXT    NOT NULL,           -- by which it found it, for people; '' for none
    lane         INTEGER NOT NULL,
    local_id     TEXT    NOT NULL CHECK (local_id <> ''),
    recipients   TEXT    NOT NULL CHECK (json_valid(recipients)), -- {"to": ["a@example.com"], "cc": ["b@example.com"]}
    participants      TEXT    NOT NULL,                                -- equal to its conversation's
    team         TEXT    NOT NULL,
    inbox        INTEGER NOT NULL,           -- where it goes, as route and team: an operator may have moved it
    route        TEXT    NOT NULL,
    priority     INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2), -- as asked for
    effective_priority        INTEGER NOT NULL CHECK (effective_priority BETWEEN 0 AND 2),    -- a head's is the highest that waits in its lane
    auto_replied      INTEGER NOT NULL,           -- when it was accepted, where it is an automatic reply; else 0
    subject_line INTEGER NOT NULL CHECK (subject_line IN (0, 1)),   -- its bodies begin with its subject
    state        INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),
    seq         INTEGER NOT NULL,           -- place in its lane while queued, among its route's while ready
    due          INTEGER NOT NULL,           -- end of sleep, or of the lease
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    trial_attempt        INTEGER NOT NULL DEFAULT 1, -- number of the attempt that begins the present trial
    hold         TEXT    NOT NULL DEFAULT '', -- why an operator keeps it back, '' where nobody does
    local_id_since        INTEGER NOT NULL DEFAULT 1, -- number of the first attempt under the present local_id
    call         INTEGER NOT NULL DEFAULT 0 CHECK (call BETWEEN 0 AND 2),  -- what its next attempt asks, or the present one
    refused_attempt      INTEGER NOT NULL DEFAULT 0, -- number of the trial's newest attempt that was refused for good, 0 for none
    conversation_alive        INTEGER NOT NULL DEFAULT 0 CHECK (conversation_alive IN (0, 1)),   -- its conversation was found to stand since that refusal
    reply_to     INTEGER,                    -- convo_id that it replies to, 0 where it opens; NULL before its first attempt
    requested_convo_id       INTEGER NOT NULL DEFAULT 0, -- convo_id that its application named and nobody knew: it is looked at first; 0 for none
    unknown      INTEGER NOT NULL DEFAULT 0 CHECK (unknown IN (0, 1)), -- some send has no definite answer
    convo_id     INTEGER NOT NULL DEFAULT 0, -- as answered
    message_id   INTEGER NOT NULL DEFAULT 0, -- as answered
    dsn          TEXT    NOT NULL CHECK (dsn = '' OR json_valid(dsn)), -- what was asked for about each of targets, '' for nothing
    delayed      INTEGER NOT NULL DEFAULT 0 CHECK (delayed IN (0, 1)), -- its delay was reported
    ended        INTEGER NOT NULL DEFAULT 0, -- when it was sent, flagged, failed or dropped; 0 while it is open
    forgotten    INTEGER NOT NULL DEFAULT 0 CHECK (forgotten IN (0, 1)), -- its recipient was forgotten: it is never sent again
    CHECK ((state > 4) = (ended > 0)),
    CHECK (forgotten = 0 OR state > 4),
    CHECK ((state IN (2, 3)) = (due > 0)),
    CHECK (state <> 3 OR attempts > 0),
    CHECK (state <> 4 OR hold <> ''),
    CHECK (lane IN (conversation, -id)),
    CHECK (lane > 0 OR state <> 0)           -- nothing waits behind what stepped aside
) STRICT;

-- One head a lane: no program error can send two requests of a conversation at once.
CREATE UNIQUE INDEX request_head ON request (lane) WHERE state BETWEEN 1 AND 4;

CREATE INDEX request_queued  ON request (lane, seq)               WHERE state = 0;
CREATE INDEX request_waiting ON request (lane, effective_priority)              WHERE state = 0;
CREATE INDEX request_ready   ON request (team, effective_priority, route, inbox, seq) WHERE state = 1;
CREATE INDEX request_due     ON request (due, state)               WHERE state IN (2, 3);
CREATE INDEX request_deferred ON request (team, id)                 WHERE state = 2;
CREATE INDEX request_requested_convo  ON request (team, requested_convo_id)             WHERE requested_convo_id <> 0 AND state <= 4;
CREATE INDEX request_conversation ON request (conversation);
CREATE INDEX request_message ON request (message);
CREATE INDEX request_auto_replied ON request (team, inbox, participants, auto_replied) WHERE auto_replied <> 0;
CREATE INDEX request_open    ON request (team, route, inbox)       WHERE state <= 4;

-- One attempt, written before the network is touched.
CREATE TABLE attempt (
    request INTEGER NOT NULL REFERENCES request,
    n       INTEGER NOT NULL CHECK (n > 0),
    call    INTEGER NOT NULL CHECK (call BETWEEN 0 AND 2),
    began   INTEGER NOT NULL,
    ended   INTEGER NOT NULL DEFAULT 0,      -- 0 while it runs, or if nobody recorded its end
    status  INTEGER NOT NULL DEFAULT 0,
    api_id  TEXT    NOT NULL DEFAULT '',
    reason  TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (request, n)
) STRICT, WITHOUT ROWID;

-- The budget of a team (route ''), and what holds it, one of its routes, or what
-- a route has for one inbox.
CREATE TABLE gate (
    team   TEXT    NOT NULL,
    route  TEXT    NOT NULL,
    inbox  INTEGER NOT NULL DEFAULT 0,       -- 0 for whatever it has
    next   INTEGER NOT NULL DEFAULT 0,       -- all that was spent, see spool.Spend
    tick   INTEGER NOT NULL DEFAULT 0,       -- calls begun, see spool.ClassOrder
    held   INTEGER NOT NULL DEFAULT 0,       -- since when, 0 where it is open
    reason TEXT    NOT NULL DEFAULT '',
    probe  INTEGER NOT NULL DEFAULT 0,       -- when it gives one request to find out, 0 for never
    released INTEGER NOT NULL DEFAULT 0,       -- end of the last hold
    PRIMARY KEY (team, route, inbox)
) STRICT, WITHOUT ROWID;

CREATE INDEX gate_held ON gate (team, route, inbox) WHERE held <> 0;

-- The ledger: how many requests of a route are in a state, those that are not
-- kept any more included.
CREATE TABLE counter (
    route TEXT    NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),
    n     INTEGER NOT NULL,                  -- unchecked: a wrong figure must not stop mail; Check finds it
    gone  INTEGER NOT NULL DEFAULT 0,        -- those not kept any more
    PRIMARY KEY (route, state)
) STRICT, WITHOUT ROWID;

-- What somebody outside is to be told: way 0 a report to the sender, 1 an event
-- to the operator's webhook.
CREATE TABLE notice (
    id       INTEGER PRIMARY KEY,
    way      INTEGER NOT NULL CHECK (way IN (0, 1)),
    happened INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 0,     -- to tell it, that failed
    request  INTEGER REFERENCES request,     -- NULL where it is about none
    attempt  INTEGER,                        -- of a report: what came of this one
    until    INTEGER NOT NULL DEFAULT 0,     -- of a delay: when the request will be given up
    action   TEXT CHECK (action IN ('failed', 'delayed', 'relayed')),
    event    BLOB,                           -- of an event: the JSON to post
    CHECK (CASE way WHEN 0 THEN request IS NOT NULL AND attempt IS NOT NULL AND action IS NOT NULL AND event IS NULL
                    ELSE action IS NULL AND event IS NOT NULL END)
) STRICT;

CREATE INDEX notice_due     ON notice (way, due);
CREATE INDEX notice_request ON notice (request) WHERE request IS NOT NULL;

-- The last turn that was given.
CREATE TABLE sequence (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO sequence VALUES (1, 0);
