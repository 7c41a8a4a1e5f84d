import { dieWithParent } from '../../base/parent-watch.ts';
import { serveParseRequest } from './child-protocol.ts';
import { loadParser } from './registry.ts';

/** Entry of the child process that parses one document. */
dieWithParent();

serveParseRequest(async (input) => {
  const parse = await loadParser(input.mediaType);
  return parse(input);
});
