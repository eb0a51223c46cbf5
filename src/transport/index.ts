export * from './endpoint.ts';
export * from './framing.ts';
export * from './link.ts';
