import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addMember, createDocument, createGroup } from '../../../../test/factories.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { now, sql } from '../../../db/sql.ts';

let api: TestApp;
let ada: TestUser;
let root: TestUser;
let groupId: string;

beforeAll(async () => {
  api = await createTestApp({ settings: { QUOTA_USER_DOCUMENTS: '2', PII_POLICY: 'off' } });
  ada = await api.registerUser();
  root = await api.registerUser();
  groupId = await createGroup(api.db);
  await addMember(api.db, groupId, ada.userId, { role: 'admin' });
  await api.execute(
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${root.userId}, 'super_admin', ${now})`,
  );
});
afterAll(() => api.close());

function ingest(as: TestUser, payload: object) {
  return api.inject({ method: 'POST', url: '/ingest/text', as, payload });
}

describe('quotas', () => {
  test('bound what is handed over and what is shared with a group', async () => {
    const [giver, taker] = [await api.registerUser(), await api.registerUser()];
    const small = await createGroup(api.db);
    await addMember(api.db, small, giver.userId, { role: 'editor' });
    await api.inject({ method: 'PUT', url: `/admin/quotas/groups/${small}`, as: root, payload: { documents: 1 } });
    const give = async (documentId: string) => {
      const url = `/documents/${documentId}/transfer`;
      await api.inject({ method: 'POST', url, as: giver, payload: { user_id: taker.userId } });
      return api.inject({ method: 'POST', url: `${url}/accept`, as: taker });
    };
    const share = (documentId: string, permission = 'read') => {
      const grantee = { grantee_type: 'group', grantee_id: small };
      const payload = { resource_type: 'document', resource_id: documentId, ...grantee, permission };
      return api.inject({ method: 'POST', url: '/shares', as: giver, payload });
    };
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push((await createDocument(api.db, { ownerId: giver.userId })).documentId);

    expect([(await share(ids[0]!)).statusCode, (await share(ids[0]!, 'write')).statusCode]).toEqual([201, 200]);
    expect((await share(ids[1]!)).json()).toMatchObject({
      code: 'quota_full',
      detail: 'The group has 1 of 1 documents',
    });
    expect([(await give(ids[0]!)).statusCode, (await give(ids[1]!)).statusCode]).toEqual([200, 200]);
    expect((await give(ids[2]!)).json()).toMatchObject({ code: 'quota_full', detail: 'You have 2 of 2 documents' });
    expect((await api.inject({ url: `/documents/${ids[2]}`, as: giver })).statusCode).toBe(200);
  });

  test('refuse what there is no room for, say what there is, and give back what is deleted', async () => {
    const bob = await api.registerUser();
    const answers = await Promise.all(Array.from({ length: 5 }, (_, n) => ingest(bob, { text: `Otters ${n}` })));
    const accepted = answers.filter(({ statusCode }) => statusCode === 202);
    const refused = answers.filter(({ statusCode }) => statusCode === 409);
    expect([accepted.length, refused.length]).toEqual([2, 3]);
    expect(refused[0]!.json()).toMatchObject({ code: 'quota_full', detail: 'You have 2 of 2 documents' });
    expect(await api.storedFiles()).toHaveLength(2);

    const { document_id: gone } = accepted[0]!.json();
    await api.inject({ method: 'DELETE', url: `/documents/${gone}`, as: bob });
    const usage = (await api.inject({ url: '/users/me/usage', as: bob })).json();
    expect(usage).toMatchObject({ documents: { used: 1, limit: 2 }, bytes: { used: 8, limit: null } });
    expect((await ingest(bob, { text: 'Otters again' })).statusCode).toBe(202);
  });

  test('let what is there be replaced when there is no room for more', async () => {
    const carol = await api.registerUser();
    for (const source of ['a', 'b']) await ingest(carol, { text: 'Otters', source });
    expect((await ingest(carol, { text: 'Herons', source: 'c' })).statusCode).toBe(409);
    expect((await ingest(carol, { text: 'Herons', source: 'b' })).statusCode).toBe(202);
  });

  test('are set for one by a super_admin, and forgotten when they are left out', async () => {
    const url = `/admin/quotas/users/${ada.userId}`;
    const set = await api.inject({ method: 'PUT', url, as: root, payload: { documents: null, tokens_per_day: 7 } });
    expect(set.json()).toMatchObject({
      usage: { documents: { limit: null }, tokens_today: { used: 0, limit: 7 } },
      own_limits: { documents: null, tokens_per_day: 7 },
    });
    await api.inject({ method: 'PUT', url, as: root, payload: {} });
    const now = (await api.inject({ url, as: root })).json();
    expect(now).toMatchObject({ usage: { documents: { limit: 2 }, tokens_today: { limit: null } }, own_limits: {} });
  });

  test('of a group are shown to its members', async () => {
    const url = `/admin/quotas/groups/${groupId}`;
    await api.inject({ method: 'PUT', url, as: root, payload: { bytes: 3 } });
    expect((await api.inject({ url: `/groups/${groupId}/usage`, as: ada })).json()).toMatchObject({
      bytes: { limit: 3 },
    });
    const refused = await ingest(ada, { text: 'More than three', group_id: groupId });
    expect(refused.json()).toMatchObject({ code: 'quota_full' });
    await api.inject({ method: 'PUT', url, as: root, payload: {} });
  });
});

describe('the policy of a group', () => {
  test('is set by its admin, and masks what is added to it from then on', async () => {
    const url = `/groups/${groupId}/policy`;
    expect((await api.inject({ url, as: ada })).json()).toEqual({ pii_policy: 'off' });
    const payload = { pii_policy: 'mask' };
    expect((await api.inject({ method: 'PUT', url, as: ada, payload })).json()).toEqual(payload);

    const text = 'Write to marker.person@example.org about otters.';
    const id = await api.ingestText(ada, { text, title: 'Otters', group_id: groupId });
    expect((await api.inject({ url: `/documents/${id}`, as: ada })).json()).toMatchObject({
      pii_policy: 'mask',
      pii: { email: 1 },
    });
    const content = await api.inject({ url: `/documents/${id}/content`, as: ada });
    expect([content.statusCode, content.json().code]).toEqual([404, 'original_not_kept']);
    const found = await api.inject({ method: 'POST', url: '/search/keyword', as: ada, payload: { query: 'otters' } });
    expect(found.body).toContain('Write to [EMAIL] about otters.');
    const refused = await ingest(ada, { text, group_id: groupId, source: 'marker.person@example.org' });
    expect([refused.statusCode, refused.json().code]).toEqual([422, 'personal_data_in_source']);
    expect(api.logLines.join('\n')).not.toContain('marker');
  });
});
