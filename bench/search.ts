import { type Library, openLibrary } from '../eval/library.ts';
import type { Subject } from '../src/access/index.ts';
import { sql } from '../src/db/sql.ts';
import type { EmbeddingModel } from '../src/providers/models.ts';
import { searchHybrid, searchKeyword, searchVector } from '../src/search/index.ts';
import { fakeEmbeddingModel } from '../test/fakes/embedding-model.ts';
import { madeLanguage } from './made-text.ts';
import { type Report, readable } from './report.ts';
import { quantile, timed } from './statistics.ts';

const PASSAGES_PER_DOCUMENT = 10;
const CHARS_PER_PASSAGE = 850;
/** Of the packaged encoder, which the fake one stands in for: what it costs to embed a query is not measured here. */
const DIMENSIONS = 512;
const QUERIES = 150;
const RESULTS = 10;

/**
 * Latency of each mode of search for one user who owns nearly all passages and one who owns a hundredth, beside FTS5 asked
 * the same words without any permission, which is the limit of what keyword search can reach here.
 */
export async function benchSearch(chunks: number): Promise<Report> {
  const library = await openLibrary();
  try {
    const model = fakeEmbeddingModel({ dimensions: DIMENSIONS, hybridWeight: 0.2 });
    const documents = Math.ceil(chunks / PASSAGES_PER_DOCUMENT);
    const few = Math.max(1, Math.round(documents / 100));
    const language = madeLanguage(2);
    const most = await library.addUser();
    const little = await library.addUser();
    const body = () => language.text(PASSAGES_PER_DOCUMENT * CHARS_PER_PASSAGE);
    let passages = 0;
    for (let i = 0; i < documents; i++) {
      const owner = i % Math.round(documents / few) === 0 ? little : most;
      const document = await library.accept(owner, { title: language.text(40), body: body(), mediaType: 'text/plain' });
      passages += await library.process(document, model);
    }
    const latencies = await measure(library, model, { '99 %': most, '1 %': little }, language);
    return reportSearch(latencies, passages);
  } finally {
    await library.close();
  }
}

type Latencies = Map<string, number[]>;

/** Every kind of search in turn for each query, so that all of them meet the same state of the machine. */
async function measure(
  library: Library,
  model: EmbeddingModel,
  subjects: Record<string, Subject>,
  language: ReturnType<typeof madeLanguage>,
): Promise<Latencies> {
  const latencies: Latencies = new Map();
  const deps = {
    db: library.db,
    embeddingModel: model,
    onDegraded(stage: string, cause: unknown) {
      throw new Error(`${stage} failed`, { cause });
    },
  };
  const modes = { keyword: searchKeyword, vector: searchVector, hybrid: searchHybrid };
  for (let i = -5; i < QUERIES; i++) {
    const query = madeQuery(language, i);
    const runs: [string, () => Promise<unknown>][] = [['bare FTS5', () => bareFts(library, query)]];
    for (const [share, subject] of Object.entries(subjects)) {
      for (const [mode, search] of Object.entries(modes)) {
        runs.push([`${mode}, ${share} visible`, () => search(deps, { subject, query, limit: RESULTS, filters: {} })]);
      }
    }
    for (const [name, run] of runs) {
      const { ms } = await timed(run);
      // The first few warm caches and statements.
      if (i >= 0) latencies.set(name, [...(latencies.get(name) ?? []), ms]);
    }
  }
  return latencies;
}

/** Two to five words, the last of them rare, as in a question about something. */
function madeQuery(language: ReturnType<typeof madeLanguage>, number: number): string {
  const words = Array.from({ length: 1 + (Math.abs(number) % 4) }, () => language.word());
  return [...words, language.wordOfRank(500 + Math.abs(number) * 37)].join(' ');
}

function bareFts(library: Library, query: string): Promise<unknown> {
  const expression = query
    .split(' ')
    .map((word) => `"${word}"`)
    .join(' OR ');
  return library.db.query(
    sql`SELECT rowid AS id FROM chunk_words WHERE chunk_words MATCH ${expression} ORDER BY rank LIMIT 100`,
    { offThread: true },
  );
}

function reportSearch(latencies: Latencies, passages: number): Report {
  const bare = quantile(latencies.get('bare FTS5')!, 0.5);
  const most = quantile(latencies.get('keyword, 99 % visible')!, 0.5);
  const little = quantile(latencies.get('keyword, 1 % visible')!, 0.5);
  const figures: Report['figures'] = { search_passages: passages, search_queries: QUERIES };
  const rows = [...latencies].map(([name, values]) => {
    const [p50, p95] = [quantile(values, 0.5), quantile(values, 0.95)];
    const key = name.replace(' %', '_percent').replaceAll(/[ ,]+/g, '_').toLowerCase();
    Object.assign(figures, { [`${key}_p50_ms`]: p50, [`${key}_p95_ms`]: p95 });
    return [name, readable(p50), readable(p95), readable(p50 / bare)];
  });
  return {
    title: `Search over ${passages} passages, ${RESULTS} results, ${QUERIES} queries`,
    header: ['', 'p50 ms', 'p95 ms', 'p50 / bare FTS5'],
    rows,
    figures,
    summary: `Keyword search takes ${readable(most / bare)} times bare FTS5 where nearly all is visible, ${readable(little / bare)} where little is.`,
  };
}
