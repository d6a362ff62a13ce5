-- When the lease was given or last extended: one that begins in the future has
-- ended, since the clock was set back.
ALTER TABLE parlance_projections ADD COLUMN lease_from INTEGER NOT NULL DEFAULT 0; -- microseconds since 1970 UTC
