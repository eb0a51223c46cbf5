import { createInterface } from 'node:readline';
import type { Member } from '../index.ts';
import { EXIT, type Output, plainly, printable } from './output.ts';
import { type RelayClient, tellTries, type VisitOptions, visit } from './visitor.ts';

const HELP = '/msg USER TEXT  to one user    /who  who is here    /quit  leave';

/** Talks in a room: what is typed, or piped in a line at a time, is said as event `say` with `{ text }`. */
export async function chat(options: VisitOptions, room: string, output: Output): Promise<number> {
  await using socket = await visit(options, { persistent: true, prepare: (early) => listen(early, output) });
  const enter = async (): Promise<void> => {
    const { members, total } = await socket.request('join', { room });
    output.tell({ event: 'joined', room, members, total }, presentIn(room, members, total));
  };
  socket.on('up', (up) => {
    const text =
      up.recovered === true ? 'back, nothing missed' : 'back, with a new session; what was on its way may be lost';
    output.tell({ event: 'up', ...up }, text);
    if (up.recovered === false) return enter();
    return undefined;
  });
  await enter();
  output.remark(HELP);
  const lines = createInterface({ input: process.stdin, terminal: false });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => lines.close());
  void socket.closed.then(() => lines.close());
  for await (const line of lines) {
    if (line.trim() === '/quit') break;
    await obey(socket, room, line, output).catch((error: unknown) => output.error((error as Error).message));
  }
  return socket.state === 'ended' ? EXIT.failure : EXIT.ended;
}

function listen(socket: RelayClient, output: Output): void {
  tellTries(socket, output);
  socket.onAny((event, data, { room, from, member, offset }) => {
    const line = { event, room, from, member, ...(offset !== undefined && { offset }), data };
    const text = standingOf(event, data, room ?? '');
    if (text !== undefined) output.tell(line, text);
    else {
      const who = printable(nameOf(from ?? member ?? null));
      const said = `${who}: ${printable(sayingOf(data))}`;
      output.tell(line, event === 'say' ? said : `* ${who} ${event} ${printable(room ?? '')}`);
    }
  });
  socket.on('down', (reason) => output.tell({ event: 'down', ...reason }, 'the link broke, coming back'));
  socket.on('error', ({ code, message }) => output.error(`${code}: ${message}`));
}

/** What rooms with history say, for people; undefined for all else. */
function standingOf(event: string, data: unknown, room: string): string | undefined {
  const { missed, reason } = (data ?? {}) as { missed?: number; reason?: string };
  switch (event) {
    case 'positioned':
      return `* ${printable(room)} keeps what is said`;
    case 'recovered':
      return `* ${printable(room)}: ${missed} missed: they are above`;
    case 'gap':
      return `* ${printable(room)}: something may be missing here (${printable(String(reason))})`;
    default:
      return undefined;
  }
}

async function obey(socket: RelayClient, room: string, line: string, output: Output): Promise<void> {
  if (line.trim() === '') return;
  if (line.trim() === '/who') {
    const { members, total } = await socket.request('presence', { room });
    output.tell({ event: 'presence', room, members, total }, presentIn(room, members, total));
    return;
  }
  const direct = /^\/msg (\S+) (.+)$/.exec(line);
  const [, user, text] = direct ?? [];
  if (user !== undefined && text !== undefined) {
    await socket.request('message', { user, event: 'say', data: { text } });
    return;
  }
  if (line.startsWith('/')) output.remark(HELP);
  else await socket.request('publish', { room, event: 'say', data: { text: line } });
}

/** A large room is not listed to its end. */
function presentIn(room: string, members: readonly Member[], total: number): string {
  const others = total > members.length ? ` and ${total - members.length} more` : '';
  return `in ${room}: ${members.map(nameOf).join(', ')}${others}`;
}

function nameOf(member: Member | null): string {
  return printable(member?.user ?? member?.id ?? 'somebody');
}

function sayingOf(data: unknown): string {
  const text = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)['text'] : data;
  return typeof text === 'string' ? text : JSON.stringify(data ?? null, plainly);
}
