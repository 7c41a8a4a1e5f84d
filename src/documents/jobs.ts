import { z } from 'zod';
import type { JobHandler } from '../jobs/index.ts';
import type { Storage } from '../storage/index.ts';

const payload = z.object({ storage_keys: z.array(z.string()) });

/** Deletes stored originals whose documents are gone. */
export function deleteFilesHandler({ storage }: { storage: Storage }): JobHandler<z.infer<typeof payload>> {
  return {
    payload,
    async run({ storage_keys }, context) {
      for (const [index, key] of storage_keys.entries()) {
        context.signal.throwIfAborted();
        await storage.delete(key);
        context.progress('delete', index + 1, storage_keys.length);
      }
      return { deleted: storage_keys.length };
    },
  };
}
