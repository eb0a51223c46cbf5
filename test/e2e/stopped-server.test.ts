import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { ROOT } from '../support/tree.ts';

/** Long enough for a server to take everybody for silent, by its clock. */
const STOPPED = 3000;

test.each(['tcp', 'ws'])('a server that was stopped takes nobody for silent when it goes on (%s)', async (scheme) => {
  const times = JSON.stringify({ heartbeat: 200, readWait: 600 });
  const program = fork(join(ROOT, 'test/support/server-program.ts'), ['listen', `${scheme}://127.0.0.1:0`, times], {
    execArgv: ['--import', 'tsx'],
  });
  try {
    const [{ endpoints }] = (await once(program, 'message')) as [{ endpoints: string[] }];
    await using client = await connect(endpoints);
    const downs: unknown[] = [];
    client.on('down', (reason) => downs.push(reason));
    expect(await client.request('who')).toBe(program.pid);
    program.kill('SIGSTOP');
    await setTimeout(STOPPED);
    program.kill('SIGCONT');
    expect(await client.request('who')).toBe(program.pid);
    // Until its next judgement.
    await setTimeout(1000);
    expect(downs).toEqual([]);
    expect(client.state).toBe('up');
  } finally {
    program.kill('SIGKILL');
  }
});
