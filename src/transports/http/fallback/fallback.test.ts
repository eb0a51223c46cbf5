import { describe, expect, test } from 'vitest';
import { realWorld } from '../../../runtime/index.ts';
import { type LinkSuiteOptions, linkSuite } from '../../../testing/link-suite.ts';
import { httpTransport } from '../index.ts';

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport: httpTransport,
  world: realWorld(),
  listenUrl: () => 'http://127.0.0.1:0',
  deadUrl: () => 'http://127.0.0.1:1',
};

linkSuite('http, the fallback', suite);
