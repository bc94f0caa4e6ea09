-- The spool of heyrelay in one file: what was answered 250, and its outcome.
--
-- Times are nanoseconds since 1970 in UTC; 0 stands for none.
-- Numbers of states, priorities and calls are those of package spool:
--   state     0 queued  1 ready  2 deferred  3 active  4 held | 5 sent  6 flagged  7 failed  8 dropped  9 shadowed
--   priority  0 high  1 normal  2 bulk
--   call      0 send  1 check-conversation  2 find-message

-- One accepted SMTP transaction.
CREATE TABLE message (
    id               INTEGER PRIMARY KEY,
    queue_id         TEXT    NOT NULL UNIQUE,
    accepted         INTEGER NOT NULL,
    client           TEXT    NOT NULL,
    sender           TEXT    NOT NULL,       -- '' for <>
    route            TEXT    NOT NULL,
    team             TEXT    NOT NULL,
    inbox            INTEGER NOT NULL,
    title            TEXT    NOT NULL,
    message_id       TEXT    NOT NULL DEFAULT '', -- of its header, separated by spaces; '' for none
    warnings         BLOB,
    fingerprint      BLOB    CHECK (length(fingerprint) = 32),         -- NULL once an equal message is no repeat
    weak_fingerprint INTEGER NOT NULL CHECK (weak_fingerprint IN (0, 1)), -- counts only until the 250 has arrived
    content_digest   BLOB    CHECK (length(content_digest) = 32),      -- where the fingerprint is that of a key
    envelope_id      TEXT    NOT NULL,       -- ENVID, '' for none
    return           TEXT    NOT NULL CHECK (return IN ('', 'FULL', 'HDRS')),
    reports_after    INTEGER NOT NULL,       -- no report leaves before: the reply may report the outcome
    shadow           TEXT    NOT NULL,       -- reply of the server that it was passed on to, '' where it is to be sent
    refusal          TEXT    NOT NULL,       -- the reply that would have refused it; '' for none
    CHECK (shadow <> '' OR refusal = '')
) STRICT;

CREATE INDEX message_fingerprint ON message (fingerprint, accepted) WHERE fingerprint IS NOT NULL;

CREATE INDEX message_accepted ON message (accepted);

-- What a message can be found by: keys of its recipients, its Message-ID and its
-- local_ids. Whatever is found is compared, so a key of a deleted message does no harm
-- until it is deleted, too.
CREATE TABLE term (
    key     INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (key, message)
) STRICT, WITHOUT ROWID;

-- Bodies are stored apart, so that a change of state does not rewrite them, and
-- once, however many requests a message has.
CREATE TABLE content (
    message        INTEGER PRIMARY KEY REFERENCES message,
    html           TEXT    NOT NULL,
    subject_offset INTEGER NOT NULL,         -- in html, for a line before all others
    text           TEXT    NOT NULL,
    raw            BLOB                      -- as received
) STRICT;

-- Our record of one Heymarket conversation.
CREATE TABLE conversation (
    id           INTEGER PRIMARY KEY,
    team         TEXT    NOT NULL,
    inbox        INTEGER NOT NULL,
    participants TEXT    NOT NULL CHECK (participants <> ''),
    convo_id     INTEGER NOT NULL DEFAULT 0, -- 0 until the API has given one
    title        TEXT    NOT NULL,           -- of the message that opened it
    base_subject TEXT    NOT NULL,           -- that title without Re: and tags
    last_used    INTEGER NOT NULL            -- when its last message was accepted
) STRICT;

CREATE INDEX conversation_convo ON conversation (team, convo_id) WHERE convo_id <> 0;

-- The conversation that a key stands for. There is no foreign key: nothing finds
-- links by conversation, and the index that a deletion would need costs every
-- message. Accept compares what it finds, and Check reports links to nothing.
CREATE TABLE link (
    key          BLOB    PRIMARY KEY CHECK (length(key) = 16),
    conversation INTEGER NOT NULL,
    owner        INTEGER NOT NULL            -- the message whose own id this is, 0 where it is only cited
) STRICT, WITHOUT ROWID;

-- One POST to come, or its outcome. A lane is a queue of requests of which
-- one, the head, is being delivered. It has the number of its conversation; a head
-- that stepped aside has a lane of its own, the number of its request below zero.
CREATE TABLE request (
    id                 INTEGER PRIMARY KEY,
    message            INTEGER NOT NULL REFERENCES message,
    conversation       INTEGER NOT NULL REFERENCES conversation,
    joined             INTEGER NOT NULL CHECK (joined IN (0, 1)), -- found its conversation, did not open it
    lookup_name        TEXT    NOT NULL,     -- which field named which id, where that found it; '' for none
    lane               INTEGER NOT NULL,
    local_id           TEXT    NOT NULL CHECK (local_id <> ''),
    recipients         TEXT    NOT NULL CHECK (json_valid(recipients)), -- {"to": ["a@example.com"], "cc": []}
    participants       TEXT    NOT NULL,     -- those of its conversation
    team               TEXT    NOT NULL,
    inbox              INTEGER NOT NULL,     -- where it goes, as route and team: an operator may have moved it
    route              TEXT    NOT NULL,
    priority           INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),
    effective_priority INTEGER NOT NULL CHECK (effective_priority BETWEEN 0 AND 2), -- of a head: the highest in its lane
    auto_replied       INTEGER NOT NULL,     -- when it was accepted, where it is an automatic reply; else 0
    subject_line       INTEGER NOT NULL CHECK (subject_line IN (0, 1)), -- its bodies begin with its subject
    state              INTEGER NOT NULL CHECK (state BETWEEN 0 AND 9),
    seq                INTEGER NOT NULL,     -- place in its lane while queued, among its route's while ready
    due                INTEGER NOT NULL,     -- end of a deferral, or of the lease
    attempts           INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    trial_attempt      INTEGER NOT NULL DEFAULT 1,  -- number of the attempt that begins the present trial
    hold               TEXT    NOT NULL DEFAULT '', -- why an operator holds it, '' where nobody does
    sends_since        INTEGER NOT NULL DEFAULT 1,  -- number of the first attempt under the present local_id, or
                                                    -- of the first after a proof that the earlier ones sent nothing
    call               INTEGER NOT NULL DEFAULT 0 CHECK (call BETWEEN 0 AND 2), -- of its next attempt, or the present one
    refused_at         INTEGER NOT NULL DEFAULT 0,  -- newest refusal of the trial that its route may be to blame for
    refused_attempt    INTEGER NOT NULL DEFAULT 0,  -- number of the trial's newest attempt that was refused
    conversation_alive INTEGER NOT NULL DEFAULT 0 CHECK (conversation_alive IN (0, 1)), -- was there after that refusal
    reply_to           INTEGER,              -- convo_id that it replies to, 0 where it opens; NULL before its first attempt
    requested_convo_id INTEGER NOT NULL DEFAULT 0,  -- named by its application and unknown: to be checked first
    unknown            INTEGER NOT NULL DEFAULT 0 CHECK (unknown IN (0, 1)), -- some send has no definite answer
    convo_id           INTEGER NOT NULL DEFAULT 0,  -- as answered
    message_id         INTEGER NOT NULL DEFAULT 0,  -- as answered
    dsn                TEXT    NOT NULL CHECK (dsn = '' OR json_valid(dsn)), -- asked for about each recipient
    delayed            INTEGER NOT NULL DEFAULT 0 CHECK (delayed IN (0, 1)), -- its delay was reported
    ended              INTEGER NOT NULL DEFAULT 0,  -- when it was sent, flagged, failed, dropped or shadowed; 0 while it is open
    forgotten          INTEGER NOT NULL DEFAULT 0 CHECK (forgotten IN (0, 1)), -- its recipient was: it is never sent again
    CHECK ((state > 4) = (ended > 0)),
    CHECK (forgotten = 0 OR state > 4),
    CHECK ((state IN (2, 3)) = (due > 0)),
    CHECK (state <> 3 OR attempts > 0),
    CHECK (state <> 9 OR attempts = 0),
    CHECK (state <> 4 OR hold <> ''),
    CHECK (lane IN (conversation, -id)),
    CHECK (lane > 0 OR state <> 0)           -- nothing is queued behind what stepped aside
) STRICT;

-- One head a lane: no program error can send two requests of a conversation at once.
CREATE UNIQUE INDEX request_head ON request (lane) WHERE state BETWEEN 1 AND 4;

CREATE INDEX request_queued          ON request (lane, seq)                WHERE state = 0;
CREATE INDEX request_queued_priority ON request (lane, effective_priority) WHERE state = 0;
CREATE INDEX request_ready
    ON request (team, effective_priority, route, inbox, seq, call) WHERE state = 1 AND call <> 2;
CREATE INDEX request_search
    ON request (team, effective_priority, route, inbox, seq, call) WHERE state = 1 AND call = 2;
CREATE INDEX request_due             ON request (due, state)               WHERE state IN (2, 3);
CREATE INDEX request_requested_convo ON request (team, requested_convo_id) WHERE requested_convo_id <> 0 AND state <= 4;
CREATE INDEX request_conversation    ON request (conversation);
CREATE INDEX request_message         ON request (message);
CREATE INDEX request_auto_replied    ON request (team, inbox, participants, auto_replied) WHERE auto_replied <> 0;
CREATE INDEX request_convo           ON request (convo_id)                 WHERE convo_id <> 0;
CREATE INDEX request_team            ON request (team, state);
CREATE INDEX request_route           ON request (route, state);
CREATE INDEX request_held_queued     ON request (state)                    WHERE hold <> '';
CREATE INDEX request_open            ON request (team, route, inbox)       WHERE state <= 4;
CREATE INDEX request_hold            ON request (team, route, inbox, state) WHERE hold <> '';

-- One attempt, written before the network is touched.
CREATE TABLE attempt (
    request INTEGER NOT NULL REFERENCES request,
    n       INTEGER NOT NULL CHECK (n > 0),
    call    INTEGER NOT NULL CHECK (call BETWEEN 0 AND 2),
    began   INTEGER NOT NULL,
    ended   INTEGER NOT NULL DEFAULT 0,      -- 0 while it is active, or if nobody recorded its end
    unknown INTEGER NOT NULL DEFAULT 0 CHECK (unknown IN (0, 1)), -- it ended without a definite answer: it may have sent
    status  INTEGER NOT NULL DEFAULT 0,
    api_id  TEXT    NOT NULL DEFAULT '',
    reason  TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (request, n)
) STRICT, WITHOUT ROWID;

-- The budget of a team (route ''), and the hold of it, of one of its routes, or of
-- what a route has for one inbox.
CREATE TABLE gate (
    team       TEXT    NOT NULL,
    route      TEXT    NOT NULL,
    inbox      INTEGER NOT NULL DEFAULT 0,   -- 0 for all
    next       INTEGER NOT NULL DEFAULT 0,   -- all that was spent, see spool.Spend
    tick       INTEGER NOT NULL DEFAULT 0,   -- calls begun, see spool.ClassOrder
    shut_began INTEGER NOT NULL DEFAULT 0,   -- when the newest answer 429 came, see spool.Throttle
    shut_until INTEGER NOT NULL DEFAULT 0,   -- no call begins before
    shut_rate  INTEGER NOT NULL DEFAULT 0,   -- calls a minute from then on
    held       INTEGER NOT NULL DEFAULT 0,   -- since when, 0 where it is not held
    operator   INTEGER NOT NULL DEFAULT 0 CHECK (operator IN (0, 1)), -- an operator holds it, not an answer of the API
    reason     TEXT    NOT NULL DEFAULT '',
    probe      INTEGER NOT NULL DEFAULT 0,   -- when it gives one request as a probe, 0 for never
    aside      INTEGER NOT NULL DEFAULT 0 CHECK (aside IN (0, 1)), -- heads step aside for other destinations
    released   INTEGER NOT NULL DEFAULT 0,   -- end of the last hold
    PRIMARY KEY (team, route, inbox)
) STRICT, WITHOUT ROWID;

CREATE INDEX gate_held ON gate (team, route, inbox) WHERE held <> 0;

-- The ledger: how many requests of a route are in a state, deleted ones included.
CREATE TABLE counter (
    route TEXT    NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 9),
    n     INTEGER NOT NULL,                  -- unchecked: a wrong figure must not stop mail; Check finds it
    gone  INTEGER NOT NULL DEFAULT 0,        -- those that were deleted
    PRIMARY KEY (route, state)
) STRICT, WITHOUT ROWID;

-- Notices to be delivered: way 0 a report to the sender, 1 an event to the
-- operator's webhook.
CREATE TABLE notice (
    id       INTEGER PRIMARY KEY,
    way      INTEGER NOT NULL CHECK (way IN (0, 1)),
    happened INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 0,     -- failed attempts to deliver it
    request  INTEGER REFERENCES request,     -- NULL where it is about none
    attempt  INTEGER,                        -- of a report: the attempt that it is about
    until    INTEGER NOT NULL DEFAULT 0,     -- of a delay: when the request expires
    action   TEXT CHECK (action IN ('failed', 'delayed', 'relayed')),
    event    BLOB,                           -- of an event: the JSON to post
    CHECK (CASE way WHEN 0 THEN request IS NOT NULL AND attempt IS NOT NULL AND action IS NOT NULL AND event IS NULL
                    ELSE action IS NULL AND event IS NOT NULL END)
) STRICT;

CREATE INDEX notice_due     ON notice (way, due);
CREATE INDEX notice_request ON notice (request) WHERE request IS NOT NULL;

-- The last seq that was given.
CREATE TABLE sequence (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO sequence VALUES (1, 0);
