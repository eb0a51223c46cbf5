export * from './duplex.ts';
