import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TestPort, Told } from '../../test/support/session-recorder.ts';
import { CLOSE, type Outbound } from '../core/index.ts';
import { type ChannelCount, hawserCodec, MESSAGE } from '../wire/index.ts';
import { SESSION_TRANSITIONS, type SessionState } from './index.ts';

const counts: fc.Arbitrary<ChannelCount[]> = fc.array(fc.tuple(fc.nat(3), fc.nat(6)), { maxLength: 4 });
const heard: fc.Arbitrary<Outbound | Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(2).map((channel) => hawserCodec.event(channel, 'e', null)) },
  { weight: 2, arbitrary: fc.nat(2).map((channel) => hawserCodec.request(channel, 1, 'r', null)) },
  { weight: 2, arbitrary: counts.map((all) => hawserCodec.ack(all)) },
  fc.constant(hawserCodec.volatile(0, 'v', null)),
  fc.nat().map((stamp) => hawserCodec.ping(stamp)),
  fc.nat().map((stamp) => hawserCodec.pong(stamp)),
  fc.constant(hawserCodec.goaway({ code: CLOSE.restart, reason: '' })),
  fc.constant(hawserCodec.hello({ version: 1, namespace: '/' })),
  fc.uint8Array({ maxLength: 12 }),
);

/** What a driver, a peer and an application can do, in any order. */
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('send' as const), bytes: fc.nat(700), channel: fc.nat(2) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('hear' as const), heard, stale: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('attach' as const), counts: fc.option(counts) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('detach' as const), code: fc.constantFrom(1000, 1006, 4000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const), after: fc.nat(30_000) }) },
  fc.record({ do: fc.constantFrom('idle', 'drained', 'ping', 'fill', 'volatile') }),
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const) }) },
);

test.each(['server', 'client'] as const)('whatever is done to a %s session, its promises hold', (role) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const told = new Told({ role });
      const { session } = told;
      let [now, port, old] = [0, new TestPort(), new TestPort()];
      let state: SessionState = 'down';
      for (const one of steps) {
        const afterEnd = session.state === 'ended' ? told.seen() : undefined;
        if (one.do === 'attach') {
          const next = new TestPort();
          const before = told.seen();
          if (session.attach(next, hawserCodec, now, 'counts' in one ? (one.counts ?? undefined) : undefined)) {
            [old, port] = [port, next];
          } else {
            expect(told.seen()).toEqual(before);
            expect(next.sent).toEqual([]);
          }
        } else if (one.do === 'tick' && 'after' in one) {
          now += one.after;
          session.tick(now);
        } else if (one.do === 'hear' && 'heard' in one) {
          const before = told.messages.length;
          const bytes = one.heard instanceof Uint8Array ? one.heard : one.heard.bytes;
          session.receive(one.stale ? old : port, bytes, false, now);
          if (one.stale) expect(told.messages.length).toBe(before);
        } else if (one.do === 'send' && 'bytes' in one) {
          try {
            session.send(hawserCodec.event(one.channel, 'e', new Uint8Array(one.bytes)), 0, one.channel);
          } catch (error) {
            expect([role, (error as { code?: string }).code]).toEqual(['client', 'ERR_BACKLOG_FULL']);
          }
        } else if (one.do === 'detach' && 'code' in one) session.detach(port, { code: one.code, reason: '' }, now);
        else if (one.do === 'idle') session.idle();
        else if (one.do === 'drained') session.drained(port);
        else if (one.do === 'ping') session.ping(now);
        else if (one.do === 'fill') port.full = !port.full;
        else if (one.do === 'volatile') session.sendVolatile(hawserCodec.volatile(0, 'v', null));
        else if (one.do === 'end') session.end({ code: CLOSE.normal, reason: '' });

        if (afterEnd !== undefined) expect(told.seen()).toEqual(afterEnd);
        expect(state === session.state || SESSION_TRANSITIONS[state].includes(session.state)).toBe(true);
        state = session.state;
        checkPromises(told);
      }
    }),
    { numRuns: 400 },
  );
});

function checkPromises(told: Told): void {
  const { session } = told;
  const ends = told.told.filter((line) => line.startsWith('end'));
  expect(ends.length).toBe(session.state === 'ended' ? 1 : 0);
  if (ends.length === 1) expect(told.told.at(-1)).toBe(ends[0]);
  // Handed on and counted are the same messages.
  const counted = told.messages.filter(({ kind }) => kind !== MESSAGE.volatile).length;
  expect(session.counts().reduce((sum, [, count]) => sum + count, 0)).toBe(counted);
  // Nothing is kept beyond the bounds and one message.
  const { unsent, unacknowledged } = session.leftovers();
  const kept = [...unsent, ...unacknowledged].reduce((sum, { message: { length } }) => sum + length, 0);
  expect(kept).toBeLessThanOrEqual(2000 + 800);
}
