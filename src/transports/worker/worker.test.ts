import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { linkSuite } from '../../testing/link-suite.ts';
import { createWorkerTransport } from './index.ts';

let names = 0;

linkSuite('worker, within one thread', {
  api: { describe, test, expect },
  transport: createWorkerTransport({ seekWait: 200 }),
  world: realWorld(),
  listenUrl: () => `worker:suite-${names++}`,
  deadUrl: () => 'worker:nobody',
});
