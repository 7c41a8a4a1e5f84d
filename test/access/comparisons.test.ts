import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { guestSubject, type Subject, systemSubject } from '../../src/access/index.ts';
import { fakeEmbeddingModel } from '../fakes/embedding-model.ts';
import { type Library, openLibrary } from './library.ts';
import { type Asker, isLetIn, jobGoesOn, levelOn, READ } from './oracle.ts';
import { createProduct, type Product } from './ways.ts';
import { aWorld, DOCUMENTS, USERS, type World } from './world.ts';

/** A comparison is one question asked for all documents: somebody, by one way of asking, against the oracle. */
const COMPARISONS = Number(process.env.ACCESS_COMPARISONS ?? 5_000);
const SEED = Number(process.env.ACCESS_SEED ?? 4);
const WORLDS_AT_A_TIME = 10;
/** What is not counted is not proved: a change that leaves out ways of asking must say so here. */
const LEAST_PER_WORLD = 100;

const model = fakeEmbeddingModel();
let library: Library;
let product: Product;
/** Users as they were known in an earlier world, each since the last time that they could sign in. */
const known = new Map<number, Subject>();
let comparisons = 0;

beforeAll(async () => {
  library = await openLibrary(model);
  product = createProduct(library, model);
});
afterAll(() => library.close());

function expectSame(about: string, actual: unknown, expected: unknown): void {
  comparisons++;
  expect(actual, about).toEqual(expected);
}

interface Present extends Asker {
  name: string;
  subject: Subject;
}

/**
 * Everybody who can ask in this world. Who is not let in is compared as well, and still asks as whom they were known before:
 * a request may have begun in another world.
 */
async function askersIn(world: World, keys: readonly string[]): Promise<Present[]> {
  const askers: Present[] = [
    { name: 'guest', who: 'guest', subject: guestSubject() },
    { name: 'system', who: 'system', subject: systemSubject() },
  ];
  for (let who = 0; who < USERS; who++) {
    const earlier = known.get(who);
    if (earlier !== undefined) askers.push({ name: `user ${who} as known before`, who, subject: earlier });
    const subject = await library.signIn(who);
    expectSame(`sign-in of user ${who}`, subject !== null, isLetIn(world, { who }));
    if (subject === null) continue;
    known.set(who, subject);
    askers.push({ name: `user ${who}`, who, subject });
  }
  for (const [i, key] of world.keys.entries()) {
    const asker = { who: key.user, key };
    const subject = await library.signIn(keys[i]!);
    expectSame(`sign-in by key ${i}`, subject !== null, isLetIn(world, asker));
    if (subject !== null) askers.push({ name: `key ${i}`, ...asker, subject });
  }
  return askers;
}

async function compare(world: World, asker: Present, turn: number): Promise<void> {
  const documents = Array.from({ length: DOCUMENTS }, (_, document) => document);
  const levels = documents.map((document) => levelOn(world, asker, document));
  const { name, subject } = asker;
  for (const [way, actual] of Object.entries(await product.levels(subject))) {
    expectSame(`${way} for ${name}`, actual, levels);
  }
  const shown = levels.map((level) => Math.min(level, 3));
  for (const [way, actual] of Object.entries(await product.shownLevels(subject))) {
    expectSame(`${way} for ${name}`, actual, shown);
  }
  const readable = documents.filter((document) => levels[document]! >= READ);
  for (const [way, actual] of Object.entries(await product.reads(subject))) {
    expectSame(`${way} for ${name}`, actual, readable);
  }
  const goOn = documents.map((document) => jobGoesOn(world, asker, document));
  expectSame(`jobs for ${name}`, await product.jobsGoOn(subject), goOn);
  const document = turn % DOCUMENTS;
  const outcome = goOn[document] ? 'completed' : 'rights_revoked';
  expectSame(`a job on ${document} for ${name}`, await product.runJobOn(subject, document), outcome);
}

let turn = 0;

const isAsOracleSays = fc.asyncProperty(aWorld, async (world) => {
  const before = comparisons;
  const askers = await askersIn(world, await library.enter(world));
  for (const asker of askers) await compare(world, asker, turn++);
  expect(comparisons - before).toBeGreaterThanOrEqual(LEAST_PER_WORLD);
});

test('list, point check, every search, answers and jobs are what plain code says', { timeout: 7_200_000 }, async () => {
  let rounds = 0;
  for (; comparisons < COMPARISONS; rounds++) {
    await fc.assert(isAsOracleSays, {
      seed: SEED + rounds,
      numRuns: WORLDS_AT_A_TIME,
      endOnFailure: process.env.ACCESS_SHRINK === 'no',
    });
  }
  console.log(`${comparisons} comparisons in ${rounds * WORLDS_AT_A_TIME} worlds, seed ${SEED}`);
  expect(comparisons).toBeGreaterThanOrEqual(COMPARISONS);
});
