export { mayBeSent } from './close-frame.ts';
export * from './framing.ts';
export { isUtf8, type Utf8Check } from './utf8.ts';
