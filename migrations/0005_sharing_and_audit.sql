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
-- any more but one that is being erased, and then the credential may go as well; everything else stays as it was written.
CREATE TRIGGER audit_log_not_rewritten BEFORE UPDATE ON audit_log
WHEN new.seq IS NOT old.seq OR new.at IS NOT old.at OR new.via IS NOT old.via OR new.action IS NOT old.action
  OR new.target_type IS NOT old.target_type OR new.detail IS NOT old.detail OR new.trace_id IS NOT old.trace_id
  OR (new.actor_id IS NOT old.actor_id AND (new.actor_id NOT GLOB 'erased-?*'
    OR EXISTS (SELECT 1 FROM users WHERE user_id = old.actor_id AND status <> 'erased')))
  OR (new.concerned_id IS NOT old.concerned_id AND (new.concerned_id NOT GLOB 'erased-?*'
    OR EXISTS (SELECT 1 FROM users WHERE user_id = old.concerned_id AND status <> 'erased')))
  OR (new.target_id IS NOT old.target_id AND (old.target_type <> 'user' OR new.target_id NOT GLOB 'erased-?*'
    OR EXISTS (SELECT 1 FROM users WHERE user_id = old.target_id AND status <> 'erased')))
  OR (new.credential_id IS NOT old.credential_id AND (new.credential_id IS NOT NULL OR new.actor_id IS old.actor_id))
BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;

-- An address that was asked into a group. Deleted when it is accepted; the token is 256 random bits.
CREATE TABLE invitations (
  invitation_id TEXT PRIMARY KEY,
  group_id TEXT NOT NULL REFERENCES groups (group_id) ON DELETE CASCADE,
  email_hmac TEXT NOT NULL CHECK (length(email_hmac) = 64),     -- as in user_identifiers
  email_sealed BLOB NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
  invited_by TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  token_hash TEXT NOT NULL UNIQUE CHECK (length(token_hash) = 64),
  member_until INTEGER,                                   -- when the membership will end; NULL: never
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (group_id, email_hmac)
) STRICT;
CREATE INDEX invitations_by_email ON invitations (email_hmac);
CREATE INDEX invitations_by_inviter ON invitations (invited_by);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
-- Nobody is left whom the address belongs to.
CREATE TRIGGER user_identifiers_removed AFTER DELETE ON user_identifiers WHEN old.kind = 'email' BEGIN
  DELETE FROM invitations WHERE email_hmac = old.hmac;
END;

-- A document that its owner wants to hand over. One offer at a time, until the other side accepts.
CREATE TABLE document_transfers (
  document_id TEXT PRIMARY KEY REFERENCES documents (document_id) ON DELETE CASCADE,
  from_user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  to_user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  CHECK (from_user_id <> to_user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_transfers_from ON document_transfers (from_user_id);
CREATE INDEX document_transfers_to ON document_transfers (to_user_id, created_at, document_id);
CREATE INDEX document_transfers_by_expiry ON document_transfers (expires_at);

-- What ends by itself is found by when.
CREATE INDEX resource_shares_by_expiry ON resource_shares (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX group_memberships_by_expiry ON group_memberships (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE INDEX user_roles_by_role ON user_roles (role, user_id);
CREATE INDEX users_by_creation ON users (created_at, user_id);

-- Somebody can always manage a group: an admin without an end whose account is active. Whatever would take the last one away
-- is refused, whichever statement or program asks, so that of two who remove each other one is told no. A group that is
-- deleted takes its memberships along: by then it is no longer in `groups`. The text after `require:` is an error code.
CREATE VIEW lasting_admins AS
  SELECT m.group_id, m.user_id FROM group_memberships m JOIN users u ON u.user_id = m.user_id
  WHERE m.role = 'admin' AND m.expires_at IS NULL AND u.status = 'active';

CREATE TRIGGER group_memberships_keep_admin_on_update BEFORE UPDATE OF role, expires_at ON group_memberships
WHEN old.role = 'admin' AND old.expires_at IS NULL AND (new.role <> 'admin' OR new.expires_at IS NOT NULL)
  AND EXISTS (SELECT 1 FROM lasting_admins WHERE group_id = old.group_id AND user_id = old.user_id)
  AND NOT EXISTS (SELECT 1 FROM lasting_admins WHERE group_id = old.group_id AND user_id <> old.user_id) BEGIN
  SELECT RAISE(ABORT, 'require:last_admin');
END;
CREATE TRIGGER group_memberships_keep_admin_on_delete BEFORE DELETE ON group_memberships
WHEN old.role = 'admin' AND old.expires_at IS NULL
  AND EXISTS (SELECT 1 FROM groups WHERE group_id = old.group_id)
  AND EXISTS (SELECT 1 FROM lasting_admins WHERE group_id = old.group_id AND user_id = old.user_id)
  AND NOT EXISTS (SELECT 1 FROM lasting_admins WHERE group_id = old.group_id AND user_id <> old.user_id) BEGIN
  SELECT RAISE(ABORT, 'require:last_admin');
END;
-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER group_memberships_keep_admin_on_insert BEFORE INSERT ON group_memberships
WHEN (new.role <> 'admin' OR new.expires_at IS NOT NULL)
  AND EXISTS (SELECT 1 FROM lasting_admins WHERE group_id = new.group_id AND user_id = new.user_id)
  AND NOT EXISTS (SELECT 1 FROM lasting_admins WHERE group_id = new.group_id AND user_id <> new.user_id) BEGIN
  SELECT RAISE(ABORT, 'require:last_admin');
END;
-- A membership and a role belong to whom they were given: moved, they could replace another one unseen.
CREATE TRIGGER group_memberships_not_moved BEFORE UPDATE OF group_id, user_id ON group_memberships
WHEN new.group_id <> old.group_id OR new.user_id <> old.user_id BEGIN
  SELECT RAISE(ABORT, 'a membership is not moved');
END;
CREATE TRIGGER user_roles_not_changed BEFORE UPDATE ON user_roles BEGIN
  SELECT RAISE(ABORT, 'a role is granted and revoked, never changed');
END;

CREATE VIEW active_super_admins AS
  SELECT r.user_id FROM user_roles r JOIN users u ON u.user_id = r.user_id
  WHERE r.role = 'super_admin' AND u.status = 'active';

CREATE TRIGGER user_roles_keep_super_admin BEFORE DELETE ON user_roles
WHEN old.role = 'super_admin'
  AND EXISTS (SELECT 1 FROM active_super_admins WHERE user_id = old.user_id)
  AND NOT EXISTS (SELECT 1 FROM active_super_admins WHERE user_id <> old.user_id) BEGIN
  SELECT RAISE(ABORT, 'require:last_super_admin');
END;

CREATE TRIGGER users_keep_admins_on_disable BEFORE UPDATE OF status ON users
WHEN old.status = 'active' AND new.status <> 'active' BEGIN
  SELECT RAISE(ABORT, 'require:last_admin') WHERE EXISTS (SELECT 1 FROM lasting_admins a WHERE a.user_id = old.user_id
    AND NOT EXISTS (SELECT 1 FROM lasting_admins o WHERE o.group_id = a.group_id AND o.user_id <> a.user_id));
  SELECT RAISE(ABORT, 'require:last_super_admin')
  WHERE EXISTS (SELECT 1 FROM active_super_admins WHERE user_id = old.user_id)
    AND NOT EXISTS (SELECT 1 FROM active_super_admins WHERE user_id <> old.user_id);
END;
CREATE TRIGGER users_keep_admins_on_delete BEFORE DELETE ON users BEGIN
  SELECT RAISE(ABORT, 'require:last_admin') WHERE EXISTS (SELECT 1 FROM lasting_admins a WHERE a.user_id = old.user_id
    AND NOT EXISTS (SELECT 1 FROM lasting_admins o WHERE o.group_id = a.group_id AND o.user_id <> a.user_id));
  SELECT RAISE(ABORT, 'require:last_super_admin')
  WHERE EXISTS (SELECT 1 FROM active_super_admins WHERE user_id = old.user_id)
    AND NOT EXISTS (SELECT 1 FROM active_super_admins WHERE user_id <> old.user_id);
END;
-- INSERT OR REPLACE of a user would cascade through everything they have.
CREATE TRIGGER users_not_replaced BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users WHERE user_id = new.user_id) BEGIN
  SELECT RAISE(ABORT, 'a user is not replaced');
END;
CREATE TRIGGER users_not_renumbered BEFORE UPDATE OF user_id ON users WHEN new.user_id <> old.user_id BEGIN
  SELECT RAISE(ABORT, 'the id of a user is frozen');
END;
