import { createReadStream, type Dirent, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { UploadFile } from '../client/index.ts';
import { UsageError } from './usage-error.ts';

/** One thing to add. */
export type Input = { label: string } & ({ kind: 'file'; file: UploadFile } | { kind: 'url'; url: string });

/**
 * What the arguments stand for: URLs, files, with `recursive` the files below a folder (in order of their names, without
 * hidden ones and links), and `-` for standard input. Throws `UsageError` before anything is sent.
 */
export async function resolveInputs(
  args: readonly string[],
  { recursive, stdin, stdinName }: { recursive: boolean; stdin: AsyncIterable<Uint8Array>; stdinName: string },
): Promise<Input[]> {
  if (args.filter((arg) => arg === '-').length > 1) throw new UsageError('- can be given once only');
  const inputs: Input[] = [];
  for (const arg of args) {
    if (arg === '-') inputs.push(standardInput(stdin, stdinName));
    else if (/^https?:\/\//i.test(arg)) inputs.push({ kind: 'url', url: arg, label: arg });
    else inputs.push(...(await inputsAt(arg, recursive)));
  }
  if (inputs.length === 0) throw new UsageError('there is no file in what was given');
  return inputs;
}

function standardInput(stdin: AsyncIterable<Uint8Array>, name: string): Input {
  return { kind: 'file', label: 'standard input', file: { name, repeatable: false, open: () => stdin } };
}

async function inputsAt(path: string, recursive: boolean): Promise<Input[]> {
  const found = await statOf(path);
  if (!found.isDirectory()) return [fileInput(path, found.isFile())];
  if (!recursive) throw new UsageError(`${path} is a folder: add --recursive for all files in it`);
  return (await filesBelow(path)).map((file) => fileInput(file, true));
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new UsageError(`${path} ${reason}`, { cause: error });
  }
}

/** A pipe such as `<(…)` of the shell can be read once only. */
function fileInput(path: string, repeatable: boolean): Input {
  const name = basename(path);
  return { kind: 'file', label: path, file: { name, repeatable, open: () => createReadStream(path) } };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const shown = entries.filter(({ name }) => !name.startsWith('.')).sort(byName);
  const files: string[] = [];
  for (const entry of shown) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path)));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}

function byName(a: Dirent, b: Dirent): number {
  return a.name < b.name ? -1 : 1;
}
