export { Channel, type Done } from './channel.ts';
export { Client } from './client.ts';
export type { ClientEvents, ClientOptions, ServerEvents, ServerOptions } from './options.ts';
export { Server } from './server.ts';
export { Socket } from './socket.ts';
