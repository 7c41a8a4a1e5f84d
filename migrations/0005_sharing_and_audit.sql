-- Who did what to whom, and what is under way between people: invitations into groups and transfers of documents.

-- Written in the transaction of the change it tells of. Names users by id only and holds neither addresses nor content, so
-- that it may be kept; no foreign keys, since it outlives what it tells of.
CREATE TABLE audit_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor_id TEXT,                                          -- NULL: a guest, the system or the operator of the machine
  via TEXT NOT NULL CHECK (via IN ('session', 'api_key', 'guest', 'system')),
  credential_id TEXT,                                     -- the session or API key that was presented
  action TEXT NOT NULL CHECK (action GLOB '[a-z]*.[a-z]*'),   -- the closed list is src/audit/actions.ts
  target_type TEXT NOT NULL CHECK (target_type <> ''),
  target_id TEXT NOT NULL,
  concerned_id TEXT,                                      -- the user it was done to or for, where the target is something else
  detail TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(detail)),
  trace_id TEXT
) STRICT;
CREATE INDEX audit_log_by_actor ON audit_log (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_log_by_target ON audit_log (target_type, target_id, seq);
CREATE INDEX audit_log_by_concerned ON audit_log (concerned_id, seq) WHERE concerned_id IS NOT NULL;
CREATE INDEX audit_log_by_action ON audit_log (action, seq);

CREATE TRIGGER audit_log_not_deleted BEFORE DELETE ON audit_log BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_log_not_replaced BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = new.seq) BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
-- One change there is: a person who was erased becomes nobody in particular. An id may become `erased-…` when no user has it
-- any more, and then the credential may go as well; everything else stays as it was written.
CREATE TRIGGER audit_log_not_rewritten BEFORE UPDATE ON audit_log
WHEN new.seq IS NOT old.seq OR new.at IS NOT old.at OR new.via IS NOT old.via OR new.action IS NOT old.action
  OR new.target_type IS NOT old.target_type OR new.detail IS NOT old.detail OR new.trace_id IS NOT old.trace_id
  OR (new.actor_id IS NOT old.actor_id AND (new.actor_id NOT GLOB 'erased-?*'
    OR EXISTS (SELECT 1 FROM users WHERE user_id = old.actor_id)))
  OR (new.concerned_id IS NOT old.concerned_id AND (new.concerned_id NOT GLOB 'erased-?*'
    OR EXISTS (SELECT 1 FROM users WHERE user_id = old.concerned_id)))
  OR (new.target_id IS NOT old.target_id AND (old.target_type <> 'user' OR new.target_id NOT GLOB 'erased-?*'
    OR EXISTS (SELECT 1 FROM users WHERE user_id = old.target_id)))
  OR (new.credential_id IS NOT old.credential_id AND (new.credential_id IS NOT NULL OR new.actor_id IS old.actor_id))
BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
