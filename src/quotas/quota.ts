/** What is limited. Tokens are those of a model provider, on one day in UTC. */
export interface QuotaLimits {
  documents: number | null;
  bytes: number | null;
  chunks: number | null;
  tokensPerDay: number | null;
}

/** What applies where nothing else was set for a user or group; null is without limit. */
export interface QuotaDefaults {
  user: QuotaLimits;
  group: QuotaLimits;
}

/** Limits set for one user or group; a field that is absent is as for all others. */
export type OwnLimits = Partial<QuotaLimits>;

export type StockResource = 'documents' | 'bytes' | 'chunks';

/** Who has a quota. */
export type QuotaHolder = { kind: 'user'; id: string } | { kind: 'group'; id: string };

/** What a holder has of each resource, and how much it may have. */
export interface QuotaState {
  documents: { used: number; limit: number | null };
  bytes: { used: number; limit: number | null };
  chunks: { used: number; limit: number | null };
  tokensPerDay: { used: number; limit: number | null };
  /** When today's tokens are counted from 0 again; milliseconds by the database's clock. */
  tokensResetAt: number;
  ownLimits: OwnLimits;
}

export const UNLIMITED: QuotaLimits = { documents: null, bytes: null, chunks: null, tokensPerDay: null };
