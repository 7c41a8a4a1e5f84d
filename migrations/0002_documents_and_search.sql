-- What people put in: documents, the versions of their content, the text and its passages, and the indexes over them.

CREATE TABLE documents (
  document_id TEXT PRIMARY KEY,
  owner_id TEXT REFERENCES users (user_id) ON DELETE CASCADE,  -- NULL: public
  source_type TEXT NOT NULL CHECK (source_type IN ('file', 'text', 'web', 'rss', 'sheet', 'github', 'notion', 'firestore')),
  source TEXT NOT NULL CHECK (length(source) BETWEEN 1 AND 2048),
  title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
  -- What a search sees. NULL until the first version is whole; a later version replaces it in one statement.
  current_version_id TEXT REFERENCES document_versions (version_id) DEFERRABLE INITIALLY DEFERRED,
  version INTEGER NOT NULL DEFAULT 0,                          -- number of the current version, 0 while there is none
  status TEXT NOT NULL DEFAULT 'processing' CHECK (status IN ('processing', 'ready_words_only', 'ready', 'failed')),
  tags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags)),
  metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
-- Identity is the source within an owner. A guest's source is only a label.
CREATE UNIQUE INDEX documents_by_source ON documents (owner_id, source) WHERE owner_id IS NOT NULL;
CREATE INDEX documents_by_owner ON documents (owner_id, document_id) WHERE owner_id IS NOT NULL;
CREATE INDEX documents_public ON documents (document_id) WHERE owner_id IS NULL;
CREATE INDEX documents_without_vectors ON documents (document_id) WHERE status = 'ready_words_only';
CREATE INDEX documents_by_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;

-- One row per accepted content. It is built beside the current version; `*_at` says which stages are stored, so that a
-- retry goes on where the last attempt stopped.
CREATE TABLE document_versions (
  version_id TEXT PRIMARY KEY,
  document_id TEXT NOT NULL REFERENCES documents (document_id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 1),
  title TEXT,                                                  -- as the caller gave it, else NULL: the document's own
  tags TEXT CHECK (tags IS NULL OR json_valid(tags)),          -- these three replace the document's with the content;
  metadata TEXT CHECK (metadata IS NULL OR json_valid(metadata)),  -- NULL: keep what is there
  expires_at INTEGER,
  url TEXT,                                                    -- what to fetch, for sources behind a URL
  storage_key TEXT,                                            -- the original bytes; NULL until fetched
  file_name TEXT,
  media_type TEXT,                                             -- by content, set when parsed
  charset TEXT,
  bytes INTEGER,
  content_hash TEXT,                                           -- SHA-256 of the original bytes
  language TEXT,
  page_count INTEGER,
  warnings TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(warnings)),
  chunker TEXT,
  chunk_count INTEGER,
  indexed_count INTEGER NOT NULL DEFAULT 0,                    -- chunks whose words are in the index
  fetched_at INTEGER,
  parsed_at INTEGER,
  chunked_at INTEGER,
  indexed_at INTEGER,
  embedded_at INTEGER,
  created_at INTEGER NOT NULL,
  UNIQUE (document_id, number)
) STRICT;

-- The canonical text: every offset of the version counts UTF-16 code units in it.
CREATE TABLE document_texts (
  version_id TEXT PRIMARY KEY REFERENCES document_versions (version_id) ON DELETE CASCADE,
  text TEXT NOT NULL,
  spans TEXT NOT NULL CHECK (json_valid(spans))
) STRICT;

-- What child jobs have read of a long PDF, before it is redacted: kept until the canonical text is stored, and overwritten
-- in the same transaction.
CREATE TABLE document_parts (
  version_id TEXT NOT NULL REFERENCES document_versions (version_id) ON DELETE CASCADE,
  first_page INTEGER NOT NULL CHECK (first_page >= 1),
  last_page INTEGER NOT NULL,
  took_ms INTEGER NOT NULL DEFAULT 0 CHECK (took_ms >= 0),     -- on reading it; of one limit for the whole file
  reader TEXT,                                                 -- the form of the content; NULL until it is read
  content BLOB,                                                -- last, so that the others are read without it
  CHECK (last_page >= first_page),
  CHECK ((reader IS NULL) = (content IS NULL)),
  PRIMARY KEY (version_id, first_page)
) STRICT;

CREATE TABLE chunks (
  chunk_seq INTEGER PRIMARY KEY AUTOINCREMENT,                 -- the row of the word index; never reused
  version_id TEXT NOT NULL REFERENCES document_versions (version_id) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
  char_start INTEGER NOT NULL,
  char_end INTEGER NOT NULL,
  page_start INTEGER,
  page_end INTEGER,
  heading_path TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(heading_path)),
  token_count INTEGER NOT NULL,
  text TEXT NOT NULL,
  CHECK (char_end > char_start),
  UNIQUE (version_id, ordinal)
) STRICT;

-- Words, already cut by the segmenter that also cuts the queries. The Mn and Mc classes keep Thai vowel and tone marks.
CREATE VIRTUAL TABLE chunk_words USING fts5(
  title, body,
  content = '', contentless_delete = 1,
  tokenize = "porter unicode61 categories 'L* N* Co Mn Mc'"
);
INSERT INTO chunk_words (chunk_words, rank) VALUES ('secure-delete', 1);

-- The word index follows the chunks, whichever statement or cascade removes them.
CREATE TRIGGER chunks_removed AFTER DELETE ON chunks BEGIN
  DELETE FROM chunk_words WHERE rowid = old.chunk_seq;
END;

CREATE TABLE embedding_models (
  model_key INTEGER PRIMARY KEY,
  model_id TEXT NOT NULL UNIQUE,
  dimensions INTEGER NOT NULL CHECK (dimensions BETWEEN 1 AND 65536)
) STRICT;

-- Packed vectors: one row for up to 64 chunks of a version, apart from the text so that scanning reads nothing else.
CREATE TABLE chunk_vectors (
  version_id TEXT NOT NULL REFERENCES document_versions (version_id) ON DELETE CASCADE,
  model_key INTEGER NOT NULL REFERENCES embedding_models (model_key),
  part INTEGER NOT NULL CHECK (part >= 0),
  piece_count INTEGER NOT NULL,
  ordinals BLOB NOT NULL,                                      -- int32 little-endian: the chunk of each piece
  scales BLOB NOT NULL,                                        -- float32 little-endian: one per piece
  codes BLOB NOT NULL,                                         -- int8: piece_count x dimensions
  PRIMARY KEY (version_id, model_key, part)
) STRICT;

-- Equal text of one owner is not embedded twice for one model. An entry goes with the document that needed it first.
CREATE TABLE embedding_cache (
  model_key INTEGER NOT NULL REFERENCES embedding_models (model_key),
  text_hash BLOB NOT NULL,                                     -- SHA-256 of the piece
  document_id TEXT NOT NULL REFERENCES documents (document_id) ON DELETE CASCADE,
  scale REAL NOT NULL,
  codes BLOB NOT NULL,
  PRIMARY KEY (model_key, text_hash, document_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX embedding_cache_by_document ON embedding_cache (document_id);

-- No share outlives its document, so a share can never meet another one.
CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN
  DELETE FROM resource_shares WHERE resource_type = 'document' AND resource_id = old.document_id;
END;
