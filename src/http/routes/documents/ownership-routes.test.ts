import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDocument, disableUser, shareDocument } from '../../../../test/factories.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { now, sql } from '../../../db/sql.ts';

let api: TestApp;
let ada: TestUser;
let grace: TestUser;
let linus: TestUser;

beforeAll(async () => {
  api = await createTestApp({ allowGuestRead: true });
  [ada, grace, linus] = await Promise.all([api.registerUser(), api.registerUser(), api.registerUser()]);
});
afterAll(() => api.close());

async function newDocument(source?: string): Promise<string> {
  return (await createDocument(api.db, { ownerId: ada.userId, ...(source && { source }) })).documentId;
}

function send(method: 'POST' | 'DELETE' | 'GET' | 'PATCH', url: string, as: TestUser | undefined, payload?: object) {
  return api.inject({ method, url, as, ...(payload && { payload }) });
}

async function codeOf(response: Promise<{ json(): { code?: string }; statusCode: number }>) {
  const { statusCode, json } = await response;
  return statusCode < 400 ? statusCode : json().code;
}

const offer = (id: string, to = grace, as = ada) =>
  send('POST', `/documents/${id}/transfer`, as, { user_id: to.userId });
const accept = (id: string, as = grace) => codeOf(send('POST', `/documents/${id}/transfer/accept`, as));
const decline = (id: string, as = grace) => codeOf(send('POST', `/documents/${id}/transfer/decline`, as));
const publish = (id: string, as: TestUser = ada) => send('POST', `/documents/${id}/publish`, as);
const permissions = async (id: string, as: TestUser | undefined) =>
  (await send('GET', `/documents/${id}`, as)).json().permissions ?? [];

describe('when a document expires', () => {
  test.each(['write', 'manage'] as const)('is not for who has %s to say, since it could be now', async (permission) => {
    const id = await newDocument();
    await shareDocument(api.db, id, { userId: grace.userId }, { level: permission === 'write' ? 2 : 3 });
    const expires_at = '2100-01-01T00:00:00Z';
    expect(await codeOf(send('PATCH', `/documents/${id}`, grace, { title: 'New', expires_at }))).toBe('forbidden');
    expect(await codeOf(send('PATCH', `/documents/${id}`, grace, { expires_at: null }))).toBe('forbidden');
    expect(await codeOf(send('PATCH', `/documents/${id}`, grace, { title: 'New' }))).toBe(200);
    expect((await send('PATCH', `/documents/${id}`, ada, { expires_at })).json()).toMatchObject({
      title: 'New',
      expires_at: '2100-01-01T00:00:00.000Z',
    });
  });
});

describe('handing a document over', () => {
  test('changes nothing until the other accepts, and then the old owner keeps nothing', async () => {
    const id = await newDocument();
    await shareDocument(api.db, id, { userId: grace.userId });
    await shareDocument(api.db, id, { userId: linus.userId });
    const offered = await offer(id);
    expect(offered.statusCode).toBe(201);
    expect(offered.json()).toMatchObject({ document_id: id, from_user_id: ada.userId, to_user_id: grace.userId });
    for (const as of [ada, grace]) {
      expect((await send('GET', '/transfers', as)).json().items).toContainEqual(offered.json());
    }
    expect((await send('GET', '/transfers', linus)).json().items).toEqual([]);
    expect(await permissions(id, grace)).toEqual(['read']);

    expect(await accept(id, linus)).toBe('not_found');
    expect(await accept(id)).toBe(200);
    expect(await permissions(id, grace)).toEqual(['read', 'write', 'manage']);
    expect(await permissions(id, ada)).toEqual([]);
    expect(await permissions(id, linus)).toEqual(['read']);
    expect(await accept(id)).toBe('not_found');
    // What the new owner had before would outlast the next transfer.
    expect(await api.db.query(sql`SELECT grantee_id FROM resource_shares WHERE resource_id = ${id}`)).toEqual([
      { grantee_id: linus.userId },
    ]);
    const entries = await api.db.query(
      sql`SELECT action, actor_id, concerned_id FROM audit_log WHERE target_id = ${id} ORDER BY seq`,
    );
    expect(entries).toEqual([
      { action: 'transfer.offered', actor_id: ada.userId, concerned_id: grace.userId },
      { action: 'transfer.accepted', actor_id: grace.userId, concerned_id: ada.userId },
    ]);
  });

  test('can be declined, taken back, and offered to somebody else', async () => {
    const id = await newDocument();
    await offer(id);
    expect(await decline(id, linus)).toBe('not_found');
    expect(await decline(id)).toBe(204);
    expect(await accept(id)).toBe('not_found');
    await offer(id);
    expect(await codeOf(send('DELETE', `/documents/${id}/transfer`, ada))).toBe(204);
    expect(await accept(id)).toBe('not_found');
    expect(await codeOf(send('DELETE', `/documents/${id}/transfer`, ada))).toBe('not_found');
    await offer(id);
    await offer(id, linus);
    expect(await accept(id)).toBe('not_found');
    expect(await accept(id, linus)).toBe(200);
  });

  test.each([
    ['over', (id: string) => sql`UPDATE document_transfers SET expires_at = 1 WHERE document_id = ${id}`],
    [
      'of a document that has expired',
      (id: string) => sql`UPDATE documents SET expires_at = 1 WHERE document_id = ${id}`,
    ],
    [
      'by somebody who owns it no longer',
      (id: string) => sql`UPDATE documents SET owner_id = ${linus.userId} WHERE document_id = ${id}`,
    ],
  ])('is refused when the offer is %s', async (_what, change) => {
    const id = await newDocument();
    await offer(id);
    await api.execute(change(id));
    expect(await accept(id)).toBe('not_found');
    expect((await send('GET', '/transfers', grace)).json().items).toEqual([]);
  });

  test('is refused when whoever offered it has been disabled', async () => {
    const owner = await api.registerUser();
    const { documentId } = await createDocument(api.db, { ownerId: owner.userId });
    await offer(documentId, grace, owner);
    await api.execute(disableUser(owner.userId));
    expect(await accept(documentId)).toBe('not_found');
    expect((await send('GET', '/transfers', grace)).json().items).toEqual([]);
  });

  test('goes to nobody unknown, unproven or oneself', async () => {
    const id = await newDocument();
    const user = await api.registerUser();
    await api.execute(sql`UPDATE users SET email_state = 'unproven' WHERE user_id = ${user.userId}`);
    expect(await codeOf(offer(id, user))).toBe('not_found');
    expect(await codeOf(offer(id, { ...user, userId: 'f'.repeat(64) }))).toBe('not_found');
    expect(await codeOf(offer(id, ada))).toBe('conflict');
  });

  test('gives way to a source that the new owner has already', async () => {
    const id = await newDocument('report');
    const own = await createDocument(api.db, { ownerId: grace.userId, source: 'report' });
    await offer(id);
    expect(await accept(id)).toBe(200);
    expect((await send('GET', `/documents/${id}`, grace)).json().source).toBe(id);
    expect((await send('GET', `/documents/${own.documentId}`, grace)).json().source).toBe('report');
  });

  test('accepted many times at once happens once', async () => {
    const id = await newDocument();
    await offer(id);
    const codes = await Promise.all(Array.from({ length: 8 }, () => accept(id)));
    expect(codes.filter((code) => code === 200)).toHaveLength(1);
  });

  test('waits for the job that works on the document, as publishing does', async () => {
    const payload = { text: 'Being read.' };
    const accepted = (await send('POST', '/ingest/text', ada, payload)).json();
    await offer(accepted.document_id);
    expect(await accept(accepted.document_id)).toBe('conflict');
    expect(await codeOf(publish(accepted.document_id))).toBe('conflict');
    await api.runJob(accepted.job_id);
    expect(await accept(accepted.document_id)).toBe(200);
  });
});

describe('publishing', () => {
  test('gives everybody the document to read for good, and ends its shares and offers', async () => {
    const id = await newDocument();
    await shareDocument(api.db, id, { userId: grace.userId }, { level: 3 });
    await offer(id);
    const published = await publish(id);
    expect(published.json()).toMatchObject({ document_id: id, owner_id: null, permissions: ['read'] });
    for (const reader of [ada, grace, linus, undefined]) expect(await permissions(id, reader)).toEqual(['read']);
    expect(await accept(id)).toBe('not_found');
    expect(await codeOf(send('PATCH', `/documents/${id}`, ada, { tags: ['mine'] }))).toBe('forbidden');
    expect(await codeOf(publish(id))).toBe('forbidden');
    expect(await codeOf(offer(id))).toBe('forbidden');
  });

  test('needs the owner, and a sign-in of the last minutes', async () => {
    const id = await newDocument();
    await shareDocument(api.db, id, { userId: grace.userId }, { level: 3 });
    expect(await codeOf(publish(id, grace))).toBe('forbidden');
    expect(await codeOf(publish(id, linus))).toBe('not_found');
    await api.execute(sql`UPDATE sessions SET created_at = created_at - 301000 WHERE user_id = ${ada.userId}`);
    expect(await codeOf(publish(id))).toBe('sign_in_again');
    await api.execute(sql`UPDATE sessions SET created_at = ${now} WHERE user_id = ${ada.userId}`);
    expect(await codeOf(publish(id))).toBe(200);
  });

  test('can be undone by nobody, and what is public is removed by operators, which is written down', async () => {
    const id = await newDocument();
    await publish(id);
    const remove = (as: TestUser) => codeOf(send('DELETE', `/documents/${id}`, as));
    expect(await remove(ada)).toBe('forbidden');
    await api.execute(
      sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${linus.userId}, 'operator', ${now})`,
    );
    expect(await remove(await api.createKey(linus, ['ingest', 'manage', 'content:expire']))).toBe('forbidden');
    expect(await remove(linus)).toBe(204);
    const entries = await api.db.query(sql`SELECT actor_id FROM audit_log WHERE action = 'document.removed'`);
    expect(entries).toEqual([{ actor_id: linus.userId }]);
    // What somebody owns is theirs alone, whoever runs the system.
    expect(await codeOf(send('DELETE', `/documents/${await newDocument()}`, linus))).toBe('not_found');
  });
});
