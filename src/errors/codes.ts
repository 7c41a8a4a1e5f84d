/**
 * Every error code there is: its HTTP status, its title, and whether trying the same thing again may help.
 * Codes are stable words that clients match on: never renamed, never reused. `docs/errors.md` lists the same codes.
 */
export const ERROR_CODES = {
  // Requests
  validation_failed: { status: 400, title: 'The request does not match its schema', retryable: false },
  malformed_request: { status: 400, title: 'The request could not be read', retryable: false },
  invalid_cursor: { status: 400, title: 'The cursor was not issued by this list', retryable: false },
  unauthenticated: { status: 401, title: 'Credentials are needed', retryable: false },
  invalid_credentials: { status: 401, title: 'The credentials are not valid', retryable: false },
  forbidden: { status: 403, title: 'You may not do this', retryable: false },
  wrong_password: { status: 403, title: 'The password is not right', retryable: false },
  email_unproven: { status: 403, title: 'The e-mail address has not been verified', retryable: false },
  identity_refused: { status: 403, title: 'The identity provider did not vouch for a sign-in', retryable: false },
  sign_in_again: { status: 403, title: 'This needs a sign-in of the last minutes', retryable: false },
  registration_closed: { status: 403, title: 'Registration is closed', retryable: false },
  not_found: { status: 404, title: 'Not found', retryable: false },
  original_not_kept: { status: 404, title: 'The original was not kept', retryable: false },
  conflict: { status: 409, title: 'The request conflicts with the current state', retryable: false },
  email_taken: { status: 409, title: 'An account with this e-mail address exists', retryable: false },
  link_needs_password: { status: 409, title: 'The account has to be linked with its password', retryable: false },
  last_admin: { status: 409, title: 'A group would be left without an admin', retryable: false },
  last_super_admin: { status: 409, title: 'Nobody would be left who may administer the system', retryable: false },
  idempotency_conflict: { status: 409, title: 'The idempotency key was used for another request', retryable: false },
  job_state_conflict: { status: 409, title: 'The state of the job forbids this', retryable: false },
  invalid_token: { status: 422, title: 'The link or code is not valid any more', retryable: false },
  mail_not_set_up: { status: 422, title: 'No mail can be sent', retryable: false },
  quota_full: { status: 409, title: 'The quota leaves no room for this', retryable: false },
  payload_too_large: { status: 413, title: 'The body is larger than allowed', retryable: false },
  unsupported_media_type: { status: 415, title: 'The media type is not supported', retryable: false },
  rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  quota_exceeded: { status: 429, title: 'The quota of the day is used up', retryable: true },
  internal: { status: 500, title: 'An unexpected error occurred', retryable: true },
  overloaded: { status: 503, title: 'The service is overloaded', retryable: true },
  not_ready: { status: 503, title: 'The service is not ready', retryable: true },
  database_busy: { status: 503, title: 'The database is busy', retryable: true },
  database_unavailable: { status: 503, title: 'The database cannot be reached', retryable: true },
  storage_unavailable: { status: 503, title: 'The file storage cannot be used', retryable: true },

  // Content that cannot be used
  expiry_in_the_past: { status: 422, title: 'The expiry lies in the past', retryable: false },
  personal_data_in_source: { status: 422, title: 'The source holds personal data', retryable: false },
  empty_file: { status: 422, title: 'The file is empty', retryable: false },
  no_text: { status: 422, title: 'The document has no text', retryable: false },
  document_corrupt: { status: 422, title: 'The document is damaged', retryable: false },
  document_encrypted: { status: 422, title: 'The document is encrypted', retryable: false },
  document_too_large: { status: 422, title: 'The document exceeds a limit of the parser', retryable: false },
  pdf_corrupt: { status: 422, title: 'The PDF is damaged', retryable: false },
  pdf_encrypted: { status: 422, title: 'The PDF needs a password', retryable: false },
  pdf_no_pages: { status: 422, title: 'The PDF has no pages', retryable: false },
  pdf_no_text: { status: 422, title: 'The PDF has no text, only pictures or empty pages', retryable: false },
  archive_bomb: { status: 422, title: 'The archive expands beyond the limits', retryable: false },
  undecodable_text: { status: 422, title: 'The text is in no known encoding', retryable: false },
  parse_timeout: { status: 422, title: 'Parsing took too long', retryable: false },
  parse_out_of_memory: { status: 422, title: 'Parsing needed too much memory', retryable: false },
  parser_crashed: { status: 422, title: 'The parser crashed on the document', retryable: true },

  // Fetching from outside
  url_not_allowed: { status: 422, title: 'The URL may not be fetched', retryable: false },
  too_many_redirects: { status: 422, title: 'The URL redirects too often', retryable: false },
  fetch_failed: { status: 422, title: 'The URL could not be fetched', retryable: true },
  fetch_timeout: { status: 422, title: 'Fetching the URL took too long', retryable: true },
  fetch_too_large: { status: 422, title: 'The response is larger than allowed', retryable: false },

  // Models
  provider_unavailable: { status: 503, title: 'The model provider cannot be reached', retryable: true },
  provider_rate_limited: { status: 503, title: 'The model provider limits the rate', retryable: true },
  provider_rejected: { status: 422, title: 'The model provider refused the request', retryable: false },
  provider_invalid_answer: { status: 503, title: 'The model provider gave an invalid answer', retryable: true },

  embedding_not_set_up: { status: 422, title: 'No embedding model is set up', retryable: false },

  // Mail and identity providers
  mail_unavailable: { status: 503, title: 'The mail server cannot be reached', retryable: true },
  mail_rejected: { status: 422, title: 'The mail server refused the mail', retryable: false },
  identity_provider_unavailable: { status: 503, title: 'The identity provider cannot be reached', retryable: true },

  // Jobs
  job_payload_invalid: { status: 422, title: 'The payload of the job is not valid', retryable: false },
  job_type_unknown: { status: 422, title: 'No handler knows this type of job', retryable: false },
  job_timeout: { status: 422, title: 'The job ran longer than allowed', retryable: true },
  job_cancelled: { status: 409, title: 'The job was cancelled', retryable: false },
  job_failed: { status: 500, title: 'The job failed', retryable: true },
  lease_lost: { status: 409, title: 'Another worker has taken the job over', retryable: false },
  rights_revoked: { status: 403, title: 'The rights that this needs have ended', retryable: false },
  job_crashed: { status: 500, title: 'The job crashed its process', retryable: true },
  job_out_of_memory: { status: 422, title: 'The job needed too much memory', retryable: true },
  worker_lost: { status: 500, title: 'The worker that ran the job is gone', retryable: true },

  // Set-up
  config_invalid: { status: 500, title: 'The configuration is not valid', retryable: false },
  backup_unusable: { status: 422, title: 'The backup cannot be restored', retryable: false },
  schema_mismatch: { status: 500, title: 'The database schema does not fit this version', retryable: false },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;
