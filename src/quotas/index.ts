export { explainFullQuota, fullQuotaError } from './full-quota.ts';
export { meteredChat, meteredEmbedding } from './metered-models.ts';
export { type Payer, requireRoom, requireRoomOf } from './queries.ts';
export {
  type OwnLimits,
  type QuotaDefaults,
  type QuotaHolder,
  type QuotaLimits,
  type QuotaState,
  UNLIMITED,
} from './quota.ts';
export { changeLimits, readGroupQuota, readOwnQuota, readQuota } from './read-quota.ts';
export { createTokenMeter, type TokenMeter } from './token-meter.ts';
