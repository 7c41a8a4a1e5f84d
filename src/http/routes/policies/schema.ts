import { z } from 'zod';
import { PII_POLICIES } from '../../../redaction/index.ts';
import { Id } from '../../schemas.ts';

export const PolicyParams = z.object({ group_id: Id });

const pii_policy = z
  .enum(PII_POLICIES)
  .meta({ description: 'For documents that are shared with the group; the setting of the server may be stricter' });

export const GroupPolicy = z.object({ pii_policy }).meta({ id: 'GroupPolicy' });
export const GroupPolicyBody = z.strictObject({ pii_policy }).meta({ id: 'GroupPolicyBody' });
