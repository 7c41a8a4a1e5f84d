import progressBars from 'cli-progress';
import type { Job } from '../client/index.ts';
import type { Output } from './output.ts';
import { printableLine } from './printable.ts';

/** Shows how a job goes on. */
export interface JobProgress {
  show(job: Job): void;
  end(): void;
}

/** Room for a bar and its stage beside it on a line of 80 characters. */
const MAX_BAR_LABEL_CHARS = 40;

/** On stderr: a bar where somebody is watching, else a line for each stage. */
export function showProgress(output: Output, label: string): JobProgress {
  const name = printableLine(label);
  return output.stderr.isTTY === true ? bar(output, shortened(name)) : lines(output, name);
}

/** The end of a path says more than its beginning. */
function shortened(name: string): string {
  return name.length <= MAX_BAR_LABEL_CHARS ? name : `…${name.slice(1 - MAX_BAR_LABEL_CHARS)}`;
}

function bar(output: Output, name: string): JobProgress {
  const view = new progressBars.SingleBar(
    {
      stream: output.stderr as NodeJS.WritableStream,
      format: '{name}  {bar}  {stage} {value}/{total}',
      barsize: 24,
      clearOnComplete: true,
      hideCursor: false,
    },
    progressBars.Presets.shades_classic,
  );
  view.start(1, 0, { name, stage: 'waiting' });
  return {
    show({ status, progress }) {
      if (progress === null) return view.update(0, { stage: status });
      view.setTotal(Math.max(progress.total, 1));
      view.update(progress.done, { stage: printableLine(progress.stage) });
    },
    end: () => view.stop(),
  };
}

function lines(output: Output, name: string): JobProgress {
  let shown = '';
  return {
    show({ status, progress }) {
      const stage = status === 'processing' ? (progress?.stage ?? status) : status;
      if (stage !== shown) output.note(`${name}: ${stage}`);
      shown = stage;
    },
    end: () => {},
  };
}
