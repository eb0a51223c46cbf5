export * from './engine-suite.ts';
export * from './link-suite.ts';
export * from './world.ts';
