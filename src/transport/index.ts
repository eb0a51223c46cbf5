export * from './compression-options.ts';
export * from './endpoint.ts';
export * from './framing.ts';
export * from './length-framing.ts';
export * from './line-framing.ts';
export * from './link.ts';
export * from './sniffer.ts';
export * from './stream-protocol.ts';
