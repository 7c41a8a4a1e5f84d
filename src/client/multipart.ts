/** A file to send, read while it is sent. */
export interface UploadFile {
  /** As the server shows it and tells text formats apart; must not be empty. */
  name: string;
  /** The bytes from the beginning. */
  open(): AsyncIterable<Uint8Array>;
  /** Whether `open` may be called again, which a pipe cannot. */
  repeatable: boolean;
}

/**
 * A multipart body (RFC 7578) whose file is never in memory as a whole. Fields come first, so that a server may refuse
 * before it has read the file.
 */
export function multipartBody(
  fields: readonly (readonly [name: string, value: string])[],
  file: UploadFile,
): { contentType: string; parts: AsyncGenerator<Uint8Array> } {
  // Random, so that no content can be made to contain it.
  const boundary = `anyrag-${crypto.randomUUID()}`;
  return { contentType: `multipart/form-data; boundary=${boundary}`, parts: parts(boundary, fields, file) };
}

async function* parts(
  boundary: string,
  fields: readonly (readonly [string, string])[],
  file: UploadFile,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const [name, value] of fields) {
    yield encoder.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="${quotable(name)}"\r\n\r\n${value}\r\n`,
    );
  }
  yield encoder.encode(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quotable(file.name)}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n',
  );
  yield* file.open();
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}

/** How browsers write what would end the quotes or the line (HTML standard, §4.10.21.8). */
function quotable(text: string): string {
  return text.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');
}
