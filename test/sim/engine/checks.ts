import type { EngineSim } from './engine-sim.ts';
import { NAMESPACE, type Party, pairOf } from './party.ts';

/** Who is given up was away for so long, ms: a lease, less the pause before, and clocks go wrong by up to 5 %. */
const AWAY_LEAST = 3500;

/** Throws where a node knows, or was told, anything but the truth. */
export async function checkAll(sim: EngineSim): Promise<void> {
  const { parties, past } = sim;
  for (const party of [...parties, ...past]) if (party.faults.length > 0) throw new Error(party.faults.join('\n'));
  const truth = truthOf(parties);
  for (const party of parties) {
    compare(`the members that ${party.name} was told of`, seenOf(party), truth.members);
    compare(`the members that ${party.name} knows`, await knownOf(party, truth), truth.members);
    await checkCounts(party, truth);
    await checkNodes(party, parties);
    await checkQuestion(sim, party);
  }
  await checkLogins(parties);
  checkRivals(parties);
  if (sim.weather.loss === 0) for (const party of parties) checkGivenUp(sim, party);
}

interface Truth {
  /** `room id user` of each member, in order. */
  readonly members: readonly string[];
  readonly rooms: ReadonlyMap<string, number>;
  readonly users: ReadonlyMap<string, number>;
}

function truthOf(parties: readonly Party[]): Truth {
  const members: string[] = [];
  const rooms = new Map<string, number>();
  const users = new Map<string, number>();
  for (const party of parties) {
    for (const [room, { id, user }] of party.members()) {
      members.push(`${room} ${id} ${user}`);
      rooms.set(room, (rooms.get(room) ?? 0) + 1);
    }
    for (const { user } of party.seats) users.set(user, (users.get(user) ?? 0) + 1);
  }
  return { members: members.toSorted(byText), rooms, users };
}

function seenOf({ seen }: Party): readonly string[] {
  const members = [...seen].flatMap(([room, ids]) => [...ids].map(([id, user]) => `${room} ${id} ${user}`));
  return members.toSorted(byText);
}

async function knownOf({ engine }: Party, { rooms }: Truth): Promise<readonly string[]> {
  const members: string[] = [];
  for (const room of rooms.keys()) {
    for (const { id, user } of await engine.members(NAMESPACE, room)) members.push(`${room} ${id} ${user}`);
  }
  return members.toSorted(byText);
}

async function checkCounts({ name, engine }: Party, { rooms, users }: Truth): Promise<void> {
  compare(`the rooms of ${name}`, entriesOf(await engine.rooms(NAMESPACE)), entriesOf(rooms));
  compare(`the users of ${name}`, entriesOf(await engine.users(NAMESPACE)), entriesOf(users));
  compare(`the number of users of ${name}`, await engine.countUsers(NAMESPACE), users.size);
  for (const [room, count] of rooms) compare(`the count of ${name}`, await engine.count(NAMESPACE, room), count);
}

async function checkNodes({ name, engine }: Party, parties: readonly Party[]): Promise<void> {
  const alive = (await engine.nodes()).filter(({ isAlive }) => isAlive).map(({ id }) => id);
  const ids = parties.map((party) => party.engine.id);
  compare(`the nodes of ${name}`, alive.toSorted(byText), ids.toSorted(byText));
}

async function checkQuestion({ base, parties }: EngineSim, party: Party): Promise<void> {
  const asked = party.ask(1000);
  await base.advanceAsync(1000);
  const { answers, silent } = await asked;
  compare(`the answers to ${party.name}`, [answers.length, silent], [parties.length - 1, []]);
}

/** All nodes name the same sockets of a user, in the same order. */
async function checkLogins(parties: readonly Party[]): Promise<void> {
  const [first, ...others] = parties;
  if (first === undefined) return;
  for (const user of (await first.engine.users(NAMESPACE)).keys()) {
    const places = await first.engine.whereIs(NAMESPACE, user);
    const own = parties.flatMap(({ engine, seats }) =>
      seats.filter((seat) => seat.user === user).map(({ id }) => `${engine.id} ${id}`),
    );
    const named = places.map(({ node, socket }) => `${node} ${socket}`);
    compare(`where ${user} is`, named.toSorted(byText), own.toSorted(byText));
    for (const { name, engine } of others) {
      compare(`where ${user} is, by ${name}`, await engine.whereIs(NAMESPACE, user), places);
    }
  }
}

/** Each pair of sockets of one user on two nodes was told on both, with the same word. */
function checkRivals(parties: readonly Party[]): void {
  for (const [at, a] of parties.entries()) {
    for (const b of parties.slice(at + 1)) {
      for (const mine of a.seats) {
        for (const theirs of b.seats) {
          if (mine.user !== theirs.user) continue;
          const pair = pairOf(mine.user, mine.id, theirs.id);
          const words = [a.rivals.get(pair)?.later, b.rivals.get(pair)?.later];
          if (words[0] === undefined || words[0] !== words[1]) {
            throw new Error(`${a.name} and ${b.name} on ${pair}: ${words.join(', ')}`);
          }
        }
      }
    }
  }
}

/** Nobody is given up who was not away for as long as a lease: not while the hub stood still, nor after a stop of one's own. */
function checkGivenUp({ left, parties }: EngineSim, party: Party): void {
  for (const { member, room } of party.given) {
    if (left.has(`${member} ${room}`)) continue;
    const owner = parties.find(({ seats }) => seats.some(({ id }) => id === member));
    const wasAway = owner?.away.some(({ from, to }) => to - from >= AWAY_LEAST) ?? true;
    if (!wasAway) throw new Error(`${party.name} gave up ${owner?.name}, which was never away`);
  }
}

function compare(what: string, found: unknown, expected: unknown): void {
  const [is, shall] = [JSON.stringify(found), JSON.stringify(expected)];
  if (is !== shall) throw new Error(`${what}:\n${is}\ninstead of\n${shall}`);
}

function entriesOf(counts: ReadonlyMap<string, number>): readonly string[] {
  return [...counts].map(([name, count]) => `${name} ${count}`).toSorted(byText);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}
