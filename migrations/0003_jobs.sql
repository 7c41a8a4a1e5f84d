-- The queue. A row is the job; its worker holds a lease, and every write after a claim repeats the fence of that claim.
-- Finished rows are in no index that a worker looks at, so ten million of them cost a claim nothing.

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,          -- first in, first out; never reused
  job_id TEXT NOT NULL UNIQUE,
  job_type TEXT NOT NULL CHECK (job_type <> ''),
  queue TEXT NOT NULL DEFAULT 'default' CHECK (queue <> ''),
  tenant TEXT NOT NULL DEFAULT '',                -- whose share of the queue the job uses
  payload TEXT CHECK (json_valid(payload)),       -- NULL: large, in job_blobs
  status TEXT NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  wait TEXT CHECK (wait IN ('time', 'key', 'rate', 'children')),  -- why a pending job may not run yet; NULL: it may
  priority INTEGER NOT NULL DEFAULT 0,            -- lower runs first
  vt INTEGER NOT NULL DEFAULT 0,                  -- tag of fair queueing: when it is the tenant's turn
  run_at INTEGER NOT NULL,
  fence INTEGER NOT NULL DEFAULT 0,               -- one more with every claim, never lowered
  attempts INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 5 CHECK (max_attempts >= 1),
  crashes INTEGER NOT NULL DEFAULT 0,             -- times its process died while it ran; from the first on it has one to itself
  worker_id TEXT,
  cancel_at INTEGER,                              -- when cancelling was asked for
  unique_key TEXT,                                -- at most one live job has it
  limit_key TEXT,                                 -- at most limit_max jobs with this key are admitted at a time
  limit_max INTEGER CHECK (limit_max >= 1),
  rate_key TEXT REFERENCES job_rates (rate_key),  -- starts no faster than this rate allows
  parent_id TEXT,                                 -- the job that waits for this one
  open_children INTEGER NOT NULL DEFAULT 0 CHECK (open_children >= 0),
  owner_id TEXT REFERENCES users (user_id) ON DELETE CASCADE,     -- NULL: a guest's or the system's
  via TEXT NOT NULL DEFAULT 'system' CHECK (via IN ('session', 'api_key', 'guest', 'system')),
  level_cap INTEGER NOT NULL DEFAULT 4 CHECK (level_cap BETWEEN 1 AND 4),
  group_id TEXT,                                  -- the one group of the API key; no reference: without it the job may nothing
  key_id TEXT,                                    -- the API key that caused it; the same
  poll_token_hash TEXT,                           -- lets a guest poll what it enqueued
  progress TEXT CHECK (json_valid(progress)),
  trace TEXT,                                     -- W3C traceparent of the enqueuer
  result TEXT CHECK (json_valid(result)),         -- NULL on a completed job: large, in job_blobs, or expired
  result_expires_at INTEGER,
  error TEXT CHECK (json_valid(error)),
  -- What happened, oldest first, as ",[instant,event,detail]" appended with every change of state and never rewritten. In
  -- the row, since a row of its own for each event would double what a job writes.
  timeline TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  CHECK ((status = 'processing') = (worker_id IS NOT NULL)),
  CHECK ((status IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
  CHECK (wait IS NULL OR status = 'pending'),
  CHECK ((limit_key IS NULL) = (limit_max IS NULL))
) STRICT;
CREATE INDEX jobs_ready ON jobs (queue, job_type, priority, vt, seq)
  WHERE status = 'pending' AND wait IS NULL AND crashes = 0;
CREATE INDEX jobs_suspect ON jobs (queue, job_type, priority, seq)
  WHERE status = 'pending' AND (wait IS NULL OR wait = 'rate') AND crashes > 0;
CREATE INDEX jobs_timer ON jobs (run_at) WHERE status = 'pending' AND wait = 'time';
CREATE INDEX jobs_rated ON jobs (rate_key, queue, job_type, priority, vt, seq)
  WHERE status = 'pending' AND wait = 'rate' AND crashes = 0;
CREATE INDEX jobs_limited ON jobs (limit_key, wait, priority, vt, seq)
  WHERE limit_key IS NOT NULL AND status IN ('pending', 'processing');
CREATE INDEX jobs_held ON jobs (worker_id) WHERE status = 'processing';
CREATE UNIQUE INDEX jobs_unique ON jobs (unique_key) WHERE unique_key IS NOT NULL AND status IN ('pending', 'processing');
CREATE INDEX jobs_children ON jobs (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX jobs_by_owner ON jobs (owner_id, seq) WHERE owner_id IS NOT NULL;
CREATE INDEX jobs_parked ON jobs (queue, job_type) WHERE status = 'pending' AND wait = 'children';
CREATE INDEX jobs_by_rate ON jobs (rate_key) WHERE rate_key IS NOT NULL;
CREATE INDEX jobs_done ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE status = 'failed';
CREATE INDEX jobs_expiring_results ON jobs (result_expires_at) WHERE result_expires_at IS NOT NULL;

-- Payloads and results over two kilobytes: in the row they would be written again with every change of state.
CREATE TABLE job_blobs (
  seq INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('payload', 'result')),
  body TEXT NOT NULL CHECK (json_valid(body)),
  PRIMARY KEY (seq, kind)
) STRICT;

-- What handlers said, a bounded number of lines per job.
CREATE TABLE job_logs (
  seq INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('info', 'warn', 'error')),
  message TEXT NOT NULL,
  PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
  worker_id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  queues TEXT CHECK (json_valid(queues)),         -- JSON array; NULL: every queue
  job_types TEXT NOT NULL CHECK (json_valid(job_types)),
  started_at INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Start-time fair queueing (Goyal, Vin, Cheng 1996): a queue's virtual time is the tag of the last claim; a tenant's next
-- job gets the later of that and its own last tag, plus its step.
CREATE TABLE job_queues (
  queue TEXT PRIMARY KEY,
  vt INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE job_lanes (
  queue TEXT NOT NULL REFERENCES job_queues (queue) ON DELETE CASCADE,
  tenant TEXT NOT NULL,
  last_vt INTEGER NOT NULL,                       -- of new jobs
  again_vt INTEGER NOT NULL DEFAULT 0,            -- of those that come into line later: as a retry, or when they are due
  weight INTEGER NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
  PRIMARY KEY (queue, tenant)
) STRICT, WITHOUT ROWID;

-- A paused queue (job_type '*') or a paused type in it: its jobs wait, running ones go on.
CREATE TABLE job_pauses (
  queue TEXT NOT NULL,
  job_type TEXT NOT NULL DEFAULT '*',
  paused_at INTEGER NOT NULL,
  PRIMARY KEY (queue, job_type)
) STRICT, WITHOUT ROWID;

-- Generic cell rate algorithm: a job with the key may start when `due_at` less the tolerance has come.
CREATE TABLE job_rates (
  rate_key TEXT PRIMARY KEY,
  interval_ms INTEGER NOT NULL CHECK (interval_ms >= 1),
  burst INTEGER NOT NULL DEFAULT 1 CHECK (burst >= 1),
  due_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- How long jobs have been waiting and running of late, for telling a waiting job what to expect.
CREATE TABLE job_paces (
  queue TEXT NOT NULL,
  job_type TEXT NOT NULL,
  wait_ms REAL NOT NULL,
  run_ms REAL NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (queue, job_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_schedules (
  schedule_id TEXT PRIMARY KEY,
  job_type TEXT NOT NULL,
  queue TEXT NOT NULL DEFAULT 'default',
  payload TEXT NOT NULL CHECK (json_valid(payload)),
  cron TEXT NOT NULL,
  time_zone TEXT NOT NULL DEFAULT 'UTC',
  max_catch_up INTEGER NOT NULL DEFAULT 1 CHECK (max_catch_up BETWEEN 0 AND 100),
  unique_key TEXT,                                -- of its jobs: while one is waiting or running, a slot adds none
  next_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX job_schedules_due ON job_schedules (next_at);
-- Each slot fires once, whoever notices it and however often.
CREATE TABLE job_schedule_fires (
  schedule_id TEXT NOT NULL REFERENCES job_schedules (schedule_id) ON DELETE CASCADE,
  slot INTEGER NOT NULL,
  job_id TEXT NOT NULL,
  PRIMARY KEY (schedule_id, slot)
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

-- The triggers below watch `wait` and `finished_at`, which the checks of the table tie to `status`: no change that matters to
-- them can leave these out, while the claim of a job that only stood in line touches neither. Each trigger that is asked in
-- vain costs 0.2 µs a row, and a job is updated twice.

-- Concurrency per key. The used places are counted, not stored, so a worker that dies leaks none; and it is the change of
-- the row itself that admits the next job, so no statement can forget to. Admitted is: running, runnable, or waiting for
-- its rate. The view is a procedure: inserting a key into it admits what has room.
CREATE VIEW job_admission AS SELECT NULL AS limit_key, NULL AS limit_max WHERE 0;
CREATE TRIGGER job_admission_run INSTEAD OF INSERT ON job_admission BEGIN
  UPDATE jobs SET wait = CASE WHEN rate_key IS NULL THEN NULL ELSE 'rate' END WHERE seq IN (
    SELECT seq FROM jobs
    WHERE limit_key = new.limit_key AND wait = 'key' AND limit_key IS NOT NULL AND status IN ('pending', 'processing')
    ORDER BY priority, vt, seq
    LIMIT max(0, new.limit_max
      - (SELECT count(*) FROM jobs WHERE limit_key = new.limit_key AND wait IS NULL
          AND limit_key IS NOT NULL AND status IN ('pending', 'processing'))
      - (SELECT count(*) FROM jobs WHERE limit_key = new.limit_key AND wait = 'rate'
          AND limit_key IS NOT NULL AND status IN ('pending', 'processing'))));
END;
CREATE TRIGGER jobs_limited_added AFTER INSERT ON jobs WHEN new.wait = 'key' BEGIN
  INSERT INTO job_admission VALUES (new.limit_key, new.limit_max);
END;
CREATE TRIGGER jobs_limited_changed AFTER UPDATE OF wait, finished_at ON jobs
  WHEN new.limit_key IS NOT NULL AND (new.wait IN ('key', 'time', 'children') OR new.finished_at IS NOT NULL) BEGIN
  INSERT INTO job_admission VALUES (new.limit_key, new.limit_max);
END;
CREATE TRIGGER jobs_limited_removed AFTER DELETE ON jobs
  WHEN old.limit_key IS NOT NULL AND old.finished_at IS NULL BEGIN
  INSERT INTO job_admission VALUES (old.limit_key, old.limit_max);
END;

-- A job that comes into line when its time has come, or on somebody's wish after its end, takes a turn like a new one: with
-- the tag it had before, thousands of retries would go ahead of everybody. These tags are counted apart from those of new
-- jobs, or a retry would wait for all that its tenant has added since. 1000 is the step of a new job as well.
CREATE TRIGGER jobs_turn_again AFTER UPDATE OF wait ON jobs
  WHEN new.status = 'pending' AND (old.finished_at IS NOT NULL OR old.wait = 'time' AND new.wait IS NOT 'time') BEGIN
  INSERT INTO job_lanes (queue, tenant, last_vt, again_vt)
    VALUES (new.queue, new.tenant, 0, (SELECT vt FROM job_queues WHERE queue = new.queue) + 1000)
    ON CONFLICT DO UPDATE SET
      again_vt = max(again_vt, (SELECT vt FROM job_queues WHERE queue = new.queue)) + 1000 / weight;
  UPDATE jobs SET vt = (SELECT again_vt FROM job_lanes WHERE queue = new.queue AND tenant = new.tenant)
    WHERE seq = new.seq;
END;

-- A start uses up its place in the rate, in the statement that starts it.
CREATE TRIGGER jobs_rated_started AFTER UPDATE OF wait ON jobs WHEN old.wait = 'rate' AND new.status = 'processing' BEGIN
  UPDATE job_rates SET due_at = max(due_at, new.updated_at) + interval_ms WHERE rate_key = new.rate_key;
END;

-- A parent's open children are counted by their own rows: one that is added makes it wait for one more.
CREATE TRIGGER jobs_child_added AFTER INSERT ON jobs WHEN new.parent_id IS NOT NULL AND new.finished_at IS NULL BEGIN
  UPDATE jobs SET open_children = open_children + 1, updated_at = new.updated_at WHERE job_id = new.parent_id;
END;

-- The last child to end lets its parent go on, whatever ended it; one that is run again holds it up again.
CREATE TRIGGER jobs_child_ended AFTER UPDATE OF finished_at ON jobs
  WHEN new.parent_id IS NOT NULL AND (new.finished_at IS NULL) <> (old.finished_at IS NULL) BEGIN
  UPDATE jobs SET open_children = max(0, open_children + iif(new.finished_at IS NULL, 1, -1)),
    wait = CASE WHEN wait = 'children' AND open_children = 1 AND new.finished_at IS NOT NULL
      THEN CASE WHEN limit_key IS NOT NULL THEN 'key' WHEN rate_key IS NOT NULL THEN 'rate' END ELSE wait END
  WHERE job_id = new.parent_id;
END;

-- Children of a parent that has failed or was cancelled are not needed any more, nor are theirs. A running one is told, and
-- what becomes of its children is told when it ends. All at once, since a trigger does not fire itself.
CREATE TRIGGER jobs_parent_ended AFTER UPDATE OF finished_at ON jobs
  WHEN new.status IN ('failed', 'cancelled') AND new.open_children > 0 AND old.finished_at IS NULL BEGIN
  UPDATE jobs SET cancel_at = coalesce(cancel_at, new.updated_at), updated_at = new.updated_at, wait = NULL,
    finished_at = CASE WHEN status = 'pending' THEN new.updated_at END,
    timeline = timeline || ',[' || new.updated_at || ',"cancel_asked","parent_ended"]',
    status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END
  WHERE status IN ('pending', 'processing') AND job_id IN (
    WITH RECURSIVE descendants (job_id, status) AS (
      SELECT job_id, status FROM jobs WHERE parent_id = new.job_id
      UNION SELECT c.job_id, c.status FROM descendants d CROSS JOIN jobs c ON c.parent_id = d.job_id
        WHERE d.status = 'pending')
    SELECT job_id FROM descendants);
END;

-- A document whose first version cannot be made says so, in the same transaction and whichever statement ends the job: a
-- handler's failure, a cancel, or the rescue of a job that kept killing its workers. A retry puts it back.
CREATE TRIGGER jobs_ingestion_ended AFTER UPDATE OF finished_at ON jobs
  WHEN new.job_type = 'ingest' AND (new.status IN ('failed', 'cancelled') OR old.status IN ('failed', 'cancelled')) BEGIN
  UPDATE documents SET status = iif(new.finished_at IS NULL, 'processing', 'failed'), updated_at = new.updated_at
  WHERE current_version_id IS NULL
    AND document_id = (SELECT document_id FROM document_versions WHERE version_id = new.payload ->> 'version_id');
END;

INSERT INTO job_queues (queue) VALUES ('default');
