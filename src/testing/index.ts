export * from './engine-suite.ts';
export * from './link-suite.ts';
export * from './mortal-bus.ts';
export * from './test-bus.ts';
export * from './world.ts';
