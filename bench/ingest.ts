import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, extname, join } from 'node:path';
import { type Library, openLibrary } from '../eval/library.ts';
import type { Subject } from '../src/access/index.ts';
import { AppError } from '../src/errors/app-error.ts';
import { detectMediaType } from '../src/ingestion/parsers/detect.ts';
import { parseInChildProcess } from '../src/ingestion/parsers/run-parser.ts';
import { createEmbeddingModel, type EmbeddingModel } from '../src/providers/index.ts';
import { madeLanguage } from './made-text.ts';
import { type Report, readable } from './report.ts';
import { median, timed } from './statistics.ts';

const PASSAGES_PER_DOCUMENT = 10;
const CHARS_PER_PASSAGE = 850;

/** One document through the pipeline, and the texts it gave the encoder through the encoder alone. */
interface Pair {
  passages: number;
  pieces: number;
  pipelineMs: number;
  encoderMs: number;
}

/**
 * Passages per second with vectors of the packaged encoder, beside the encoder alone on the very texts that the pipeline
 * gave it. Document by document in turn, so that a busy machine slows both alike.
 */
export async function benchIngestWithVectors(chunks: number): Promise<Report> {
  const model = openEncoder();
  const library = await openLibrary();
  try {
    const subject = await library.addUser();
    const language = madeLanguage(1);
    // The first texts load the model into every thread.
    await model.embed(
      Array.from({ length: 16 }, () => language.text(400)),
      { purpose: 'document' },
    );
    const pairs: Pair[] = [];
    for (let i = 0; i < Math.ceil(chunks / PASSAGES_PER_DOCUMENT); i++) {
      pairs.push(await measurePair(library, subject, model, language.text(PASSAGES_PER_DOCUMENT * CHARS_PER_PASSAGE)));
    }
    return reportVectors(pairs);
  } finally {
    await library.close();
    await model.close();
  }
}

async function measurePair(library: Library, subject: Subject, model: EmbeddingModel, body: string): Promise<Pair> {
  const given: string[][] = [];
  const recording = recordTexts(model, given);
  const { value: passages, ms: pipelineMs } = await timed(async () => {
    const document = await library.accept(subject, { title: 'Made text', body, mediaType: 'text/plain' });
    return library.process(document, recording);
  });
  const { ms: encoderMs } = await timed(async () => {
    for (const texts of given) await model.embed(texts, { purpose: 'document' });
  });
  return { passages, pieces: given.flat().length, pipelineMs, encoderMs };
}

function openEncoder(): EmbeddingModel {
  return createEmbeddingModel({
    provider: 'packaged',
    threads: availableParallelism(),
    url: null,
    model: null,
    apiKey: null,
    dimensions: null,
    weight: null,
    maxChars: null,
    timeoutMs: 60_000,
  })!;
}

function recordTexts(model: EmbeddingModel, given: string[][]): EmbeddingModel {
  return {
    ...model,
    embed(texts, options) {
      given.push([...texts]);
      return model.embed(texts, options);
    },
  };
}

function reportVectors(pairs: readonly Pair[]): Report {
  const passages = pairs.reduce((sum, pair) => sum + pair.passages, 0);
  const pieces = pairs.reduce((sum, pair) => sum + pair.pieces, 0);
  const pipeline = median(pairs.map((pair) => (pair.passages * 1_000) / pair.pipelineMs));
  const encoder = median(pairs.map((pair) => (pair.passages * 1_000) / pair.encoderMs));
  const ratio = median(pairs.map(({ pipelineMs, encoderMs }) => encoderMs / pipelineMs));
  return {
    title: `Ingest with vectors: ${passages} passages, ${pieces} pieces, packaged encoder on ${availableParallelism()} threads`,
    header: ['', 'passages/s', 'of the encoder alone'],
    rows: [
      ['pipeline', readable(pipeline), readable(ratio)],
      ['encoder alone', readable(encoder), '1.00'],
    ],
    figures: {
      vectors_passages: passages,
      vectors_pieces: pieces,
      pipeline_passages_per_s: pipeline,
      encoder_passages_per_s: encoder,
      ratio_to_encoder: ratio,
    },
    summary: `Ingest with vectors runs at ${readable(ratio)} of the speed of the encoder alone.`,
  };
}

const DOCUMENT_FOLDERS = ['pdf', 'office', 'html', 'csv-spectrum', 'markdown-fastify', 'chunking'];
/** JSON and JSON lines in the evaluation data are labels. */
const DOCUMENT_EXTENSIONS = [
  '.pdf',
  '.docx',
  '.pptx',
  '.xlsx',
  '.odt',
  '.ods',
  '.epub',
  '.html',
  '.md',
  '.csv',
  '.ipynb',
];

/** As the worker's default. */
const JOBS_AT_ONCE = 2;

interface IngestedFile {
  format: string;
  bytes: number;
  ms: number;
  /** Null for a file that is refused: some are encrypted, damaged, or hold no text, on purpose. */
  passages: number | null;
}

/** Passages per second without vectors of all documents in the evaluation data, each parsed in its own process. */
export async function benchIngestFiles(dataDir: string): Promise<Report> {
  const library = await openLibrary({
    reading: {
      detectMediaType,
      parse: (input, signal) => parseInChildProcess(input, { timeoutMs: 600_000, memoryMb: 1_024, signal }),
    },
  });
  try {
    const subject = await library.addUser();
    const queue = await documentPaths(dataDir);
    const files: IngestedFile[] = [];
    const ingestFiles = async () => {
      for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
        files.push(await ingestFile(library, subject, path));
      }
    };
    const { ms } = await timed(() => Promise.all(Array.from({ length: JOBS_AT_ONCE }, ingestFiles)));
    return reportFiles(files, ms);
  } finally {
    await library.close();
  }
}

async function documentPaths(dataDir: string): Promise<string[]> {
  const paths: string[] = [];
  for (const folder of DOCUMENT_FOLDERS) {
    const entries = await readdir(join(dataDir, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || !DOCUMENT_EXTENSIONS.includes(extname(entry.name))) continue;
      if (entry.name === 'README.md' && entry.parentPath === join(dataDir, folder)) continue;
      paths.push(join(entry.parentPath, entry.name));
    }
  }
  return paths.sort();
}

async function ingestFile(library: Library, subject: Subject, path: string): Promise<IngestedFile> {
  const body = await readFile(path);
  const file = { format: extname(path).slice(1), bytes: body.byteLength };
  const { value: passages, ms } = await timed(async () => {
    const document = await library.accept(subject, { title: null, body, mediaType: null, fileName: basename(path) });
    return library.process(document, null).catch((error) => {
      if (error instanceof AppError && !error.retryable) return null;
      throw error;
    });
  });
  return { ...file, passages, ms };
}

function reportFiles(files: readonly IngestedFile[], ms: number): Report {
  const formats = Map.groupBy(files, ({ format }) => format);
  const total = summary(files);
  const row = (label: string, group: readonly IngestedFile[], wallMs: number) => {
    const { passages, bytes, refused } = summary(group);
    const perSecond = readable((passages * 1_000) / wallMs);
    return [label, String(group.length), String(refused), readable(bytes / 1e6), String(passages), perSecond];
  };
  return {
    title: `Ingest of files, words only, ${JOBS_AT_ONCE} at once`,
    header: ['', 'files', 'refused', 'MB', 'passages', 'passages/s'],
    rows: [
      ...[...formats].map(([format, group]) =>
        row(format, group, group.reduce((sum, file) => sum + file.ms, 0) / JOBS_AT_ONCE),
      ),
      row('all', files, ms),
    ],
    figures: {
      files: files.length,
      files_refused: total.refused,
      files_passages: total.passages,
      files_passages_per_s: (total.passages * 1_000) / ms,
      files_mb_per_s: total.bytes / 1e3 / ms,
      file_p50_ms: median(files.map((file) => file.ms)),
    },
    summary: `Ingest of files without vectors makes ${readable((total.passages * 1_000) / ms)} passages/s.`,
  };
}

function summary(files: readonly IngestedFile[]) {
  return {
    passages: files.reduce((sum, { passages }) => sum + (passages ?? 0), 0),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    refused: files.filter(({ passages }) => passages === null).length,
  };
}
