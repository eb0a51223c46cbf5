export { NatsBus } from './bus.ts';
export { type NatsNodeOptions, natsEngine } from './nats-engine.ts';
export type { NatsEngineOptions, NatsHistory, NatsTls } from './options.ts';
