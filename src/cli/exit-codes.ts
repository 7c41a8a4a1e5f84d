/** What the exit code of every command says. Scripts rely on these: never renumbered. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'a job or a check failed, or the server refused' },
  usage: { code: 2, meaning: 'the command line is wrong' },
  unreachable: { code: 3, meaning: 'the server cannot be reached' },
  not_allowed: { code: 4, meaning: 'not signed in, or not allowed' },
  not_found: { code: 5, meaning: 'there is no such thing, or you may not see it' },
  timed_out: { code: 6, meaning: 'the time was up' },
  // EX_CONFIG of sysexits.h
  configuration: { code: 78, meaning: 'the configuration is not valid' },
} as const satisfies Record<string, { code: number; meaning: string }>;

export type Exit = keyof typeof EXIT_CODES;
