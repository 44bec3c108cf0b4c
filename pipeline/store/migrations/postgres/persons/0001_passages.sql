-- Who passed. Times are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE person (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    section TEXT NOT NULL,
    event TEXT NOT NULL,
    captured_at BIGINT NOT NULL,
    age TEXT,
    gender TEXT,
    -- The passage that says so; none for a person posted by REST.
    passage TEXT UNIQUE,
    -- Counts for the retention: what was captured long ago may come in today.
    stored_at BIGINT NOT NULL
);
CREATE INDEX person_by_time ON person (section, captured_at, event);
CREATE INDEX person_by_age ON person (stored_at);

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

-- What frames showed, as long as the folding of passages needs it.
CREATE TABLE observation (
    agent TEXT NOT NULL,
    camera TEXT NOT NULL,
    event TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    faces TEXT NOT NULL,
    -- The change of the camera that added it.
    change BIGINT NOT NULL,
    PRIMARY KEY (agent, camera, event, epoch, sequence)
);

-- The settled part of the folding of each camera; how often it has changed, and which change settled something last.
CREATE TABLE camera (
    agent TEXT NOT NULL,
    camera TEXT NOT NULL,
    event TEXT NOT NULL,
    settled TEXT NOT NULL,
    changes BIGINT NOT NULL,
    settling BIGINT NOT NULL,
    PRIMARY KEY (agent, camera, event)
);

-- Requests carried out, and how they were answered.
CREATE TABLE request (
    target TEXT NOT NULL,
    id TEXT NOT NULL,
    status BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    body BYTEA NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (target, id)
);
CREATE INDEX request_by_age ON request (answered_at);

-- Written to find out whether writing works.
CREATE TABLE probe (written_at BIGINT NOT NULL);
INSERT INTO probe VALUES (0);
