import type { Writable } from 'node:stream';
import { createColors } from 'picocolors';
import type { Exit } from './exit-codes.ts';
import type { Failure } from './failure.ts';
import { printable, printableJson } from './printable.ts';

export interface TextStream extends Writable {
  isTTY?: boolean;
  columns?: number;
}

export interface Terminal {
  stdin: NodeJS.ReadStream;
  stdout: TextStream;
  stderr: TextStream;
  /** Whether colours are wanted on stdout. */
  colour: boolean;
}

/** What a command says: its result on stdout, in text or as one JSON value, and everything else on stderr. */
export class Output {
  readonly isJson: boolean;
  readonly colours: ReturnType<typeof createColors>;
  readonly stderr: TextStream;
  /** How the command ends when nothing is thrown. */
  exit: Exit = 'ok';
  readonly #stdout: TextStream;

  constructor({ stdout, stderr, colour }: Pick<Terminal, 'stdout' | 'stderr' | 'colour'>, isJson: boolean) {
    this.#stdout = stdout;
    this.stderr = stderr;
    this.isJson = isJson;
    this.colours = createColors(colour && !isJson);
  }

  /** Whether somebody is watching stdout. */
  get isInteractive(): boolean {
    return this.#stdout.isTTY === true && !this.isJson;
  }

  /** The result of the command. The text must have been made printable. */
  result(value: unknown, text: () => string): void {
    this.#stdout.write(this.isJson ? `${printableJson(value)}\n` : withLineEnd(text()));
  }

  /** A piece of the result in text; nothing with --json. */
  write(text: string): void {
    if (!this.isJson) this.#stdout.write(text);
  }

  /** A line for people, beside the result. */
  note(text: string): void {
    this.stderr.write(`${printable(text)}\n`);
  }

  fail({ code, detail, hints, problem }: Failure): void {
    if (this.isJson) this.stderr.write(`${printableJson(problem)}\n`);
    else for (const line of [`anyrag: ${detail} (${code})`, ...hints.map((hint) => `  ${hint}`)]) this.note(line);
  }
}

function withLineEnd(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
