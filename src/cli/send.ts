import { type SendProgress, type SendSummary, sendFiles } from '../files/index.ts';
import { EXIT, type Output, printable } from './output.ts';
import { ProgressBar, sized } from './progress-bar.ts';
import { tokenOf, type VisitOptions } from './visitor.ts';

/** How often a program hears how far it is, ms. */
const TELL_EVERY = 500;

/** Sends files and folders. Resolves with the exit code: a failure when a single one did not arrive. */
export async function send(paths: readonly string[], options: VisitOptions, output: Output): Promise<number> {
  const token = await tokenOf(options);
  const bar = new ProgressBar(process.stderr, !output.json);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    const summary = await sendFiles(paths, options.url, {
      ...(token === undefined ? {} : { token }),
      timeout: options.timeout,
      signal: stop.signal,
      onProgress: progressTo(bar, output),
      onFile: ({ name, bytes, sha256, resumed, unchanged }) => {
        const text = `${unchanged ? 'there already' : 'sent'}: ${printable(name)} (${sized(bytes)})`;
        bar.above(() => output.tell({ event: 'sent', name, bytes, sha256, resumed, unchanged }, text));
      },
      onFailure: ({ name, error: { code, message } }) => {
        bar.above(() => {
          if (output.json) output.tell({ event: 'failed', name, code, message }, '');
          output.error(`${code}: ${message}`);
        });
      },
      onSkipped: ({ name, reason }) => {
        if (output.json) output.tell({ event: 'skipped', name, reason }, '');
        else output.remark(`left out: ${printable(name)} is ${reason}`);
      },
    });
    bar.clear();
    return conclude(summary, output);
  } finally {
    bar.clear();
  }
}

function progressTo(bar: ProgressBar, output: Output): (progress: SendProgress) => void {
  let toldAt = -Infinity;
  return (progress) => {
    bar.show(progress);
    const now = performance.now();
    const isLast = progress.filesDone === progress.files;
    if (!output.json || (!isLast && now - toldAt < TELL_EVERY)) return;
    toldAt = now;
    const { bytesPerSecond, secondsLeft = null, ...standing } = progress;
    output.tell({ event: 'progress', ...standing, bytesPerSecond: Math.round(bytesPerSecond), secondsLeft }, '');
  };
}

function conclude({ files, failures, skipped, bytes, resumed, seconds }: SendSummary, output: Output): number {
  const moved = bytes - resumed;
  const speed = seconds > 0 ? ` (${sized(moved / seconds)}/s)` : '';
  const before = resumed > 0 ? `, ${sized(resumed)} of them were there already` : '';
  const failed = failures.length > 0 ? `, ${failures.length} failed` : '';
  output.tell(
    { event: 'done', files: files.length, failed: failures.length, skipped: skipped.length, bytes, resumed, seconds },
    `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${sized(bytes)} in ${seconds.toFixed(1)} s${speed}${before}${failed}`,
  );
  return failures.length > 0 ? EXIT.failure : EXIT.ended;
}
