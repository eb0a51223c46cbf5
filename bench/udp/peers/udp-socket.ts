import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const SYSTEM_BUFFER = 4 * 1024 * 1024;

/** A bound IPv4 socket that looks nothing up. */
export async function bound(host: string): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', lookup: (ip, _options, answer) => answer(null, ip, 4) });
  const listening = once(socket, 'listening');
  socket.bind(0, host);
  await listening;
  socket.setRecvBufferSize(SYSTEM_BUFFER);
  socket.setSendBufferSize(SYSTEM_BUFFER);
  return socket;
}
