import { type FileReceiver, type ReceiveEvent, receiveFiles } from '../files/index.ts';
import { EXIT, type Output, printable } from './output.ts';
import { ProgressBar, sized } from './progress-bar.ts';
import { stopSignal } from './signals.ts';
import { naming, RECEIVE_OPTIONS } from './unasked.ts';
import { type TokenOptions, tokenOf } from './visitor.ts';

export interface ReceiveCommand extends TokenOptions {
  readonly dir: string;
  readonly listen: readonly string[];
  readonly insecure: boolean;
  readonly overwrite: boolean;
  /** Ends with the first transfer that its sender has brought to an end. */
  readonly once: boolean;
}

/** How often the bar of a terminal is drawn, ms. */
const SHOW_EVERY = 100;
const DEFAULT_LISTEN = 'tcp://127.0.0.1:3010';

/** Takes files in until SIGINT or SIGTERM. Resolves with the exit code. */
export async function receive(command: ReceiveCommand, output: Output): Promise<number> {
  const { dir, listen, insecure, overwrite, once } = command;
  const token = await tokenOf(command);
  const bar = new ProgressBar(process.stderr, !output.json);
  let shownAt = -Infinity;
  let finish: (code: number) => void = () => {};
  const finished = new Promise<number>((resolve) => {
    finish = resolve;
  });
  const receiver = await receiveFiles(listen.length > 0 ? listen : [DEFAULT_LISTEN], {
    dir,
    overwrite,
    ...(token === undefined ? {} : { token }),
    server: { insecure },
    onProgress: (progress) => {
      const now = performance.now();
      if (now - shownAt < SHOW_EVERY) return;
      shownAt = now;
      bar.show(progress);
    },
    onEvent: (event) => {
      if (event.event === 'ended') bar.clear();
      bar.above(() => tell(event, output));
      if (once && event.event === 'ended' && event.complete) finish(event.failed > 0 ? EXIT.failure : EXIT.ended);
    },
  }).catch(naming(RECEIVE_OPTIONS));
  // Before anybody is told: who hears that it listens may end it at once.
  const stopped = untilStopped(output);
  tellEndpoints(receiver, dir, output);
  const code = await Promise.race([finished, stopped]);
  await receiver.close();
  return code;
}

function tellEndpoints({ endpoints }: FileReceiver, dir: string, output: Output): void {
  const text = `hawser takes files into ${printable(dir)} on\n${endpoints.map((url) => `  ${url}`).join('\n')}`;
  output.tell({ event: 'listening', endpoints }, text);
}

async function untilStopped(output: Output): Promise<number> {
  const signal = await stopSignal();
  output.tell({ event: 'closing', signal }, `${signal}: closing`);
  return EXIT.ended;
}

function tell(event: ReceiveEvent, output: Output): void {
  switch (event.event) {
    case 'begun':
      output.tell(
        event,
        `from ${event.remote || 'this machine'}: ${event.files} ${event.files === 1 ? 'file' : 'files'}, ${sized(event.bytes)}`,
      );
      return;
    case 'received':
      output.tell({ ...event }, `received: ${printable(event.name)} (${sized(event.bytes)})`);
      return;
    case 'unchanged':
      output.tell({ ...event }, `there already: ${printable(event.name)} (${sized(event.bytes)})`);
      return;
    case 'failed':
      if (output.json) output.tell(event, '');
      output.error(`${event.code}: ${event.message}`);
      return;
    case 'ended':
      tellEnd(event, output);
  }
}

function tellEnd(event: Extract<ReceiveEvent, { readonly event: 'ended' }>, output: Output): void {
  const { received, unchanged, failed, complete } = event;
  const counts = `${received} received, ${unchanged} there already, ${failed} failed`;
  output.tell(event, `${complete ? 'done' : 'the sender is gone'}: ${counts}`);
}
