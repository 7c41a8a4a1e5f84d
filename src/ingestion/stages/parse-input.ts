import { AppError } from '../../errors/app-error.ts';
import type { ParseInput } from '../parsers/parsed-document.ts';
import type { VersionState } from '../queries.ts';
import type { PipelineDependencies } from './stage.ts';

/** Runs `use` on the original of a version, as parsers want it. Throws `not_found` where the file is gone. */
export async function withParseInput<T>(
  deps: PipelineDependencies,
  version: VersionState,
  use: (input: ParseInput) => Promise<T>,
): Promise<T> {
  if (version.storageKey === null) throw new AppError('not_found', 'The original file is gone');
  return deps.storage.withLocalPath(version.storageKey, async (path) => {
    const { fileName, charset } = version;
    const mediaType = version.mediaType ?? (await deps.detectMediaType(path, fileName));
    return use({ path, mediaType, fileName, charset, limits: deps.limits });
  });
}
