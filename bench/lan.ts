import { createHmac, randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { lanKey, Publisher, Subscriber } from '../src/lan/index.ts';

/** What the machine of the LAN bus costs without sockets: messages a second from `publish` to `pollEvent`, with one subscriber and no loss. */

const MESSAGES = 1_000_000;
const PER_TURN = 20;
const TOPICS = Array.from({ length: 500 }, (_, i) => `quotes/SYM${i}`);
const FROM = { address: '10.0.0.1', port: 4000 };

const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)), unit: () => Math.random() };

function hmac(key: string): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => createHmac('sha256', key).update(bytes).digest();
}

/** @returns Microseconds that a message takes on either side. */
function run(keyed: boolean): { readonly publish: number; readonly receive: number; readonly perDatagram: number } {
  const keys = keyed ? [lanKey(hmac('k'))] : [];
  let now = 0;
  const subscriber = new Subscriber({ random, keys }, now);
  const publisher = new Publisher({ door: 4000, random, keys, prove: hmac('proof') }, now);
  const carry = (): void => {
    for (let sent = publisher.poll(now); sent !== undefined; sent = publisher.poll(now))
      subscriber.receive(sent.bytes, FROM, now);
    for (let sent = subscriber.poll(now); sent !== undefined; sent = subscriber.poll(now))
      publisher.receive(sent.bytes, FROM, now);
  };
  for (; now < 1000; now++) {
    publisher.tick(now);
    subscriber.tick(now);
    carry();
    carry();
  }
  let heard = 0;
  let publishing = 0;
  let receiving = 0;
  const { datagrams } = publisher.stats();
  for (let i = 0; i < MESSAGES; i += PER_TURN) {
    now += 0.1;
    const start = performance.now();
    for (let n = 0; n < PER_TURN; n++) {
      const symbol = (i + n * 7) % TOPICS.length;
      publisher.publish(TOPICS[symbol] as string, { price: 100 + n / 4, size: i & 1023 }, now);
    }
    const sent = [];
    for (let one = publisher.poll(now); one !== undefined; one = publisher.poll(now)) sent.push(one.bytes);
    const middle = performance.now();
    for (const bytes of sent) subscriber.receive(bytes, FROM, now);
    for (let event = subscriber.pollEvent(); event !== undefined; event = subscriber.pollEvent()) {
      if (event.type === 'message') heard++;
    }
    publishing += middle - start;
    receiving += performance.now() - middle;
  }
  if (heard !== MESSAGES) throw new Error(`heard ${heard} of ${MESSAGES}`);
  const perDatagram = MESSAGES / (publisher.stats().datagrams - datagrams);
  return { publish: (publishing / MESSAGES) * 1000, receive: (receiving / MESSAGES) * 1000, perDatagram };
}

for (const keyed of [false, true]) {
  run(keyed);
  const { publish, receive, perDatagram } = run(keyed);
  const rate = (micros: number): string => `${(1 / micros).toFixed(2)} M/s`;
  console.log(
    `${keyed ? 'signed' : 'unsigned'}: publish ${rate(publish)} (${publish.toFixed(2)} µs), receive ${rate(receive)} (${receive.toFixed(2)} µs), ${perDatagram.toFixed(1)} messages a datagram`,
  );
}
