import { readFile, writeFile } from 'node:fs/promises';
import type { Server } from '../servers.ts';

/** Tells the worker processes of a contender, which get `path`, where its server is. */
export async function announceServer(path: string, { address }: Server): Promise<void> {
  await writeFile(path, address);
}

export async function serverAddress(path: string): Promise<string> {
  return readFile(path, 'utf8');
}

/** Whether PostgreSQL answers a commit before it is on the disk. Either way its tables survive a crash whole. */
export type SynchronousCommit = 'on' | 'off';

/** Memory as the queues' guides ask for, and no checkpoint in the middle of a round. */
export function postgresSettings(synchronousCommit: SynchronousCommit): Record<string, string> {
  return {
    synchronous_commit: synchronousCommit,
    shared_buffers: '256MB',
    max_wal_size: '4GB',
    max_connections: '200',
  };
}
