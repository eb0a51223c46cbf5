import assert from 'node:assert/strict';
import type { UdpackLimits } from '../../src/udpack/options.ts';
import { kindOf, type Role, type StreamEvent } from '../../src/udpack/streams/index.ts';
import { type Channel, chance, StreamsPair } from './udpack-streams.ts';

/** What was written in one direction of a stream, and what was heard of it. */
class Direction {
  readonly writes: { bytes: Uint8Array; loose: boolean; aged: boolean; fate: 'open' | 'written' | 'dropped' }[] = [];
  readonly packets: Uint8Array[] = [];
  readonly chunks: Uint8Array[] = [];
  skipped = 0;
  ended = false;
  reset = false;
  stopped = false;
  endHeard = false;
  resetHeard = false;
}

const HEAD = 4;

/** What a run does, in its parts; all from 0 to 1 but the counts. */
export interface Plan {
  readonly seed: number;
  readonly channel: Channel;
  readonly actions: number;
  readonly sizeMost: number;
  readonly streamsMost: number;
  readonly limits?: UdpackLimits;
}

/**
 * Two machines do random things over a bad channel, and everything is compared with what was meant. Throws where it differs; in the end all
 * is told and nothing is left.
 */
export class Rehearsal {
  readonly pair: StreamsPair;
  readonly #plan: Plan;
  readonly #random: () => number;
  readonly #directions: Map<string, Direction> = new Map();
  readonly #writes: { readonly [role in Role]: Map<number, Direction['writes'][number]> } = {
    client: new Map(),
    server: new Map(),
  };
  readonly #open: { readonly [role in Role]: Set<number> } = { client: new Set(), server: new Set() };
  readonly #paused: { readonly [role in Role]: Set<number> } = { client: new Set(), server: new Set() };
  #over = false;
  datagramsSent = 0;
  datagramsHeard = 0;
  datagramsDropped = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    const limits = plan.limits === undefined ? {} : { client: plan.limits, server: plan.limits };
    this.pair = new StreamsPair(plan.seed, plan.channel, limits);
    this.#random = chance(plan.seed ^ 0x5bd1e995);
    this.pair.onStep = () => this.#hear();
  }

  run(): 'quiet' {
    let at = 0;
    for (let left = this.#plan.actions; left > 0; left--) {
      at += this.#random() * 20;
      this.pair.at(at, () => this.#act());
    }
    this.pair.run();
    this.#over = true;
    for (const role of ['client', 'server'] as const) for (const id of this.#open[role]) this.#finish(role, id);
    this.pair.run();
    this.#check();
    return 'quiet';
  }

  #act(): void {
    const role: Role = this.#random() < 0.5 ? 'client' : 'server';
    const { streams } = this.pair[role];
    const ids = [...this.#open[role]];
    const id = ids[Math.floor(this.#random() * ids.length)];
    const dice = this.#random();
    if (id === undefined || (dice < 0.15 && ids.length < this.#plan.streamsMost)) this.#begin(role);
    else if (dice < 0.75) this.#write(role, id);
    else if (dice < 0.8) this.#end(role, id);
    else if (dice < 0.82) this.#reset(role, id);
    else if (dice < 0.84) this.#stop(role, id);
    else if (dice < 0.88) this.#pause(role, id);
    else if (dice < 0.93) this.#resume(role, id);
    else if (dice < 0.95) streams.prioritize(id, Math.floor(this.#random() * 8));
    else this.#datagram(role);
  }

  #begin(role: Role): void {
    const kind = this.#random() < 0.75 ? 'packets' : 'bytes';
    this.#open[role].add(this.pair[role].streams.open(kind, { priority: Math.floor(this.#random() * 8) }));
  }

  #write(role: Role, id: number): void {
    const direction = this.#of(role, id);
    // A stream is strict, with sizes down to nothing, or its packets carry their numbers and may be loose or grow old.
    const strict = id % 8 < 4;
    const size = Math.floor(this.#random() ** 6 * this.#plan.sizeMost) + (strict ? 0 : HEAD);
    const aged = !strict && this.#random() < 0.4;
    const loose = !strict && this.#random() < 0.5;
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = (size * 31 + i * 7 + direction.writes.length) & 255;
    if (!strict) new DataView(bytes.buffer).setUint32(0, direction.writes.length);
    const options = strict ? {} : { ordered: !loose, ...(aged ? { maxAge: this.#random() * 200 } : {}) };
    const number = this.pair[role].streams.write(id, bytes, options, this.pair.now);
    if (typeof number === 'string') {
      assert.deepEqual([number, direction.ended || direction.reset], ['ended', true]);
      return;
    }
    const write = { bytes, loose, aged, fate: 'open' as const };
    direction.writes.push(write);
    this.#writes[role].set(number, write);
  }

  #end(role: Role, id: number): void {
    this.#of(role, id).ended = true;
    this.pair[role].streams.end(id);
  }

  #reset(role: Role, id: number): void {
    this.#of(role, id).reset = true;
    this.pair[role].streams.reset(id, 7);
  }

  #stop(role: Role, id: number): void {
    this.#of(other(role), id).stopped = true;
    this.pair[role].streams.stop(id, 9);
  }

  #pause(role: Role, id: number): void {
    if (this.#over) return;
    this.#paused[role].add(id);
    this.pair[role].streams.pause(id);
  }

  #resume(role: Role, id: number): void {
    this.#paused[role].delete(id);
    assert.equal(this.pair[role].streams.resume(id), undefined);
  }

  #datagram(role: Role): void {
    const bytes = new Uint8Array(Math.floor(this.#random() * 1000));
    if (this.pair[role].streams.sendDatagram(bytes, { maxAge: 50 }, this.pair.now)) this.datagramsSent++;
  }

  #finish(role: Role, id: number): void {
    this.#resume(role, id);
    this.#end(role, id);
  }

  #hear(): void {
    for (const role of ['client', 'server'] as const) {
      const { streams, fault } = this.pair[role];
      assert.equal(fault, undefined);
      for (let event = streams.poll(); event !== undefined; event = streams.poll()) this.#heard(role, event);
    }
  }

  #heard(role: Role, event: StreamEvent): void {
    if (event.type === 'datagram') this.datagramsHeard++;
    else if (event.type === 'datagram-dropped') this.datagramsDropped += event.count;
    else if (event.type === 'written' || event.type === 'dropped') {
      const write = this.#writes[role].get(event.write);
      if (write === undefined) throw new Error(`a write that was told before, or never made: ${event.write}`);
      write.fate = event.type;
      this.#writes[role].delete(event.write);
    } else if (event.type === 'stream') {
      this.#open[role].add(event.stream);
      if (this.#over) this.#finish(role, event.stream);
    } else if (event.type === 'closed') this.#open[role].delete(event.stream);
    else if (event.type !== 'drain' && event.type !== 'opened') this.#heardOf(role, event);
  }

  #heardOf(role: Role, event: Exclude<StreamEvent, { type: 'datagram' | 'datagram-dropped' | 'drain' }>): void {
    const direction = this.#of(other(role), event.stream);
    if (event.type === 'stopped') this.#of(role, event.stream).reset = true;
    if (event.type !== 'packet' && event.type !== 'bytes' && event.type !== 'end') {
      if (event.type === 'reset') direction.resetHeard = true;
      if (event.type === 'skipped') direction.skipped += event.count;
      return;
    }
    assert.deepEqual(
      [this.#paused[role].has(event.stream), direction.endHeard, direction.stopped],
      [false, false, false],
    );
    if (event.type === 'packet') direction.packets.push(event.bytes.slice());
    else if (event.type === 'bytes') direction.chunks.push(event.bytes.slice());
    else direction.endHeard = true;
  }

  #of(sender: Role, id: number): Direction {
    const key = `${sender} ${id}`;
    const direction = this.#directions.get(key) ?? new Direction();
    this.#directions.set(key, direction);
    return direction;
  }

  #check(): void {
    for (const [key, direction] of this.#directions) {
      const id = Number(key.split(' ')[1]);
      if (kindOf(id) === 'bytes') checkBytes(key, direction);
      else if (id % 8 < 4) checkStrict(key, direction);
      else checkNumbered(key, direction);
    }
    for (const role of ['client', 'server'] as const) {
      const { streams } = this.pair[role];
      assert.deepEqual(streams.memory(), {
        written: 0,
        datagrams: 0,
        waiting: 0,
        assembly: 0,
        unreleased: 0,
        streams: 0,
        gaps: 0,
        events: 0,
      });
      assert.deepEqual([streams.quiet, this.#writes[role].size, streams.deadline], [true, 0, undefined]);
    }
  }
}

function other(role: Role): Role {
  return role === 'client' ? 'server' : 'client';
}

/** Whether all of it must have come. */
function complete(direction: Direction): boolean {
  return !direction.reset && !direction.stopped;
}

function checkBytes(key: string, direction: Direction): void {
  const wrote = Buffer.concat(direction.writes.map((write) => write.bytes));
  const heard = Buffer.concat(direction.chunks);
  assert.equal(heard.equals(wrote.subarray(0, heard.length)), true, key);
  if (complete(direction)) assert.deepEqual([heard.length, direction.endHeard], [wrote.length, true], key);
}

function checkStrict(key: string, direction: Direction): void {
  direction.packets.forEach((packet, at) => {
    const wrote = direction.writes[at];
    assert.equal(Buffer.from(packet).equals(wrote?.bytes ?? Buffer.from('never')), true, `${key} packet ${at}`);
  });
  assert.deepEqual(direction.skipped, 0);
  if (!complete(direction)) return;
  assert.deepEqual([direction.packets.length, direction.endHeard], [direction.writes.length, true], key);
  assert.deepEqual(
    direction.writes.every((write) => write.fate === 'written'),
    true,
  );
}

function checkNumbered(key: string, direction: Direction): void {
  const heard = new Set<number>();
  let last = -1;
  for (const packet of direction.packets) {
    const number = new DataView(packet.buffer, packet.byteOffset).getUint32(0);
    const wrote = direction.writes[number];
    assert.equal(Buffer.from(packet).equals(wrote?.bytes ?? Buffer.from('never')), true, `${key} packet ${number}`);
    assert.equal(heard.has(number), false, `${key} packet ${number} came twice`);
    heard.add(number);
    if (wrote?.loose === true) continue;
    assert.ok(number > last, `${key} is out of order`);
    last = number;
  }
  if (!complete(direction)) return;
  direction.writes.forEach((write, number) => {
    if (!heard.has(number)) assert.deepEqual([key, number, write.fate], [key, number, 'dropped']);
    if (!write.aged) assert.deepEqual([key, number, write.fate], [key, number, 'written']);
  });
  assert.deepEqual([heard.size + direction.skipped, direction.endHeard], [direction.writes.length, true], key);
}
