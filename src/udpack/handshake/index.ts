export { ClientHandshake, type ClientHandshakeInit, type Established } from './client.ts';
export { COOKIE_BYTES, type Init, KIND, VERSION } from './datagrams.ts';
export { type Answered, ServerHandshake } from './server.ts';
