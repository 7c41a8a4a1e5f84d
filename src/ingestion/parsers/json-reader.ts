/**
 * A JSON value that keeps what `JSON.parse` loses and a document needs: the order of all keys (it moves those that look
 * like integers), repeated keys, and numbers as written (it rounds long identifiers).
 */
export type JsonValue = JsonContainer | JsonScalar;
type JsonScalar = { kind: 'string' | 'number' | 'literal'; text: string };
type JsonContainer = { kind: 'object'; entries: [key: string, value: JsonValue][] } | JsonArray;
type JsonArray = { kind: 'array'; items: JsonValue[] };

export type JsonReading =
  | { state: 'complete'; value: JsonValue }
  /** The text ended inside a value; so far it was JSON. */
  | { state: 'cut' }
  | { state: 'invalid'; reason: string };

/** People nest some ten levels. The cap keeps the recursion of those who walk the value within the stack. */
const MAX_JSON_DEPTH = 200;

type Token = { kind: 'mark'; mark: string } | JsonScalar;
type Expected = 'value' | 'first-value' | 'key' | 'first-key' | 'colon' | 'separator' | 'nothing';

interface Level {
  container: JsonContainer;
  key: string;
}

const WORD = /[-+.\w]+/y;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

/** Reads one JSON text (RFC 8259) without recursion. */
export function readJson(text: string): JsonReading {
  const assembly = startAssembly();
  let at = 0;
  for (;;) {
    at = skipBlanks(text, at);
    if (at >= text.length) return assembly.finish();
    const found = readToken(text, at);
    if (found === 'cut' && !assembly.isDone()) return { state: 'cut' };
    if (typeof found === 'string' || !assembly.take(found.token)) {
      return { state: 'invalid', reason: `unexpected ${JSON.stringify(text.slice(at, at + 20))} at character ${at}` };
    }
    if (assembly.depth() > MAX_JSON_DEPTH) {
      return { state: 'invalid', reason: `nested deeper than ${MAX_JSON_DEPTH} levels` };
    }
    at = found.end;
  }
}

/** Puts tokens together; `take` says whether the token may stand where it does. */
function startAssembly(): {
  take(token: Token): boolean;
  depth(): number;
  isDone(): boolean;
  finish(): JsonReading;
} {
  const levels: Level[] = [];
  let root: JsonValue | null = null;
  let expected: Expected = 'value';

  function place(value: JsonValue): true {
    const level = levels.at(-1);
    if (level === undefined) root = value;
    else if (level.container.kind === 'array') level.container.items.push(value);
    else level.container.entries.push([level.key, value]);
    expected = levels.length === 0 ? 'nothing' : 'separator';
    return true;
  }

  function open(container: JsonContainer): boolean {
    if (expected !== 'value' && expected !== 'first-value') return false;
    levels.push({ container, key: '' });
    expected = container.kind === 'array' ? 'first-value' : 'first-key';
    return true;
  }

  function close(kind: JsonContainer['kind']): boolean {
    const mayEnd = expected === 'separator' || expected === (kind === 'array' ? 'first-value' : 'first-key');
    if (levels.at(-1)?.container.kind !== kind || !mayEnd) return false;
    return place(levels.pop()!.container);
  }

  function separate(mark: string): boolean {
    if (expected !== (mark === ':' ? 'colon' : 'separator')) return false;
    expected = mark === ':' || levels.at(-1)?.container.kind === 'array' ? 'value' : 'key';
    return true;
  }

  function takeScalar(scalar: JsonScalar): boolean {
    if (expected === 'value' || expected === 'first-value') return place(scalar);
    if (scalar.kind !== 'string' || (expected !== 'key' && expected !== 'first-key')) return false;
    levels.at(-1)!.key = scalar.text;
    expected = 'colon';
    return true;
  }

  return {
    take(token) {
      if (token.kind !== 'mark') return takeScalar(token);
      if (token.mark === '{') return open({ kind: 'object', entries: [] });
      if (token.mark === '[') return open({ kind: 'array', items: [] });
      if (token.mark === '}') return close('object');
      return token.mark === ']' ? close('array') : separate(token.mark);
    },
    depth: () => levels.length,
    isDone: () => expected === 'nothing',
    finish: () => (root !== null && levels.length === 0 ? { state: 'complete', value: root } : { state: 'cut' }),
  };
}

function readToken(text: string, at: number): { token: Token; end: number } | 'cut' | 'invalid' {
  const first = text[at]!;
  if ('{}[],:'.includes(first)) return { token: { kind: 'mark', mark: first }, end: at + 1 };
  return first === '"' ? readString(text, at) : readWord(text, at);
}

function readString(text: string, at: number): { token: Token; end: number } | 'cut' | 'invalid' {
  let end = text.indexOf('"', at + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  if (end === -1) return 'cut';
  try {
    return { token: { kind: 'string', text: JSON.parse(text.slice(at, end + 1)) as string }, end: end + 1 };
  } catch (error) {
    if (error instanceof SyntaxError) return 'invalid';
    throw error;
  }
}

function isEscaped(text: string, quote: number): boolean {
  let before = quote;
  while (text[before - 1] === '\\') before--;
  return (quote - before) % 2 === 1;
}

function readWord(text: string, at: number): { token: Token; end: number } | 'cut' | 'invalid' {
  WORD.lastIndex = at;
  const word = WORD.exec(text)?.[0] ?? '';
  const end = at + word.length;
  if (word === 'true' || word === 'false' || word === 'null') return { token: { kind: 'literal', text: word }, end };
  if (NUMBER.test(word)) return { token: { kind: 'number', text: word }, end };
  return end === text.length ? 'cut' : 'invalid';
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\r\n\ufeff'.includes(text[at]!)) at++;
  return at;
}
