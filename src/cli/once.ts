import { EXIT, type Output, plainly } from './output.ts';
import { dataOf, tellTries, type VisitOptions, visit } from './visitor.ts';

/** Publishes one event to a room, or to a user, and ends. */
export async function emit(
  options: VisitOptions,
  to: { readonly room: string | undefined; readonly to: string | undefined },
  event: string,
  json: string | undefined,
  output: Output,
): Promise<number> {
  const data = dataOf(json);
  await using socket = await visit(options);
  const { timeout } = options;
  if (to.to !== undefined) {
    const { sockets } = await socket.request('message', { user: to.to, event, data }, { timeout });
    output.tell({ event: 'sent', sockets }, `sent to ${sockets} of ${to.to}'s sockets`);
    return EXIT.ended;
  }
  const room = to.room ?? 'lobby';
  await socket.request('join', { room }, { timeout });
  const { members, position } = await socket.request('publish', { room, event, data }, { timeout });
  output.tell({ event: 'sent', room, members, ...(position && { position }) }, `sent to ${members} others in ${room}`);
  return EXIT.ended;
}

/** Asks once and prints the answer as JSON. */
export async function call(
  options: VisitOptions,
  name: string,
  json: string | undefined,
  output: Output,
): Promise<number> {
  const data = dataOf(json);
  await using socket = await visit(options);
  const answer = (await socket.request(name as 'join', data as never, { timeout: options.timeout })) as unknown;
  output.tell({ event: 'answer', data: answer }, JSON.stringify(answer ?? null, plainly, 2));
  return EXIT.ended;
}

/** Prints everything that arrives in the rooms, one JSON object a line, until it is stopped. */
export async function tail(options: VisitOptions, rooms: readonly string[], output: Output): Promise<number> {
  await using socket = await visit(options, {
    persistent: true,
    prepare: (early) => {
      tellTries(early, output);
      early.onAny((event, data, info) => {
        const line = { event, ...info, data };
        output.tell(line, JSON.stringify(line, plainly));
      });
    },
  });
  const join = async (): Promise<void> => {
    for (const room of rooms) await socket.request('join', { room });
  };
  socket.on('up', ({ recovered }) => {
    output.remark(recovered === true ? 'back, nothing missed' : 'back, with a new session');
    if (recovered === false) return join();
    return undefined;
  });
  socket.on('down', () => output.remark('the link broke, coming back'));
  await join();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void socket.close());
  const { code } = await socket.closed;
  return code === 1000 ? EXIT.ended : EXIT.failure;
}
