-- What can be computed again. Everything in here may be lost at any time.

CREATE TABLE cache (
  seq INTEGER PRIMARY KEY,                        -- order of storing: without room the oldest entry goes first
  cache_key TEXT NOT NULL UNIQUE,
  value BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  user_id TEXT REFERENCES users (user_id) ON DELETE CASCADE,  -- whose entry it is; NULL: nobody's
  bytes INTEGER NOT NULL GENERATED ALWAYS AS (length(cache_key) + length(value) + 64) VIRTUAL
) STRICT;
CREATE INDEX cache_by_expiry ON cache (expires_at);
CREATE INDEX cache_by_user ON cache (user_id) WHERE user_id IS NOT NULL;

-- How much is stored, so that no store has to count. By trigger, since cascades remove entries as well.
CREATE TABLE cache_size (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  entries INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO cache_size (id, entries, bytes) VALUES (1, 0, 0);
CREATE TRIGGER cache_added AFTER INSERT ON cache BEGIN
  UPDATE cache_size SET entries = entries + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER cache_replaced AFTER UPDATE OF value ON cache BEGIN
  UPDATE cache_size SET bytes = bytes - old.bytes + new.bytes;
END;
CREATE TRIGGER cache_removed AFTER DELETE ON cache BEGIN
  UPDATE cache_size SET entries = entries - 1, bytes = bytes - old.bytes;
END;
