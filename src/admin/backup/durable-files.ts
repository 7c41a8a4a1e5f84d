import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { type Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Sum {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** Copies a stream into a new private file that is on the disk when this ends, and says what went through. */
export async function writeDurably(content: Readable, path: string): Promise<Sum> {
  const sum = new SumStream();
  await pipeline(content, sum, createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }));
  return sum.result();
}

export async function sumOf(path: string): Promise<Sum> {
  const sum = new SumStream();
  await pipeline(createReadStream(path), sum, nowhere());
  return sum.result();
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

class SumStream extends Transform {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error: null, chunk: Buffer) => void): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    done(null, chunk);
  }

  result(): Sum {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}
