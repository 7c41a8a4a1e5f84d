import { parentPort, workerData } from 'node:worker_threads';
import { nodeSqliteFailure } from './errors.ts';
import { Reader } from './reader.ts';
import type { ReaderAnswer, ReaderRequest } from './reader-protocol.ts';
import type { Row } from './sql.ts';

/** The body of a reader thread: answers the requests of `ReaderPool` one by one, and ends when told to. */
function serve(port: NonNullable<typeof parentPort>, path: string): void {
  let reader: Reader | null = null;
  port.on('message', (request: ReaderRequest) => {
    if (request.kind === 'stop') {
      reader?.close();
      port.close();
      return;
    }
    try {
      reader ??= new Reader(path);
      const rows = perform(reader, request);
      port.postMessage({ id: request.id, rows } satisfies ReaderAnswer, buffersOf(rows));
    } catch (error) {
      port.postMessage({ id: request.id, failure: nodeSqliteFailure(error), error } satisfies ReaderAnswer);
    }
  });
}

function perform(reader: Reader, request: Exclude<ReaderRequest, { kind: 'stop' }>): Row[] {
  if (request.kind === 'query') return reader.query(request.text, request.bindings);
  reader.copyTo(request.path);
  return [];
}

/** The memory of the BLOBs, to be handed over instead of copied. */
function buffersOf(rows: readonly Row[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const row of rows) {
    for (const value of Object.values(row)) {
      if (value instanceof Uint8Array && value.buffer instanceof ArrayBuffer) buffers.add(value.buffer);
    }
  }
  return [...buffers];
}

if (parentPort !== null) serve(parentPort, (workerData as { path: string }).path);
