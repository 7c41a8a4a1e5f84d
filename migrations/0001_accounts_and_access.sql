-- People, how they sign in, their groups and roles, and what is shared with whom.
-- Instants are integer milliseconds by the database's clock. `*_sealed` is AES-256-GCM under a key outside the database.

CREATE TABLE users (
  user_id TEXT PRIMARY KEY CHECK (length(user_id) = 64),  -- HMAC-SHA256 of the normalised e-mail, frozen at creation
  email_sealed BLOB NOT NULL,
  name_sealed BLOB,
  -- unproven: nobody has shown yet that they read mail at the address; assumed: it was taken as given, since no mail could be
  -- sent or the operator vouched for it; proven: by a mail, or by an identity provider
  email_state TEXT NOT NULL DEFAULT 'assumed' CHECK (email_state IN ('unproven', 'assumed', 'proven')),
  -- erased: nobody any more, and nothing is sealed in the row; it goes when the last of what refers to it has gone
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled', 'erased')),
  -- Rises with every change of the user's rights, by trigger. Begins anywhere, since ids come back: whoever registers again
  -- after an erasure must not meet what was cached of the rights they had before.
  authz_epoch INTEGER NOT NULL DEFAULT (abs(random() % 281474976710656)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX users_erased ON users (updated_at) WHERE status = 'erased';

-- Finds a user by what they sign in with. Apart from `users`, so that an address can change while the id stays.
CREATE TABLE user_identifiers (
  kind TEXT NOT NULL CHECK (kind IN ('email', 'oidc')),    -- oidc: an account at an identity provider, by issuer and subject
  hmac TEXT NOT NULL CHECK (length(hmac) = 64),
  pepper_version INTEGER NOT NULL DEFAULT 1,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  PRIMARY KEY (kind, hmac)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_identifiers_by_user ON user_identifiers (user_id);

CREATE TABLE credentials (
  user_id TEXT PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
  password_hash TEXT NOT NULL,                            -- argon2id in PHC string format
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user_roles (
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('super_admin', 'operator', 'auditor')),
  granted_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
  group_id TEXT PRIMARY KEY,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE group_memberships (
  group_id TEXT NOT NULL REFERENCES groups (group_id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_memberships_by_user ON group_memberships (user_id, group_id);

-- A share is to one user or one group. The real foreign keys are beneath; (grantee_type, grantee_id) is how it is shown.
CREATE TABLE resource_shares (
  share_id TEXT PRIMARY KEY,
  resource_type TEXT NOT NULL CHECK (resource_type IN ('document')),
  resource_id TEXT NOT NULL,
  grantee_user_id TEXT REFERENCES users (user_id) ON DELETE CASCADE,
  grantee_group_id TEXT REFERENCES groups (group_id) ON DELETE CASCADE,
  grantee_type TEXT NOT NULL GENERATED ALWAYS AS (CASE WHEN grantee_user_id IS NULL THEN 'group' ELSE 'user' END) VIRTUAL,
  grantee_id TEXT NOT NULL GENERATED ALWAYS AS (coalesce(grantee_user_id, grantee_group_id)) VIRTUAL,
  level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 3),   -- read 1 < write 2 < manage 3
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  CHECK ((grantee_user_id IS NULL) <> (grantee_group_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX resource_shares_by_user ON resource_shares (grantee_user_id, resource_type, resource_id)
  WHERE grantee_user_id IS NOT NULL;
CREATE UNIQUE INDEX resource_shares_by_group ON resource_shares (grantee_group_id, resource_type, resource_id)
  WHERE grantee_group_id IS NOT NULL;
CREATE INDEX resource_shares_by_resource ON resource_shares (resource_type, resource_id);

CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,                            -- absolute end, whatever is refreshed
  revoked_at INTEGER
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);

-- One row per refresh token ever issued in a session: a spent one that comes back revokes the session.
CREATE TABLE refresh_tokens (
  token_hash TEXT PRIMARY KEY CHECK (length(token_hash) = 64),  -- SHA-256; the token itself has 256 random bits
  session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  repeat_hash TEXT CHECK (used_at IS NOT NULL OR repeat_hash IS NULL) -- of the Idempotency-Key it was used with, if any
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE api_keys (
  key_id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  secret_hash TEXT NOT NULL CHECK (length(secret_hash) = 64),   -- SHA-256; the secret has 256 random bits
  scopes TEXT NOT NULL CHECK (json_valid(scopes)),              -- JSON array of scope words
  level_cap INTEGER CHECK (level_cap BETWEEN 1 AND 3),          -- no right above it; NULL: as far as the scopes go
  -- Only what is shared with this group. The key goes with the group, since without the limit it would see more.
  group_id TEXT REFERENCES groups (group_id) ON DELETE CASCADE,
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_user ON api_keys (user_id, created_at);
CREATE INDEX api_keys_by_group ON api_keys (group_id) WHERE group_id IS NOT NULL;

-- next: published, and signs when everybody who checks tokens has had the time to read it; active: signs; retired: signs no
-- more and still verifies, until the last token it signed is over.
CREATE TABLE signing_keys (
  kid TEXT PRIMARY KEY,
  public_jwk TEXT NOT NULL CHECK (json_valid(public_jwk)),
  private_sealed BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired')),
  created_at INTEGER NOT NULL,
  state_since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- One that signs and one that waits at most, however many processes make or promote keys.
CREATE UNIQUE INDEX signing_keys_in_use ON signing_keys (state) WHERE state <> 'retired';

-- The epoch rises in the transaction of the change. Triggers, so that no code path (CLI, cascade, migration) can forget it.
CREATE TRIGGER user_roles_added AFTER INSERT ON user_roles BEGIN
  UPDATE users SET authz_epoch = authz_epoch + 1 WHERE user_id = new.user_id;
END;
CREATE TRIGGER user_roles_removed AFTER DELETE ON user_roles BEGIN
  UPDATE users SET authz_epoch = authz_epoch + 1 WHERE user_id = old.user_id;
END;
CREATE TRIGGER group_memberships_added AFTER INSERT ON group_memberships BEGIN
  UPDATE users SET authz_epoch = authz_epoch + 1 WHERE user_id = new.user_id;
END;
CREATE TRIGGER group_memberships_changed AFTER UPDATE ON group_memberships BEGIN
  UPDATE users SET authz_epoch = authz_epoch + 1 WHERE user_id IN (old.user_id, new.user_id);
END;
CREATE TRIGGER group_memberships_removed AFTER DELETE ON group_memberships BEGIN
  UPDATE users SET authz_epoch = authz_epoch + 1 WHERE user_id = old.user_id;
END;
CREATE TRIGGER users_status_changed AFTER UPDATE OF status ON users WHEN old.status <> new.status BEGIN
  UPDATE users SET authz_epoch = authz_epoch + 1 WHERE user_id = new.user_id;
END;
-- What has been taken from an erased account does not come back, so neither does the account.
CREATE TRIGGER users_stay_erased BEFORE UPDATE OF status ON users WHEN old.status = 'erased' AND new.status <> 'erased' BEGIN
  SELECT RAISE(ABORT, 'require:not_found');
END;
