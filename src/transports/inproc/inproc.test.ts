import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { linkSuite } from '../../testing/link-suite.ts';
import { inprocTransport } from './index.ts';

let names = 0;

linkSuite('inproc', {
  api: { describe, test, expect },
  transport: inprocTransport,
  world: realWorld(),
  halfCloses: true,
  listenUrl: () => `inproc:suite-${names++}`,
  deadUrl: () => 'inproc:nobody',
});
