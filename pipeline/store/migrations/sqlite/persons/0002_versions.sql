-- How often a camera has changed, and which change settled something last: instances that share a database fold on what
-- others have added.
ALTER TABLE camera ADD COLUMN changes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE camera ADD COLUMN settling BIGINT NOT NULL DEFAULT 0;
-- The change that added it.
ALTER TABLE observation ADD COLUMN change BIGINT NOT NULL DEFAULT 0;
