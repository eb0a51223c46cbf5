export * from './link-suite.ts';
export * from './world.ts';
