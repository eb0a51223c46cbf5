import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Controller, type ControllerName, newSendTag, type SendTag } from './controller.ts';
import { createController } from './create.ts';
import { Pacer } from './pacer.ts';

const KINDS: readonly ControllerName[] = ['bbr', 'cubic', 'newreno'];

type Step =
  | { readonly do: 'send' | 'ack' | 'lose' | 'spurious'; readonly count: number; readonly wait: number }
  | { readonly do: 'limited' | 'collapse' | 'reset'; readonly wait: number }
  | { readonly do: 'mtu'; readonly size: number; readonly wait: number };

const wait = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 50, noNaN: true }), fc.constant(20_000));
const count = fc.integer({ min: 1, max: 20 });
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('send' as const), count, wait }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('ack' as const), count, wait }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'spurious' as const), count, wait }) },
    fc.record({ do: fc.constantFrom('limited' as const, 'collapse' as const, 'reset' as const), wait }),
    fc.record({ do: fc.constant('mtu' as const), size: fc.constantFrom(1200, 1452, 8900, 60_000), wait }),
  ),
  { maxLength: 120 },
);

/** A sender that does what it is told, within the rules of the interface. */
class Puppet {
  readonly #controller: Controller;
  readonly #pacer: Pacer;
  #flying: SendTag[] = [];
  #lost: SendTag[] = [];
  #now = 0;
  #size = 1200;

  constructor(controller: Controller) {
    this.#controller = controller;
    this.#pacer = new Pacer(controller);
  }

  get #inFlight(): number {
    return this.#flying.reduce((sum, tag) => sum + tag.size, 0);
  }

  /** Returns how long the pacer makes it wait then. */
  step(step: Step): number {
    this.#now += step.wait;
    if (step.do === 'send') for (let at = 0; at < step.count; at++) this.#send();
    else if (step.do === 'ack') this.#ack(step.count);
    else if (step.do === 'lose') this.#lose(step.count, false);
    else if (step.do === 'collapse') this.#lose(10, true);
    else if (step.do === 'spurious') for (const tag of this.#lost.splice(0, step.count)) this.#back(tag);
    else if (step.do === 'limited') this.#controller.onAppLimited(this.#inFlight);
    else if (step.do === 'mtu') this.#mtu(step.size);
    else this.#reset();
    return this.#pacer.nextAt(this.#now, this.#size) - this.#now;
  }

  #send(): void {
    if (this.#inFlight + this.#size > this.#controller.window) return;
    const tag = newSendTag();
    this.#controller.onSent(tag, this.#now, this.#size, this.#inFlight);
    this.#pacer.spent(this.#now, this.#size);
    this.#flying.push(tag);
  }

  #ack(most: number): void {
    const inFlightBefore = this.#inFlight;
    const acked = this.#flying.splice(0, most);
    const largest = acked.at(-1);
    if (largest === undefined) return;
    const inFlight = this.#inFlight;
    const latestRtt = this.#now - largest.sentAt;
    const bytes = inFlightBefore - inFlight;
    const smoothedRtt = Math.max(latestRtt, 0.01);
    this.#controller.onAck(this.#now, { acked, bytes, inFlightBefore, inFlight, lostBytes: 0, latestRtt, smoothedRtt });
  }

  #lose(most: number, persistent: boolean): void {
    const lost = this.#flying.splice(0, most);
    if (lost.length === 0) return;
    const bytes = lost.reduce((sum, tag) => sum + tag.size, 0);
    this.#controller.onLost(this.#now, { lost, bytes, inFlight: this.#inFlight, persistent });
    this.#lost.push(...lost);
  }

  #back(tag: SendTag): void {
    this.#controller.onSpuriousLoss(this.#now, tag);
  }

  #mtu(size: number): void {
    this.#size = size;
    this.#controller.onMtu(size);
  }

  #reset(): void {
    this.#flying = [];
    this.#lost = [];
    this.#controller.onPathReset();
  }
}

describe.each(KINDS)('%s', (kind) => {
  test('whatever happens, two datagrams may be in flight, and rate and burst are sound', () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const controller = createController(kind, { datagramSize: 1200, random: () => 0.5 });
        const puppet = new Puppet(controller);
        let size = 1200;
        for (const step of todo) {
          expect(puppet.step(step)).toBeGreaterThanOrEqual(0);
          if (step.do === 'mtu') size = step.size;
          expect(controller.window).toBeGreaterThanOrEqual(2 * size);
          expect(controller.window).toBeLessThan(Infinity);
          expect(controller.pacingRate).toBeGreaterThan(0);
          expect(controller.sendQuantum).toBeGreaterThanOrEqual(2 * size);
          expect(controller.sendQuantum).toBeLessThan(Infinity);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('much loss before anything was measured does not stop it', () => {
    const controller = createController(kind, { datagramSize: 1200, random: () => 0.5 });
    const puppet = new Puppet(controller);
    puppet.step({ do: 'send', count: 7, wait: 0 });
    puppet.step({ do: 'lose', count: 6, wait: 0 });
    puppet.step({ do: 'limited', wait: 0 });
    puppet.step({ do: 'ack', count: 1, wait: 0 });
    puppet.step({ do: 'send', count: 1, wait: 0 });
    expect(controller.pacingRate).toBeGreaterThan(0);
  });

  test('says its name and begins with ten datagrams, unpaced until a round trip is known', () => {
    const controller = createController(kind, { datagramSize: 1200, random: () => 0.5 });
    expect(controller.name).toBe(kind);
    expect(controller.snapshot()).toMatchObject({ name: kind, window: 12_000, pacingRate: Infinity, reactions: 0 });
    const known = createController(kind, { datagramSize: 1200, rtt: 12, random: () => 0.5 });
    expect(known.pacingRate).toBeGreaterThanOrEqual(2000);
    expect(known.pacingRate).toBeLessThan(3000);
  });
});
