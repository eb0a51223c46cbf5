import { EXIT } from './output.ts';

/** The first SIGINT or SIGTERM; a second one ends the process at once, after `beforeEnd`. */
export function stopSignal(beforeEnd: () => void = () => {}): Promise<string> {
  return new Promise((resolveSignal) => {
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (stopping) {
        beforeEnd();
        process.exit(EXIT.failure);
      }
      stopping = true;
      resolveSignal(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
