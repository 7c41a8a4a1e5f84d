/**
 * Preload: the process kills itself when it is about to answer 202, with everything committed and no byte of the answer
 * sent. Once only: the file named by KILL_BEFORE_ANSWER is there to be removed.
 */
import { unlinkSync } from 'node:fs';
import { ServerResponse } from 'node:http';

const file = process.env.KILL_BEFORE_ANSWER!;
const { writeHead } = ServerResponse.prototype;

ServerResponse.prototype.writeHead = function (this: ServerResponse, ...args: unknown[]) {
  if (args[0] === 202 && isArmed()) process.kill(process.pid, 'SIGKILL');
  return Reflect.apply(writeHead, this, args);
} as typeof writeHead;

function isArmed(): boolean {
  try {
    unlinkSync(file);
    return true;
  } catch {
    return false;
  }
}
