import { CLOSE, type Timer } from '../../src/core/index.ts';
import { type Left, TicketBook } from '../../src/session/index.ts';
import { type VirtualWorld, virtualWorld } from '../../src/testing/index.ts';
import { type Hello, MESSAGE, PROTOCOL_VERSION, type Welcome } from '../../src/wire/index.ts';
import { testCodec } from './session-codec.ts';
import { type LinkEnd, type LinkManner, SimLink } from './session-link.ts';
import { type Place, type Stage, Talker } from './session-talker.ts';

/** What a run saw; the same seed gives the same numbers. */
export interface SessionRun {
  readonly seed: number;
  /** Messages handed on, both ways. */
  readonly delivered: number;
  readonly links: number;
  readonly resumes: number;
  /** Sessions that were lost: expired, restarted or overflowed. */
  readonly lost: number;
  /** Resumes over a link while the server took the one before for alive. */
  readonly takeovers: number;
  /** Resumes with a ticket whose successor was lost on its way. */
  readonly secondShowings: number;
}

/** Plays one seeded run to its end. @throws Error that names the seed when a promise of the session was broken. */
export function runSession(seed: number): SessionRun {
  return new Play(seed).run();
}

const codec = testCodec();
const PLACES: readonly Place[] = ['socket', 'socket', 'own', 'theirs'];

/** The numbers of all channels that either side ever used. */
function channelsOf(one: Talker, other: Talker): number[] {
  return [...new Set([one, other].flatMap(({ sent, handed }) => [...Object.keys(sent), ...Object.keys(handed)]))].map(
    Number,
  );
}

/** The parts of a run that chance decides at its start. */
function settingsOf(world: VirtualWorld): Stage['settings'] {
  const { random } = world;
  const heartbeat = 1000 + Math.floor(random.unit() * 2000);
  return {
    heartbeat,
    readWait: heartbeat * 2 + 500,
    resumeWindow: pick(random.unit(), [4000, 10_000, 30_000]),
    resumeBytes: pick(random.unit(), [1500, 6000, 50_000]),
    backlogBytes: pick(random.unit(), [2000, 20_000]),
    channels: 2,
  };
}

/** One run: a server, a client that comes back, and the one who breaks their links. */
class Play {
  readonly world: VirtualWorld;
  readonly stage: Stage;
  readonly server: SimServer;
  readonly client: SimClient;
  links: SimLink[] = [];
  calm = false;

  constructor(seed: number) {
    this.world = virtualWorld(seed);
    this.stage = {
      world: this.world,
      codec,
      settings: settingsOf(this.world),
      fail: (what) => {
        throw new Error(`seed ${seed} at ${this.world.now()} ms: ${what}`);
      },
    };
    this.server = new SimServer(this);
    this.client = new SimClient(this);
  }

  run(): SessionRun {
    const trouble = 10_000 + this.world.random.unit() * 30_000;
    this.client.dialLater();
    this.#talk(trouble);
    this.#makeTrouble(trouble);
    this.world.advance(trouble);
    this.calm = true;
    this.world.advance(this.stage.settings.readWait * 2);
    this.#comeToRest();
    this.#checkEnd();
    this.client.talker.endAll();
    this.server.talkerOf(this.client)?.endAll();
    this.#comeToRest();
    this.#checkForgotten();
    const { client, server } = this;
    const { lost, resumes, delivered } = client;
    const { takeovers, secondShowings } = server;
    const seed = this.world.seed;
    return {
      seed,
      delivered: delivered + handedBy(client.talker),
      links: this.links.length,
      resumes,
      lost,
      takeovers,
      secondShowings,
    };
  }

  newLink(): SimLink {
    const { random } = this.world;
    const manner: LinkManner = {
      latency: pick(random.unit(), [0.1, 5, 40, 200, 600]),
      jitter: pick(random.unit(), [0, 10, 100]),
      bytesPerMs: pick(random.unit(), [5, 100, 10_000]),
      mark: pick(random.unit(), [300, 4000]),
    };
    const link = new SimLink(this.world, manner);
    this.links.push(link);
    return link;
  }

  after(ms: number, run: () => void): Timer {
    return this.world.timer(this.world.now() + ms, run);
  }

  #talk(until: number): void {
    const { random } = this.world;
    const pace = pick(random.unit(), [150, 600, 1500]);
    const step = (): void => {
      for (const talker of [this.client.talker, this.server.talkerOf(this.client)]) {
        for (let n = Math.floor(random.unit() * 5); n > 0; n--) {
          const padding = random.unit() < 0.1 ? 400 : Math.floor(random.unit() * 30);
          talker?.say(pick(random.unit(), PLACES), padding, random.unit() < 0.2);
        }
      }
      if (this.world.now() < until) this.after(random.unit() * pace * 2, step);
    };
    step();
  }

  #makeTrouble(until: number): void {
    const { random } = this.world;
    const pace = pick(random.unit(), [500, 3000, 8000]);
    const step = (): void => {
      if (this.world.now() >= until) return;
      this.#strike(random.unit());
      this.after(random.unit() * pace * 2, step);
    };
    this.after(random.unit() * pace, step);
  }

  #strike(kind: number): void {
    const { random } = this.world;
    const link = this.links.at(-1);
    if (link === undefined) return;
    const soon = random.unit() * 50;
    if (kind < 0.2) link.break(soon, soon);
    else if (kind < 0.35) link.break(soon, undefined);
    else if (kind < 0.42) link.break(undefined, soon);
    else if (kind < 0.47) link.break(undefined, undefined);
    else if (kind < 0.54) this.#abandon(link);
    else if (kind < 0.58) link.client.deafen();
    else if (kind < 0.62) link.server.deafen();
    else if (kind < 0.75) link.client.stall(random.unit() * 4000);
    else if (kind < 0.88) link.server.stall(random.unit() * 4000);
    else if (kind < 0.94) this.client.stayAway(random.unit() * 2 * this.stage.settings.resumeWindow);
    else if (kind < 0.97) this.server.restart();
    else link.server.close({ code: CLOSE.tryLater, reason: 'come back' });
  }

  /** The client turns away from a link whose last words still arrive, late: perhaps when another has taken over. */
  #abandon(link: SimLink): void {
    link.client.stall(this.world.random.unit() * 1000);
    this.after(this.world.random.unit() * 200, () =>
      link.client.lost({ code: CLOSE.abnormal, reason: 'the network of this link is gone' }),
    );
  }

  #comeToRest(): void {
    for (let rounds = 0; !this.#isSettled(); rounds++) {
      if (rounds > 300) this.stage.fail('does not come to rest');
      this.world.advance(1000);
    }
  }

  /** When all channels have ended and both sides know it, nothing of them is left. */
  #checkForgotten(): void {
    for (const { session, role } of [this.client.talker, this.server.talkerOf(this.client) ?? this.client.talker]) {
      if (session.counts().length > 1) this.stage.fail(`the ${role} remembers channels that are over`);
    }
  }

  #isSettled(): boolean {
    const { talker } = this.client;
    const other = this.server.talkerOf(this.client);
    if (talker.session.state !== 'up' || other?.session.state !== 'up') return false;
    return isEmpty(talker) && isEmpty(other);
  }

  /** After the trouble everything that was sent in the session that lives has arrived, and every request has its answer. */
  #checkEnd(): void {
    const { talker } = this.client;
    const other = this.server.talkerOf(this.client) ?? this.stage.fail('the server lost the client');
    if (talker.owedDrain || other.owedDrain) this.stage.fail('a drain never came');
    for (const channel of channelsOf(talker, other)) {
      if (talker.sent[channel] !== other.handed[channel])
        this.stage.fail(`client to server, channel ${channel}: not all arrived`);
      if (other.sent[channel] !== talker.handed[channel])
        this.stage.fail(`server to client, channel ${channel}: not all arrived`);
    }
    if (talker.waiting.size > 0 && !other.overflowed) this.stage.fail('a request of the client has no answer');
    if (other.waiting.size > 0 && !talker.overflowed) this.stage.fail('a request of the server has no answer');
  }
}

/** The server: lets links in, keeps sessions for those that resume, and forgets them all when it restarts. */
class SimServer {
  takeovers = 0;
  secondShowings = 0;
  readonly #play: Play;
  #book = new TicketBook<Talker>();
  /** The tickets that came back, to tell when one comes back twice. */
  readonly #shown = new Set<string>();
  #talkers = new Map<number, Talker>();
  readonly #gone = new Set<Talker>();
  #life = 0;
  #ids = 0;

  constructor(play: Play) {
    this.#play = play;
  }

  /** The other side of the client's session, also when it is over. */
  talkerOf(client: SimClient): Talker | undefined {
    return this.#talkers.get(client.id);
  }

  /** Whether a session could still be resumed. */
  keeps(talker: Talker): boolean {
    return !this.#gone.has(talker) && talker.session.state !== 'ended';
  }

  restart(): void {
    this.#life += 1;
    this.#book = new TicketBook();
    for (const talker of this.#talkers.values()) this.#gone.add(talker);
    this.#play.links.at(-1)?.break(5, 5);
  }

  accept(end: LinkEnd): void {
    let talker: Talker | undefined;
    const { world } = this.#play;
    const life = this.#life;
    const isStale = (): boolean => life !== this.#life;
    end.start({
      onMessage: (bytes) => {
        if (isStale()) return;
        if (talker !== undefined) talker.session.receive(end, bytes, true, world.now());
        else
          this.#login(bytes, (hello) => {
            if (isStale() || end.over) return;
            talker = this.#seat(end, hello);
          });
      },
      onIdle: () => isStale() || talker?.session.idle(),
      onDrain: () => isStale() || talker?.session.drained(end),
      onClosed: (reason) => isStale() || talker?.session.detach(end, reason, world.now()),
    });
  }

  /** Authentication takes its time, sometimes. */
  #login(bytes: Uint8Array, then: (hello: Hello) => void): void {
    const { world, stage } = this.#play;
    const message = stage.codec.decode(bytes, true);
    const hello =
      message.kind === MESSAGE.hello ? (message.data as Hello) : stage.fail('a link did not begin with HELLO');
    if (world.random.unit() < 0.5) then(hello);
    else this.#play.after(world.random.unit() * 60, () => then(hello));
  }

  #seat(end: LinkEnd, hello: Hello): Talker {
    const old = hello.resume && this.#resume(end, hello.resume);
    if (old !== undefined) return old;
    const talker = new Talker(this.#play.stage, 'server');
    this.#ids += 1;
    this.#talkers.set(this.#ids, talker);
    talker.onTicketConfirmed = () => this.#book.confirm(talker);
    this.#welcome(end, talker, this.#ids, hello.resume ? false : undefined);
    if (!talker.session.attach(end, codec, this.#play.world.now())) this.#play.stage.fail('a first link was refused');
    return talker;
  }

  #resume(end: LinkEnd, resume: NonNullable<Hello['resume']>): Talker | undefined {
    const ticket = Uint8Array.from(resume.ticket);
    const talker = this.#book.peek(ticket, resume.attempt);
    if (talker === undefined || !this.keeps(talker)) return undefined;
    if (!talker.session.canResume(resume.counts)) return undefined;
    this.#book.show(ticket, resume.attempt);
    this.takeovers += talker.session.state === 'up' ? 1 : 0;
    this.secondShowings += this.#shown.has(ticket.join()) ? 1 : 0;
    this.#shown.add(ticket.join());
    const id = [...this.#talkers].find(([, one]) => one === talker)?.[0] ?? 0;
    this.#welcome(end, talker, id, true);
    if (!talker.session.attach(end, codec, this.#play.world.now(), resume.counts))
      this.#play.stage.fail('a resume was refused');
    return talker;
  }

  #welcome(end: LinkEnd, talker: Talker, id: number, recovered: boolean | undefined): void {
    const { world, settings } = this.#play.stage;
    const ticket = world.random.bytes(16);
    this.#book.issue(ticket, talker);
    end.send(
      codec.welcome({
        version: PROTOCOL_VERSION,
        id: String(id),
        user: null,
        server: 'sim',
        ticket,
        counts: talker.session.counts(),
        heartbeat: settings.heartbeat,
        readWait: settings.readWait,
        resumeWindow: settings.resumeWindow,
        messageBytes: 1 << 20,
        ...(recovered === undefined ? {} : { recovered }),
      }),
    );
  }
}

const LOGIN_WAIT = 1500;

/** The client: dials until it is in, resumes, and when that fails accounts for what the lost session leaves. */
class SimClient {
  /** The session's number on the server. */
  id = 0;
  talker: Talker;
  resumes = 0;
  lost = 0;
  /** Messages handed on in sessions that were lost. */
  delivered = 0;
  readonly #play: Play;
  #ticket: Uint8Array | undefined;
  #awayUntil = 0;
  #attempts = 0;
  #retry: Timer | undefined;

  constructor(play: Play) {
    this.#play = play;
    this.talker = this.#newTalker();
  }

  /** The client's machine sleeps: its link is gone, and it comes back after `ms`. */
  stayAway(ms: number): void {
    this.#awayUntil = this.#play.world.now() + ms;
    this.#play.links.at(-1)?.break(0, undefined);
  }

  dialLater(): void {
    const { world } = this.#play;
    const delay = Math.max(world.random.unit() * 300, this.#play.calm ? 0 : this.#awayUntil - world.now());
    this.#retry?.cancel();
    this.#retry = this.#play.after(delay, () => this.#dial());
  }

  #newTalker(): Talker {
    const { stage } = this.#play;
    const settings = { ...stage.settings, resumeWindow: Number.POSITIVE_INFINITY };
    const talker = new Talker({ ...stage, settings }, 'client');
    talker.onLinkDown = () => this.dialLater();
    return talker;
  }

  #dial(): void {
    const { world } = this.#play;
    const link = this.#play.newLink();
    const end = link.client;
    let welcomed: Talker | undefined;
    const late = this.#play.after(LOGIN_WAIT, () => link.break(0, world.random.unit() < 0.5 ? 30 : undefined));
    end.start({
      onMessage: (bytes) => {
        if (welcomed !== undefined) {
          welcomed.session.receive(end, bytes, true, world.now());
          return;
        }
        late.cancel();
        welcomed = this.#welcomed(end, bytes);
      },
      onIdle: () => welcomed?.session.idle(),
      onDrain: () => welcomed?.session.drained(end),
      onClosed: (reason) => {
        late.cancel();
        if (welcomed === undefined) this.dialLater();
        else welcomed.session.detach(end, reason, world.now());
      },
    });
    this.#play.server.accept(link.server);
    this.#attempts += 1;
    const counts = this.talker.session.counts();
    const resume = this.#ticket && { ticket: this.#ticket, counts, attempt: this.#attempts };
    end.send(codec.hello({ version: PROTOCOL_VERSION, namespace: '/', ...(resume && { resume }) }));
  }

  #welcomed(end: LinkEnd, bytes: Uint8Array): Talker {
    const { stage, world } = this.#play;
    const message = codec.decode(bytes, true);
    if (message.kind !== MESSAGE.welcome) throw new Error('the server did not begin with WELCOME');
    const welcome = message.data as Welcome;
    const isFirst = this.#ticket === undefined;
    this.#ticket = Uint8Array.from(welcome.ticket ?? []);
    if (welcome.recovered === true) {
      this.resumes += 1;
      if (Number(welcome.id) !== this.id) stage.fail('the server went on with the session of another');
      if (!this.talker.session.attach(end, codec, world.now(), welcome.counts))
        stage.fail('the counts of WELCOME are refused');
      return this.talker;
    }
    if (!isFirst) this.#beginAnew();
    this.id = Number(welcome.id);
    if (!this.talker.session.attach(end, codec, world.now())) stage.fail('a new session refused its first link');
    return this.talker;
  }

  /** The session is lost: what it leaves must account for every message that the server was not handed. */
  #beginAnew(): void {
    const { stage, server } = this.#play;
    const old = this.talker;
    const other = server.talkerOf(this) ?? stage.fail('the server never knew this session');
    if (server.keeps(other)) stage.fail('recovered: false, but the server keeps the session');
    this.lost += 1;
    this.delivered += handedBy(old) + handedBy(other);
    this.#checkLoss(other);
    const { unsent, unacknowledged } = old.session.leftovers();
    checkLeftovers(stage, old, other, unsent, unacknowledged);
    this.talker = this.#newTalker();
  }

  /** A session may be lost only for a reason that is documented. */
  #checkLoss(other: Talker): void {
    const code = other.endedWith?.code;
    if (code === CLOSE.backlogFull && !other.overflowed && other.session.leftovers().unacknowledged.length === 0) {
      this.#play.stage.fail('ended for a backlog that is empty');
    }
    if (code !== undefined && code >= 4500)
      this.#play.stage.fail(`the session ended with ${code}: ${other.endedWith?.reason}`);
  }
}

function checkLeftovers(
  stage: Stage,
  old: Talker,
  other: Talker,
  unsent: readonly Left[],
  unacknowledged: readonly Left[],
): void {
  for (const channel of channelsOf(old, other)) {
    const neverSent = unsent.filter((left) => left.channel === channel);
    const uncertain = unacknowledged.filter((left) => left.channel === channel);
    const sent = old.sent[channel] ?? 0;
    const handed = other.handed[channel] ?? 0;
    const acknowledged = sent - neverSent.length - uncertain.length;
    if (acknowledged > handed) stage.fail(`channel ${channel}: ${acknowledged} acknowledged, ${handed} handed on`);
    if (handed > acknowledged + uncertain.length) stage.fail(`channel ${channel}: what counts as unsent was handed on`);
    const numbers = [...uncertain, ...neverSent].map(numberOf);
    if (numbers.some((n, i) => n !== undefined && n !== acknowledged + i))
      stage.fail(`channel ${channel}: leftovers have gaps`);
  }
  for (const { tag } of unsent) if (other.asked.has(tag)) stage.fail(`request ${tag} is 'not delivered', but was`);
}

function numberOf({ message }: Left): number | undefined {
  const decoded = codec.decode(message.bytes, message.text);
  return decoded.kind === 0 ? undefined : (decoded.data as { n: number }).n;
}

function isEmpty({ session }: Talker): boolean {
  const { unsent, unacknowledged } = session.leftovers();
  return unsent.length + unacknowledged.length === 0;
}

function handedBy({ handed }: Talker): number {
  return handed.reduce((sum, one) => sum + one, 0);
}

function pick<T>(unit: number, from: readonly [T, ...T[]] | readonly T[]): T {
  return from[Math.floor(unit * from.length)] as T;
}
