-- Alerts on persons of interest. Times are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE alert (
    -- Ascending, and never given twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    section TEXT NOT NULL,
    event TEXT NOT NULL,
    captured_at BIGINT NOT NULL,
    image BLOB NOT NULL,
    -- The frame that raised it; none for an alert posted by REST.
    agent TEXT,
    camera TEXT,
    epoch BIGINT,
    sequence BIGINT,
    -- Counts for the retention: what was captured long ago may come in today.
    stored_at BIGINT NOT NULL
);
CREATE INDEX alert_by_time ON alert (captured_at);
CREATE INDEX alert_by_age ON alert (stored_at);
CREATE INDEX alert_by_frame ON alert (agent, camera, epoch, sequence);

CREATE TABLE alert_person (
    alert BIGINT NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (alert, position)
);
CREATE INDEX alert_person_by_name ON alert_person (name);

-- When a camera had a person of interest in view. Stays when its alert is deleted, so that the same appearance
-- does not raise another.
CREATE TABLE appearance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    agent TEXT NOT NULL,
    camera TEXT NOT NULL,
    name TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    alert BIGINT REFERENCES alert (id) ON DELETE SET NULL,
    touched_at BIGINT NOT NULL
);
CREATE INDEX appearance_by_person ON appearance (agent, camera, name, last_seen);
CREATE INDEX appearance_by_alert ON appearance (alert);
CREATE INDEX appearance_by_age ON appearance (touched_at);

-- Frames carried out, as runs of sequence numbers without a gap.
CREATE TABLE frame_run (
    agent TEXT NOT NULL,
    camera TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    PRIMARY KEY (agent, camera, epoch, first)
);
CREATE INDEX frame_run_by_age ON frame_run (touched_at);

-- Requests carried out, and how they were answered.
CREATE TABLE request (
    target TEXT NOT NULL,
    id TEXT NOT NULL,
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    body BLOB NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (target, id)
);
CREATE INDEX request_by_age ON request (answered_at);

-- Written to find out whether writing works.
CREATE TABLE probe (written_at BIGINT NOT NULL);
INSERT INTO probe VALUES (0);
