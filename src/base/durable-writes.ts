import { open } from 'node:fs/promises';

/** Writes a new file for its owner alone, which is on the disk when this ends. Fails where the file exists. */
export async function writeTextDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a file or a folder survive a loss of power; of a folder, the names in it. */
export async function syncToDisk(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
