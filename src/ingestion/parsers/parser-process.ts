import { Worker } from 'node:worker_threads';
import { siblingModule } from '../../base/source-file.ts';
import { serveParseRequest } from './child-protocol.ts';
import { loadParser } from './registry.ts';

/**
 * Entry of the child process that parses one document. The watcher is a thread, because a parser that never yields would
 * also never hear that its parent is gone.
 */
new Worker(siblingModule(import.meta.url, 'parent-watch'), { workerData: { parentPid: process.ppid } }).unref();

serveParseRequest(async (input) => {
  const parse = await loadParser(input.mediaType);
  return parse(input);
});
