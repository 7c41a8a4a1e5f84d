// One alternative per kind of token; what matches none of them (operators, digits, a lone quote) is passed over.
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[;()]/g;

/** A token with its text in upper case where it is a word. Comments are left out; strings and quoted names have kind `quoted`. */
interface Token {
  readonly kind: 'word' | 'quoted' | 'mark';
  readonly text: string;
  readonly end: number;
}

/**
 * The statements of a script, without their semicolons; statements that hold only comments are left out. A trigger's body
 * contains semicolons: as in SQLite's own `sqlite3_complete`, a CREATE TRIGGER ends at `; END ;` and nowhere else, so a
 * `CASE … END;` inside the body does not end it.
 */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let words: string[] = [];
  for (const token of tokens(script)) {
    if (token.text === ';' && (!startsTrigger(words) || closesTrigger(words))) {
      if (words.length > 0) statements.push(script.slice(start, token.end - 1).trim());
      start = token.end;
      words = [];
    } else {
      words.push(token.text);
    }
  }
  if (words.length > 0) statements.push(script.slice(start).trim());
  return statements;
}

/**
 * The word that says what a statement does: SELECT, INSERT, PRAGMA and so on, and for a WITH the verb after its common
 * table expressions. `''` where there is none.
 */
export function statementVerb(text: string): string {
  let depth = 0;
  let isWith = false;
  for (const token of tokens(text)) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (token.kind !== 'word' || depth > 0) continue;
    if (isWith ? WITH_VERBS.has(token.text) : token.text !== 'WITH') return token.text;
    isWith = true;
  }
  return '';
}

const WITH_VERBS = new Set(['SELECT', 'VALUES', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE']);

function* tokens(script: string): Generator<Token> {
  for (const match of script.matchAll(TOKEN)) {
    const text = match[0];
    if (text.startsWith('--') || text.startsWith('/*')) continue;
    const end = match.index + text.length;
    if (/^[;()]$/.test(text)) yield { kind: 'mark', text, end };
    else if (/^['"`[]/.test(text)) yield { kind: 'quoted', text, end };
    else yield { kind: 'word', text: text.toUpperCase(), end };
  }
}

function startsTrigger(words: readonly string[]): boolean {
  const [first, second, third] = words;
  if (first !== 'CREATE') return false;
  return second === 'TRIGGER' || ((second === 'TEMP' || second === 'TEMPORARY') && third === 'TRIGGER');
}

function closesTrigger(words: readonly string[]): boolean {
  return words.at(-1) === 'END' && words.at(-2) === ';';
}
