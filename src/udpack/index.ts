export * from './address.ts';
export * from './crypto.ts';
export * from './options.ts';
