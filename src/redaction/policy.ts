/** What happens to personal data, from the mildest: nothing, it is counted, it is replaced before anything is stored. */
export const PII_POLICIES = ['off', 'tag', 'mask'] as const;
export type PiiPolicy = (typeof PII_POLICIES)[number];

/** The strictest of the policies that apply; `off` for none. */
export function strictestPolicy(...policies: readonly PiiPolicy[]): PiiPolicy {
  return PII_POLICIES[Math.max(0, ...policies.map((policy) => PII_POLICIES.indexOf(policy)))]!;
}
