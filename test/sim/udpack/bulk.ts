import { type Address, type ControllerName, Endpoint, type Session } from '../../../src/udpack/index.ts';
import { Chance } from './chance.ts';
import { content } from './content.ts';
import { cheapCrypto, Witness, watched } from './crypto.ts';
import { KIND, type Manner, Network, Pipe } from './network.ts';
import { Process } from './process.ts';
import { Scheduler } from './scheduler.ts';

const SERVER: Address = { address: '10.0.0.1', port: 443 };
/** What a sender keeps waiting, in bytes, and writes at once. */
const AHEAD = 2 * 1024 * 1024;
const CHUNK = 65_536;

export interface Bottleneck {
  readonly bytesPerMs: number;
  /** Without queue, in ms, there and back. */
  readonly rtt: number;
  readonly queueBytes: number;
  readonly loss?: number;
}

/** Clients that send to one server as much as one bottleneck lets them, and how much of it came. */
export class Bulk {
  readonly scheduler: Scheduler = new Scheduler();
  /** Bytes of streams that came, by sender. */
  readonly received: number[] = [];
  readonly #network: Network = new Network(this.scheduler);
  readonly #crypto = watched(cheapCrypto, new Chance(8), new Witness(fail));
  readonly #server: Endpoint;
  readonly #serverProcess: Process;
  readonly #there: Pipe;
  readonly #back: Pipe;
  readonly #senders = new Map<Session, number>();
  readonly #key = this.#crypto.keyPair();
  #ports = 1000;

  constructor({ bytesPerMs, rtt, queueBytes, loss = 0 }: Bottleneck) {
    const manner: Manner = { ...KIND, delay: rtt / 2, bytesPerMs, queueBytes, loss, mtu: 1472 };
    this.#there = new Pipe(this.scheduler, new Chance(1), manner);
    this.#back = new Pipe(this.scheduler, new Chance(2), { ...manner, queueBytes: Infinity });
    this.#server = new Endpoint({ crypto: this.#crypto, key: this.#key }, 0);
    this.#serverProcess = this.#process('server', SERVER, this.#server, (session) => this.#onServer(session));
  }

  /** A client that dials now and sends from then on. */
  add(congestion: ControllerName): void {
    const number = this.received.push(0) - 1;
    const endpoint = new Endpoint({ crypto: this.#crypto, congestion }, this.scheduler.now);
    const address = { address: '10.1.0.1', port: this.#ports++ };
    let stream: number | undefined;
    const process = this.#process(`client ${number}`, address, endpoint, (session) => {
      for (let event = session.poll(); event !== undefined; event = session.poll()) {
        if (event.type === 'open') stream = session.streams.open('bytes');
      }
      if (stream === undefined) return;
      while (session.streams.buffered() < AHEAD)
        session.streams.write(stream, content(0, CHUNK), {}, this.scheduler.now);
    });
    this.#network.connect(process, this.#serverProcess, { there: this.#there, back: this.#back });
    endpoint.dial(SERVER, this.#key.publicKey, Uint8Array.of(number), this.scheduler.now);
    process.wake();
  }

  /** Lets time pass, and says how many bytes of each sender came meanwhile. */
  run(ms: number): number[] {
    const before = [...this.received];
    this.scheduler.run(this.scheduler.now + ms);
    return this.received.map((bytes, at) => bytes - (before[at] ?? 0));
  }

  #onServer(session: Session): void {
    for (let event = session.poll(); event !== undefined; event = session.poll()) {
      if (event.type === 'auth') {
        this.#senders.set(session, event.token[0] ?? 0);
        session.accept();
      } else if (event.type === 'bytes') {
        const sender = this.#senders.get(session) ?? 0;
        this.received[sender] = (this.received[sender] ?? 0) + event.bytes.length;
      } else if (event.type === 'closed') fail('a session ended');
    }
  }

  #process(name: string, address: Address, endpoint: Endpoint, onEvents: (session: Session) => void): Process {
    return new Process(this.#network, name, address, endpoint, {
      late: 1,
      inbox: 10_000_000,
      chance: new Chance(3),
      fail,
      events: () => {
        const session = endpoint.poll();
        if (session !== undefined) onEvents(session);
        return session !== undefined;
      },
    });
  }
}

function fail(what: string): never {
  throw new Error(what);
}
