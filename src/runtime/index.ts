export * from './alarm.ts';
export * from './browser-world.ts';
export * from './byte-port.ts';
export * from './byte-stream-link.ts';
export * from './link-group.ts';
export * from './real-world.ts';
export * from './timer-wheel.ts';
