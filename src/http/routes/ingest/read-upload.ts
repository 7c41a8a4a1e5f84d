import type { Readable } from 'node:stream';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { AppError, type FieldError } from '../../../errors/app-error.ts';
import type { Storage, StoredFile } from '../../../storage/index.ts';
import { fieldErrors } from '../../field-errors.ts';
import { FormFields } from './schema.ts';

export interface Upload {
  stored: StoredFile;
  fileName: string | null;
  fields: z.infer<typeof FormFields>;
}

/**
 * Reads a multipart upload part by part, whatever their order: the file goes to the storage as it arrives. Whatever is
 * wrong with the form, a file that was stored already is deleted again.
 */
export async function readUpload(
  request: FastifyRequest,
  storage: Storage,
  options: { maxBytes: number },
): Promise<Upload> {
  if (!request.isMultipart()) {
    throw new AppError('unsupported_media_type', 'Send the file as multipart/form-data');
  }
  let stored: StoredFile | null = null;
  try {
    let fileName: string | null = null;
    const values: [string, string][] = [];
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        if (part.valueTruncated) throw invalid([{ path: `body.${part.fieldname}`, message: 'is too long' }]);
        values.push([part.fieldname, asText(part.value)]);
      } else {
        refuseExtraFile(part, stored);
        fileName = cleanFileName(part.filename);
        stored = await storage.put(part.file as Readable, options);
        if (part.file.truncated) throw new AppError('payload_too_large');
      }
    }
    if (stored === null) throw invalid([{ path: 'body.file', message: 'is missing' }]);
    if (stored.bytes === 0) throw new AppError('empty_file');
    return { stored, fileName, fields: parseFields(values) };
  } catch (error) {
    if (stored !== null) await storage.delete(stored.key);
    throw asUploadError(error);
  }
}

function refuseExtraFile(part: MultipartFile, stored: StoredFile | null): void {
  if (part.fieldname !== 'file')
    throw invalid([{ path: `body.${part.fieldname}`, message: 'is not a known file field' }]);
  if (stored !== null) throw invalid([{ path: 'body.file', message: 'was sent more than once' }]);
}

/** A part that calls itself JSON has been parsed already. */
function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `tags` may be repeated or be one JSON array; `metadata` is a JSON object as text. */
function parseFields(values: readonly [string, string][]): z.infer<typeof FormFields> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of values) {
    if (name === 'tags') {
      const previous = Array.isArray(fields.tags) ? fields.tags : [];
      fields.tags = [...previous, ...tagsIn(value)];
    } else if (Object.hasOwn(fields, name)) {
      throw invalid([{ path: `body.${name}`, message: 'was sent more than once' }]);
    } else {
      fields[name] = name === 'metadata' ? jsonIn('body.metadata', value) : value;
    }
  }
  const parsed = FormFields.safeParse(fields);
  if (parsed.success) return parsed.data;
  throw invalid(
    fieldErrors(
      'body',
      parsed.error.issues.map((issue) => ({
        ...issue,
        ...(issue.code === 'unrecognized_keys' && { unknownKeys: issue.keys }),
      })),
    ),
  );
}

function tagsIn(value: string): unknown[] {
  if (!value.trimStart().startsWith('[')) return [value];
  const tags = jsonIn('body.tags', value);
  return Array.isArray(tags) ? tags : [tags];
}

function jsonIn(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError('validation_failed', `${path}: is not valid JSON`, {
      cause: error,
      errors: [{ path, message: 'is not valid JSON' }],
    });
  }
}

/** The last part of what the client calls the file, for showing and for telling text formats apart; never a path. */
function cleanFileName(name: string | undefined): string | null {
  const base = (name ?? '').split(/[/\\]/).at(-1)!;
  const clean = base
    .replace(/\p{Cc}/gu, '')
    .trim()
    .slice(0, 255)
    .toWellFormed();
  return clean === '' ? null : clean;
}

/** A body that breaks off or is no multipart at all is the caller's mistake, whatever the parser calls it. */
function asUploadError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code?.startsWith('FST_')) return error;
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || isParserComplaint(message)) {
    return new AppError('malformed_request', 'The multipart body is broken', { cause: error });
  }
  return error;
}

function isParserComplaint(message: string | undefined): boolean {
  return /multipart|boundary|unexpected end|part header|malformed/i.test(message ?? '');
}

function invalid(errors: FieldError[]): AppError {
  return new AppError('validation_failed', `${errors[0]!.path}: ${errors[0]!.message}`, { errors });
}
