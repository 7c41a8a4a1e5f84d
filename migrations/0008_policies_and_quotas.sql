-- What is done about personal data, and how much a user or a group may have.

-- Set by the admins of a group. The strictest of these and of the setting PII_POLICY applies to a document.
CREATE TABLE group_policies (
  group_id TEXT PRIMARY KEY REFERENCES groups (group_id) ON DELETE CASCADE,
  pii_policy TEXT NOT NULL CHECK (pii_policy IN ('off', 'tag', 'mask')),
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a version was treated under, as strict as any policy that applied when it was accepted or read, and how often each kind
-- of personal data was found in it: a JSON object of counts, NULL where nobody looked.
ALTER TABLE document_versions ADD COLUMN pii_policy TEXT NOT NULL DEFAULT 'off' CHECK (pii_policy IN ('off', 'tag', 'mask'));
ALTER TABLE document_versions ADD COLUMN pii_counts TEXT CHECK (json_valid(pii_counts));

-- A file that its version names no more, since what was in it is masked, is deleted as one whose version is gone.
CREATE TRIGGER document_versions_let_go AFTER UPDATE OF storage_key ON document_versions
  WHEN old.storage_key IS NOT NULL AND new.storage_key IS NOT old.storage_key BEGIN
  INSERT INTO jobs (job_id, job_type, payload, max_attempts, run_at, created_at, updated_at)
  SELECT substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || substr(h, 18, 3) || '-' || substr(h, 21),
    'delete_files', json_object('storage_keys', json_array(old.storage_key)), 20, t, t, t
  FROM (SELECT lower(hex(randomblob(16))) AS h, CAST(unixepoch('subsec') * 1000 AS INTEGER) AS t);
END;

-- What each has, kept by the triggers below in the transaction of the change, and limits that replace those of the settings:
-- a JSON object of `documents`, `bytes`, `chunks` and `tokens_per_day`, in which null is without limit. Tokens are those
-- of one day (days since 1970, UTC). A group has what is shared with it.
CREATE TABLE user_quotas (
  user_id TEXT PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
  documents INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  chunks INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  token_day INTEGER NOT NULL DEFAULT 0,
  limits TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(limits))
) STRICT, WITHOUT ROWID;
CREATE TABLE group_quotas (
  group_id TEXT PRIMARY KEY REFERENCES groups (group_id) ON DELETE CASCADE,
  documents INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  chunks INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  token_day INTEGER NOT NULL DEFAULT 0,
  limits TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(limits))
) STRICT, WITHOUT ROWID;

-- Counting is done in one place, into which the triggers insert what has changed for an owner and a document's groups. The
-- view is a procedure. Rows exist for every user and group, so that a statement can always lock and read them.
CREATE TRIGGER users_have_quotas AFTER INSERT ON users BEGIN
  INSERT INTO user_quotas (user_id) VALUES (new.user_id);
END;
CREATE TRIGGER groups_have_quotas AFTER INSERT ON groups BEGIN
  INSERT INTO group_quotas (group_id) VALUES (new.group_id);
END;
INSERT INTO user_quotas (user_id) SELECT user_id FROM users;
INSERT INTO group_quotas (group_id) SELECT group_id FROM groups;

CREATE VIEW quota_changes AS
  SELECT NULL AS owner_id, NULL AS document_id, 0 AS documents, 0 AS bytes, 0 AS chunks WHERE 0;
CREATE TRIGGER quota_changes_counted INSTEAD OF INSERT ON quota_changes BEGIN
  UPDATE user_quotas SET documents = documents + new.documents, bytes = bytes + new.bytes, chunks = chunks + new.chunks
    WHERE user_id = new.owner_id;
  UPDATE group_quotas SET documents = documents + new.documents, bytes = bytes + new.bytes, chunks = chunks + new.chunks
    WHERE group_id IN (SELECT grantee_group_id FROM resource_shares
      WHERE resource_type = 'document' AND resource_id = new.document_id AND grantee_group_id IS NOT NULL);
END;

CREATE VIEW document_sizes AS
  SELECT d.document_id, coalesce(sum(v.bytes), 0) AS bytes, coalesce(sum(v.chunk_count), 0) AS chunks
  FROM documents d LEFT JOIN document_versions v ON v.document_id = d.document_id GROUP BY d.document_id;

CREATE TRIGGER documents_counted AFTER INSERT ON documents BEGIN
  INSERT INTO quota_changes VALUES (new.owner_id, new.document_id, 1, 0, 0);
END;
-- Before, while its versions and shares are still there; what goes with it is then not counted again.
CREATE TRIGGER documents_given_back BEFORE DELETE ON documents BEGIN
  INSERT INTO quota_changes SELECT old.owner_id, old.document_id, -1, -bytes, -chunks
    FROM document_sizes WHERE document_id = old.document_id;
END;
CREATE TRIGGER documents_handed_over AFTER UPDATE OF owner_id ON documents WHEN old.owner_id IS NOT new.owner_id BEGIN
  UPDATE user_quotas SET documents = documents - 1,
    bytes = bytes - (SELECT bytes FROM document_sizes WHERE document_id = new.document_id),
    chunks = chunks - (SELECT chunks FROM document_sizes WHERE document_id = new.document_id)
    WHERE user_id = old.owner_id;
  UPDATE user_quotas SET documents = documents + 1,
    bytes = bytes + (SELECT bytes FROM document_sizes WHERE document_id = new.document_id),
    chunks = chunks + (SELECT chunks FROM document_sizes WHERE document_id = new.document_id)
    WHERE user_id = new.owner_id;
END;

CREATE TRIGGER document_versions_counted AFTER INSERT ON document_versions BEGIN
  INSERT INTO quota_changes SELECT owner_id, document_id, 0, coalesce(new.bytes, 0), coalesce(new.chunk_count, 0)
    FROM documents WHERE document_id = new.document_id;
END;
CREATE TRIGGER document_versions_recounted AFTER UPDATE OF bytes, chunk_count ON document_versions
  WHEN old.bytes IS NOT new.bytes OR old.chunk_count IS NOT new.chunk_count BEGIN
  INSERT INTO quota_changes SELECT owner_id, document_id, 0, coalesce(new.bytes, 0) - coalesce(old.bytes, 0),
    coalesce(new.chunk_count, 0) - coalesce(old.chunk_count, 0) FROM documents WHERE document_id = new.document_id;
END;
CREATE TRIGGER document_versions_given_back AFTER DELETE ON document_versions BEGIN
  INSERT INTO quota_changes SELECT owner_id, document_id, 0, -coalesce(old.bytes, 0), -coalesce(old.chunk_count, 0)
    FROM documents WHERE document_id = old.document_id;
END;

CREATE TRIGGER group_shares_counted AFTER INSERT ON resource_shares
  WHEN new.grantee_group_id IS NOT NULL AND new.resource_type = 'document' BEGIN
  UPDATE group_quotas SET documents = documents + 1,
    bytes = bytes + coalesce((SELECT bytes FROM document_sizes WHERE document_id = new.resource_id), 0),
    chunks = chunks + coalesce((SELECT chunks FROM document_sizes WHERE document_id = new.resource_id), 0)
    WHERE group_id = new.grantee_group_id;
END;
CREATE TRIGGER group_shares_given_back AFTER DELETE ON resource_shares
  WHEN old.grantee_group_id IS NOT NULL AND old.resource_type = 'document'
    AND EXISTS (SELECT 1 FROM documents WHERE document_id = old.resource_id) BEGIN
  UPDATE group_quotas SET documents = documents - 1,
    bytes = bytes - (SELECT bytes FROM document_sizes WHERE document_id = old.resource_id),
    chunks = chunks - (SELECT chunks FROM document_sizes WHERE document_id = old.resource_id)
    WHERE group_id = old.grantee_group_id;
END;
