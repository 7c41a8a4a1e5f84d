import type { Config } from '../config/config.ts';
import type { QuotaDefaults } from '../quotas/index.ts';
import type { PiiPolicy } from '../redaction/index.ts';

/** What the operator has decided about content that is taken in. */
export interface IngestionRules {
  /** For all documents; groups may be stricter. */
  piiPolicy: PiiPolicy;
  quotas: QuotaDefaults;
  /** Jobs of one user, and of all guests together, that run at the same time. */
  maxJobsPerUser: number;
}

/** One user with many documents leaves room for the others, children of a long document included. */
export function jobLimit(rules: IngestionRules, userId: string | null): { key: string; max: number } {
  return { key: `ingest:${userId ?? 'guests'}`, max: rules.maxJobsPerUser };
}

/** The rules as the settings say them. */
export function ingestionRules(config: Config): IngestionRules {
  return {
    piiPolicy: config.piiPolicy,
    quotas: {
      user: {
        documents: config.quotaUserDocuments,
        bytes: config.quotaUserBytes,
        chunks: config.quotaUserChunks,
        tokensPerDay: config.quotaUserTokensPerDay,
      },
      group: {
        documents: config.quotaGroupDocuments,
        bytes: config.quotaGroupBytes,
        chunks: config.quotaGroupChunks,
        tokensPerDay: config.quotaGroupTokensPerDay,
      },
    },
    maxJobsPerUser: config.ingestMaxPerUser,
  };
}
