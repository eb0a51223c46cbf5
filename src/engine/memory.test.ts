import { describe, expect, test } from 'vitest';
import { realWorld } from '../runtime/index.ts';
import { engineSuite } from '../testing/index.ts';
import { MemoryEngine } from './index.ts';

const api = { describe, test, expect };

engineSuite('memory', { api, world: realWorld(), logs: true, makeEngine: () => new MemoryEngine(realWorld()) });
