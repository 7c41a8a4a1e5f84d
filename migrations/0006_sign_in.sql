-- What is under way between signing in and being signed in: proofs by mail, sign-ins at identity providers, and mail to be sent.
-- Tokens are stored as SHA-256 of 256 random bits. Rows are short-lived; maintenance deletes those that are over.

-- A token that does one thing once. It is deleted by its use.
CREATE TABLE one_time_tokens (
  token_hash TEXT PRIMARY KEY CHECK (length(token_hash) = 64),
  -- reset_by_mail also proves the address, which a link handed over by an administrator does not
  purpose TEXT NOT NULL CHECK (purpose IN ('verify_email', 'reset_by_mail', 'reset_by_link')),
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_tokens_by_user ON one_time_tokens (user_id, purpose);
CREATE INDEX one_time_tokens_by_expiry ON one_time_tokens (expires_at);

-- A browser that is away at an identity provider. Deleted when it comes back, so that no answer counts twice.
CREATE TABLE oidc_attempts (
  state_hash TEXT PRIMARY KEY CHECK (length(state_hash) = 64),
  browser_hash TEXT NOT NULL CHECK (length(browser_hash) = 64),   -- of the cookie that only this browser has
  provider TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  nonce TEXT NOT NULL,
  code_verifier_sealed BLOB NOT NULL,
  return_to TEXT,
  code_challenge TEXT,                                    -- of the program that `return_to` belongs to (RFC 7636)
  link_user_id TEXT REFERENCES users (user_id) ON DELETE CASCADE, -- who asked to add the identity to their account
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  CHECK ((return_to IS NULL) = (code_challenge IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX oidc_attempts_by_link ON oidc_attempts (link_user_id) WHERE link_user_id IS NOT NULL;
CREATE INDEX oidc_attempts_by_expiry ON oidc_attempts (expires_at);

-- A finished sign-in on its way from the browser to the program that began it, which proves itself by the verifier.
CREATE TABLE sign_in_codes (
  code_hash TEXT PRIMARY KEY CHECK (length(code_hash) = 64),
  code_challenge TEXT NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_codes_by_user ON sign_in_codes (user_id);
CREATE INDEX sign_in_codes_by_expiry ON sign_in_codes (expires_at);

-- Mail until it is sent. Apart from its job, so that no queue, log or dead letter holds an address or a token.
CREATE TABLE outgoing_mail (
  mail_id TEXT PRIMARY KEY,
  user_id TEXT REFERENCES users (user_id) ON DELETE CASCADE,     -- the recipient, where they have an account
  mail_sealed BLOB NOT NULL,                              -- JSON of address, subject and text
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outgoing_mail_by_user ON outgoing_mail (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX outgoing_mail_by_expiry ON outgoing_mail (expires_at);

-- Whoever registers somebody else's address first must gain nothing by it: until the address is proven, the account gets
-- neither into a group nor shares. The routes refuse it in words; these hold for every other way.
CREATE TRIGGER group_memberships_need_proof BEFORE INSERT ON group_memberships
WHEN EXISTS (SELECT 1 FROM users WHERE user_id = new.user_id AND email_state = 'unproven') BEGIN
  SELECT RAISE(ABORT, 'require:email_unproven');
END;
CREATE TRIGGER resource_shares_need_proof BEFORE INSERT ON resource_shares
WHEN EXISTS (SELECT 1 FROM users WHERE user_id = new.grantee_user_id AND email_state = 'unproven') BEGIN
  SELECT RAISE(ABORT, 'require:email_unproven');
END;
