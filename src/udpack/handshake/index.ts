export { ClientHandshake, type ClientHandshakeInit, type Established } from './client.ts';
export { type Init, KIND } from './datagrams.ts';
export { ServerHandshake } from './server.ts';
