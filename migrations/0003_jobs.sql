-- The queue. A row is the job; its worker holds a lease, and every write after a claim repeats the fence of that claim.

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,          -- first in, first out; never reused
  job_id TEXT NOT NULL UNIQUE,
  job_type TEXT NOT NULL CHECK (job_type <> ''),
  payload TEXT NOT NULL CHECK (json_valid(payload)),
  status TEXT NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  wait TEXT CHECK (wait IN ('time', 'key', 'children', 'hold')),  -- why a pending job may not run yet; NULL: it may
  priority INTEGER NOT NULL DEFAULT 0,            -- lower runs first
  run_at INTEGER NOT NULL,
  fence INTEGER NOT NULL DEFAULT 0,               -- one more with every claim, never lowered
  attempts INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 5 CHECK (max_attempts >= 1),
  crashes INTEGER NOT NULL DEFAULT 0,             -- times its worker died while it ran
  worker_id TEXT,
  cancel_at INTEGER,                              -- when cancelling was asked for
  unique_key TEXT,
  owner_id TEXT REFERENCES users (user_id) ON DELETE CASCADE,     -- NULL: a guest's or the system's
  via TEXT NOT NULL DEFAULT 'system' CHECK (via IN ('session', 'api_key', 'guest', 'system')),
  level_cap INTEGER NOT NULL DEFAULT 4 CHECK (level_cap BETWEEN 1 AND 4),
  poll_token_hash TEXT,                           -- lets a guest poll what it enqueued
  progress TEXT CHECK (progress IS NULL OR json_valid(progress)),
  trace TEXT,                                     -- W3C traceparent of the enqueuer
  result TEXT CHECK (result IS NULL OR json_valid(result)),
  error TEXT CHECK (error IS NULL OR json_valid(error)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  CHECK ((status = 'processing') = (worker_id IS NOT NULL)),
  CHECK ((status IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
  CHECK (wait IS NULL OR status = 'pending')
) STRICT;
CREATE INDEX jobs_ready ON jobs (priority, seq) WHERE status = 'pending' AND wait IS NULL;
CREATE INDEX jobs_timer ON jobs (run_at) WHERE status = 'pending' AND wait = 'time';
CREATE INDEX jobs_held ON jobs (worker_id) WHERE status = 'processing';
CREATE UNIQUE INDEX jobs_unique ON jobs (unique_key) WHERE unique_key IS NOT NULL AND status IN ('pending', 'processing');
CREATE INDEX jobs_by_owner ON jobs (owner_id, seq) WHERE owner_id IS NOT NULL;

CREATE TABLE workers (
  worker_id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The first answer to a request with an Idempotency-Key, given again for 24 hours.
CREATE TABLE idempotency_keys (
  caller TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  answer TEXT NOT NULL CHECK (json_valid(answer)),
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (caller, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

-- A document whose first version cannot be made says so, in the same transaction and whichever statement ends the job: a
-- handler's failure, a cancel, or the rescue of a job that kept killing its workers. A retry puts it back.
CREATE TRIGGER jobs_ingestion_ended AFTER UPDATE OF status ON jobs
  WHEN new.job_type = 'ingest' AND new.status IN ('failed', 'cancelled') AND old.status <> new.status BEGIN
  UPDATE documents SET status = 'failed', updated_at = new.updated_at
  WHERE current_version_id IS NULL
    AND document_id = (SELECT document_id FROM document_versions WHERE version_id = new.payload ->> 'version_id');
END;
CREATE TRIGGER jobs_ingestion_retried AFTER UPDATE OF status ON jobs
  WHEN new.job_type = 'ingest' AND new.status = 'pending' AND old.status IN ('failed', 'cancelled') BEGIN
  UPDATE documents SET status = 'processing', updated_at = new.updated_at
  WHERE current_version_id IS NULL
    AND document_id = (SELECT document_id FROM document_versions WHERE version_id = new.payload ->> 'version_id');
END;
