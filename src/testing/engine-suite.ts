import { logCases, sharedLogCases } from './engine-suite-logs.ts';
import { endingCases, messageCases } from './engine-suite-messages.ts';
import type { EngineSuiteOptions } from './engine-suite-nodes.ts';
import { listingCases, presenceCases, userCases } from './engine-suite-presence.ts';
import { deathCases, questionCases, rivalCases } from './engine-suite-talk.ts';

export type { EngineSuiteOptions } from './engine-suite-nodes.ts';

/**
 * What every engine must do, whatever carries its messages. What crosses nodes may take a while: the suite waits for it.
 *
 * @example engineSuite('memory', { api: { describe, test, expect }, world: realWorld(), makeEngine: () => new MemoryEngine(realWorld()) })
 */
export function engineSuite(name: string, options: EngineSuiteOptions): void {
  const { joins = false, logs = false, kill } = options;
  options.api.describe(`the ${name} engine`, () => {
    presenceCases(options);
    listingCases(options);
    userCases(options);
    endingCases(options);
    if (logs) logCases(options);
    if (!joins) return;
    messageCases(options);
    rivalCases(options);
    questionCases(options);
    if (logs) sharedLogCases(options);
    if (kill !== undefined) deathCases(options);
  });
}
