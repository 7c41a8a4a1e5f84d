/** What a check has found. */
export interface Finding {
  name: string;
  status: 'ok' | 'problem' | 'skipped';
  detail: string;
  /** What to do, for a problem. */
  repair: string | null;
}

export type Verdict = Omit<Finding, 'name'>;

export interface Check {
  name: string;
  run(): Verdict | Promise<Verdict>;
}

export function ok(detail: string): Verdict {
  return { status: 'ok', detail, repair: null };
}

export function problem(detail: string, repair: string): Verdict {
  return { status: 'problem', detail, repair };
}

export function skipped(detail: string): Verdict {
  return { status: 'skipped', detail, repair: null };
}

/** Runs the checks in order; one that cannot be made is a problem of its own and does not keep the others back. */
export async function runChecks(checks: readonly Check[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, run } of checks) findings.push({ name, ...(await verdictOf(run)) });
  return findings;
}

async function verdictOf(run: Check['run']): Promise<Verdict> {
  try {
    return await run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return problem(`The check failed: ${reason}`, 'Look at the reason, and run the check again.');
  }
}
