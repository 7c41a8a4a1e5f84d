/** What finished jobs may cost: a million beside none, for claiming and completing 32 at a time. */
const MOST_FOR_FINISHED_ROWS = 1.3;
/** Against plainjob in the same round, with one process. */
const LEAST_OF_PLAINJOB = 2;

/**
 * Sentences about the floors that the figures of one run fall below; none where all hold or were not measured. Only ratios
 * within the run are looked at, which a busy machine changes little.
 */
export function brokenFloors(figures: Readonly<Record<string, number>>, finished: number): string[] {
  const broken: string[] = [];
  // Processor time: the two were not measured at the same moment.
  const cost = (figures[`job_${finished}_cpu_us`] ?? Number.NaN) / (figures.job_0_cpu_us ?? Number.NaN);
  if (cost > MOST_FOR_FINISHED_ROWS) {
    broken.push(
      `claiming and completing 32 cost ${cost.toFixed(2)} x with ${finished} finished rows, more than ${MOST_FOR_FINISHED_ROWS} x`,
    );
  }
  for (const rows of [0, finished]) {
    const ratio = figures[`anyrag_1p_${rows}_jobs_per_s_of_plainjob`];
    if (ratio !== undefined && ratio < LEAST_OF_PLAINJOB) {
      broken.push(`${ratio.toFixed(2)} x plainjob over ${rows} finished rows, less than ${LEAST_OF_PLAINJOB} x`);
    }
  }
  return broken;
}
