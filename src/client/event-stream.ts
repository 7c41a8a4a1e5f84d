export interface ServerEvent {
  /** `message` where the server names none. */
  event: string;
  data: string;
}

/**
 * Server-sent events as the HTML standard (§9.2.6) reads them: lines end in LF, CR or CRLF, several `data` lines make one
 * text, comments and unknown fields are skipped, and an event that is not ended by an empty line is dropped.
 */
export async function* parseEventStream(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let event = '';
  let data: string[] = [];
  for await (const line of lines(body)) {
    if (line === '') {
      if (data.length > 0) yield { event: event === '' ? 'message' : event, data: data.join('\n') };
      event = '';
      data = [];
      continue;
    }
    const [field, value] = fieldOf(line);
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
  }
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  if (colon === -1) return [line, ''];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value];
}

/** Whole lines without their ends. What follows the last end is no line. */
async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    // A CR at the very end may be half of a CRLF that the next piece completes.
    const complete = /^[\s\S]*(?:\n|\r(?!$))/.exec(rest)?.[0] ?? '';
    rest = rest.slice(complete.length);
    yield* complete.split(/\r\n|\n|\r/).slice(0, -1);
  }
  if (rest.endsWith('\r')) yield* rest.slice(0, -1).split(/\r\n|\n|\r/);
}
