-- What was answered for frames, as runs of sequence numbers with the same answer. Times are microseconds since
-- 1970-01-01T00:00:00Z.
CREATE TABLE settlement_run (
    agent TEXT NOT NULL,
    camera TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    settlement TEXT NOT NULL,
    touched_at BIGINT NOT NULL,
    PRIMARY KEY (agent, camera, epoch, first)
);
CREATE INDEX settlement_run_by_age ON settlement_run (touched_at);

-- The newest frame of each camera whose run was erased because of its age.
CREATE TABLE forgotten (
    agent TEXT NOT NULL,
    camera TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (agent, camera)
);

-- Written to find out whether writing works.
CREATE TABLE probe (written_at BIGINT NOT NULL);
INSERT INTO probe VALUES (0);
