/** Writes docs/udpack-vectors.json anew, when the wire format was changed on purpose: `npx tsx test/vectors/write-udpack.ts`. */

import { writeFileSync } from 'node:fs';
import { makeUdpackVectors, VECTORS_FILE } from './udpack.ts';

writeFileSync(VECTORS_FILE, `${JSON.stringify(makeUdpackVectors(), undefined, 2)}\n`);
