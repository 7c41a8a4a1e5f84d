import type { Database } from '../../../db/database.ts';
import { changeGroupPolicy, readGroupPolicy } from '../../../redaction/index.ts';
import type { App } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { GroupPolicy, GroupPolicyBody, PolicyParams } from './schema.ts';

export function policyRoutes(app: App, deps: { db: Database }): void {
  const tags = ['groups'];

  app.get(
    '/groups/:group_id/policy',
    {
      config: { access: { kind: 'user', scope: 'read' } },
      schema: {
        tags,
        summary: 'What is done about personal data; for members of the group',
        params: PolicyParams,
        response: { 200: GroupPolicy, ...problemResponses() },
      },
    },
    async (request) => ({ pii_policy: await readGroupPolicy(deps, request.subject, request.params.group_id) }),
  );

  app.put(
    '/groups/:group_id/policy',
    {
      config: { access: { kind: 'user', scope: null } },
      schema: {
        tags,
        summary: 'Say what is done about personal data from now on; for admins of the group',
        params: PolicyParams,
        body: GroupPolicyBody,
        response: { 200: GroupPolicy, ...problemResponses(413, 415) },
      },
    },
    async (request) => {
      const { pii_policy } = request.body;
      await changeGroupPolicy(deps, request.subject, request.params.group_id, pii_policy);
      return { pii_policy };
    },
  );
}
