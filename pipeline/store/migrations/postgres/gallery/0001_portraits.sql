-- Pictures of persons of interest. Kept as they came: which faces a net finds in them, and how it describes them, is its own
-- matter. Times are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE portrait (
    name TEXT NOT NULL,
    -- SHA-256 of the picture, in hexadecimal digits.
    digest TEXT NOT NULL,
    image BYTEA NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (name, digest)
);

-- Written to find out whether writing works.
CREATE TABLE probe (written_at BIGINT NOT NULL);
INSERT INTO probe VALUES (0);
