import { describe, expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import type * as client from '../src/client/index.ts';
import type { Problem } from '../src/http/problem-schema.ts';
import type { Me, SignedIn } from '../src/http/routes/auth/schema.ts';
import type { Document, DocumentsQuery } from '../src/http/routes/documents/schema.ts';
import type { Accepted, CommonFields } from '../src/http/routes/ingest/schema.ts';
import type { Job, JobDetail, JobsQuery } from '../src/http/routes/jobs/schema.ts';
import type { KnowledgeAnswer, KnowledgeBody, SearchAnswer, SearchBody } from '../src/http/routes/search/schema.ts';

/** The client imports nothing of the server, so the types of both are held together here, by the compiler. */
describe('the client’s types are those of the API', () => {
  test('answers', () => {
    expectTypeOf<client.SignedIn>().toEqualTypeOf<z.infer<typeof SignedIn>>();
    expectTypeOf<client.Me>().toEqualTypeOf<z.infer<typeof Me>>();
    expectTypeOf<client.Accepted>().toEqualTypeOf<z.infer<typeof Accepted>>();
    expectTypeOf<client.Job>().toEqualTypeOf<z.infer<typeof Job>>();
    expectTypeOf<client.JobDetail>().toEqualTypeOf<z.infer<typeof JobDetail>>();
    expectTypeOf<client.Document>().toEqualTypeOf<z.infer<typeof Document>>();
    expectTypeOf<client.SearchAnswer>().toEqualTypeOf<z.infer<typeof SearchAnswer>>();
    expectTypeOf<client.Answer>().toEqualTypeOf<z.infer<typeof KnowledgeAnswer>>();
  });

  test('problems, whose codes a client may not know yet', () => {
    expectTypeOf<Omit<client.Problem, 'code'>>().toEqualTypeOf<Omit<z.infer<typeof Problem>, 'code'>>();
    expectTypeOf<z.infer<typeof Problem>['code']>().toExtend<client.Problem['code']>();
  });

  test('requests', () => {
    expectTypeOf<client.SearchRequest>().toExtend<z.input<typeof SearchBody>>();
    expectTypeOf<client.Question>().toExtend<z.input<typeof KnowledgeBody>>();
    expectTypeOf<Required<client.JobsQuery>>().toExtend<Record<keyof z.input<typeof JobsQuery>, unknown>>();
    expectTypeOf<Required<client.DocumentsQuery>>().toExtend<Record<keyof z.input<typeof DocumentsQuery>, unknown>>();
    expectTypeOf<keyof client.ContentFields>().toEqualTypeOf<keyof typeof CommonFields>();
  });
});
