import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { enqueueJob } from './enqueue.ts';

const WORK = { jobType: 'work', payload: { id: 1 } };

describe('enqueueJob', () => {
  test('gives a guest a token and stores only its hash', () => {
    const job = enqueueJob({ ...WORK, onBehalfOf: { ownerId: null, via: 'guest', levelCap: 1, groupId: null } });

    const stored = job.statements.flatMap(({ values }) => values);
    expect(job.pollToken).toMatch(/^[\w-]{43}$/);
    expect(stored).not.toContain(job.pollToken);
    expect(stored).toContain(createHash('sha256').update(job.pollToken!).digest('hex'));
  });

  test.each(['session', 'api_key', 'system'] as const)('gives no token for a job via %s', (via) => {
    const job = enqueueJob({ ...WORK, onBehalfOf: { ownerId: 'ada', via, levelCap: 4, groupId: null } });

    expect(job.pollToken).toBeNull();
  });
});
