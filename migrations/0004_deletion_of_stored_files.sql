-- A version that goes leaves a job that deletes its original, whichever statement or cascade removes it, and in the same
-- transaction: a file that is stored for a version while its document is being deleted is not forgotten.
CREATE TRIGGER document_versions_removed AFTER DELETE ON document_versions WHEN old.storage_key IS NOT NULL BEGIN
  INSERT INTO jobs (job_id, job_type, payload, max_attempts, run_at, created_at, updated_at)
  SELECT substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || substr(h, 18, 3) || '-' || substr(h, 21),
    'delete_files', json_object('storage_keys', json_array(old.storage_key)), 20, t, t, t
  FROM (SELECT lower(hex(randomblob(16))) AS h, CAST(unixepoch('subsec') * 1000 AS INTEGER) AS t);
END;
