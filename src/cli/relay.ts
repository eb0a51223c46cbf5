import { createHash } from 'node:crypto';
import {
  createServer,
  HawserError,
  type HistoryOptions,
  type Joined,
  matchesAny,
  type Position,
  type RoomMembers,
  type Server,
  type ServerOptions,
  type ServerSocket,
} from '../index.ts';

/** What a token lets its bearer do, kept as `socket.claims`. */
export interface Claims {
  /** Patterns of rooms (`*` stands for anything); undefined allows all. */
  readonly rooms: readonly string[] | undefined;
}

interface InRoom {
  readonly room: string;
}
interface Entry extends InRoom {
  /** Where one was in a room with history. */
  readonly since?: Position;
}
interface Publication extends InRoom {
  readonly event: string;
  readonly data?: unknown;
  /** Who publishes again by it, as the same user in the same room, within 2 minutes, publishes nothing. */
  readonly id?: string;
}
/** Where the message is, in a room with history; with an `id`, whether it was there already. */
interface Publicity {
  readonly members: number;
  readonly position?: Position;
  readonly isDuplicate?: boolean;
}
/** In a room with history it says where one stands. */
type Inside = InRoom & RoomMembers & Partial<Omit<Joined, 'room'>>;
interface DirectMessage {
  readonly user: string;
  readonly event: string;
  readonly data?: unknown;
}

/** The relay's vocabulary. */
export interface RelayApi {
  readonly toServer: {
    readonly requests: {
      readonly join: (where: Entry) => Inside;
      readonly leave: (where: InRoom) => { room: string };
      readonly publish: (what: Publication) => Publicity;
      readonly message: (what: DirectMessage) => { sockets: number };
      readonly users: () => { users: { user: string; sockets: number }[] };
      readonly rooms: () => { rooms: { room: string; members: number }[] };
      readonly presence: (where: InRoom) => { room: string } & RoomMembers;
      readonly stats: () => Server['stats'];
    };
  };
  readonly toClient: { readonly events: Record<string, unknown> };
}

type Relay = Server<RelayApi>;
type RelaySocket = ServerSocket<RelayApi>;

const REQUESTS = ['join', 'leave', 'publish', 'message', 'users', 'rooms', 'presence', 'stats'] as const;
/** Events that only the server may send, and names that would be taken for requests. */
const RESERVED: ReadonlySet<string> = new Set([
  'joined',
  'left',
  'positioned',
  'recovered',
  'gap',
  'hello',
  'welcome',
  'error',
  ...REQUESTS,
]);

/**
 * A server that relays between its peers: rooms, direct messages, presence. What `hawser serve` runs without an app. `history` is that of all
 * rooms.
 */
export function createRelay(options: ServerOptions, history?: HistoryOptions): Relay {
  const server = createServer<RelayApi>({ presence: true, nameOneself: true, ...options });
  if (history !== undefined) server.history('*', history);
  server.on('connection', (socket) => serveSocket(server, socket));
  return server;
}

function serveSocket(server: Relay, socket: RelaySocket): void {
  socket.handle('join', async (where) => {
    const room = roomOf(where);
    requireAllowed(socket, room);
    const { since } = where;
    const { position, recovered, missed, reason } = await socket.join(room, since === undefined ? {} : { since });
    const members = { room, ...(await server.members(room)) };
    if (position === undefined && reason === undefined) return members;
    return { ...members, position, recovered, missed, reason };
  });
  socket.handle('leave', (where) => {
    const room = roomOf(where);
    socket.leave(room);
    return { room };
  });
  socket.handle('publish', async (what) => {
    const room = roomOf(what);
    const event = eventOf(what);
    if (!socket.rooms.has(room)) throw new HawserError('ERR_NOT_A_MEMBER', 'join the room first');
    const id = what.id === undefined ? {} : { id: ownId(socket, room, textOf(what, 'id')) };
    const { positions, isDuplicate } = await socket.to(room).publish(event, what.data, id);
    const members = (await server.to(room).count()) - 1;
    const [position] = positions.map(({ offset, epoch }) => ({ offset, epoch }));
    return { members, ...(position && { position }), ...(what.id !== undefined && { isDuplicate }) };
  });
  socket.handle('message', async (what) => {
    const user = textOf(what, 'user');
    const event = eventOf(what);
    const sockets = (await server.user(user).count()) - (user === socket.user ? 1 : 0);
    if (sockets <= 0) throw new HawserError('ERR_NO_SUCH_USER', 'no such user is here');
    socket.toUser(user).send(event, what.data);
    return { sockets };
  });
  socket.handle('users', async () => {
    const users = await visibleUsers(server, socket);
    return { users: [...users].map(([user, sockets]) => ({ user, sockets })) };
  });
  socket.handle('rooms', async () => {
    const rooms = [...(await server.rooms())].filter(([room]) => isAllowed(socket, room));
    return { rooms: rooms.map(([room, members]) => ({ room, members })) };
  });
  socket.handle('presence', async (where) => {
    const room = roomOf(where);
    requireAllowed(socket, room);
    return { room, ...(await server.members(room)) };
  });
  socket.handle('stats', () => server.stats);
}

/** With a token that names rooms, only who is in one of those is shown. */
async function visibleUsers(server: Relay, socket: RelaySocket): Promise<ReadonlyMap<string, number>> {
  const patterns = patternsOf(socket);
  if (patterns === undefined) return server.users();
  const shown = new Map<string, Set<string>>();
  for (const room of (await server.rooms()).keys()) {
    if (!matchesAny(patterns, room)) continue;
    for (const { id, user } of await server.to(room).members()) {
      if (user !== null) shown.set(user, (shown.get(user) ?? new Set()).add(id));
    }
  }
  return new Map([...shown].map(([user, sockets]) => [user, sockets.size]));
}

/** Undefined where anything goes: a token without rooms, or no token at all. */
function patternsOf(socket: RelaySocket): readonly string[] | undefined {
  return (socket.claims as Claims | undefined)?.rooms;
}

function isAllowed(socket: RelaySocket, room: string): boolean {
  const patterns = patternsOf(socket);
  return patterns === undefined || matchesAny(patterns, room);
}

function requireAllowed(socket: RelaySocket, room: string): void {
  if (!isAllowed(socket, room)) throw new HawserError('ERR_NOT_ALLOWED', 'your token does not cover this room');
}

/** A peer's name for a message, such that nobody else's can be taken for it, and of one length. */
function ownId({ user }: RelaySocket, room: string, id: string): string {
  return createHash('sha256')
    .update(JSON.stringify([user, room, id]))
    .digest('base64url');
}

/** What a peer sent is anything at all, whatever the types say. */
function textOf(data: unknown, field: string): string {
  const value = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[field] : undefined;
  if (typeof value === 'string' && value !== '' && value.length <= 256) return value;
  throw new HawserError('ERR_ARGUMENT', `data needs '${field}', a text of 1 to 256 characters`);
}

function roomOf(data: unknown): string {
  return textOf(data, 'room');
}

function eventOf(data: unknown): string {
  const event = textOf(data, 'event');
  if (RESERVED.has(event)) throw new HawserError('ERR_EVENT_RESERVED', `'${event}' is a word of the relay`);
  return event;
}
