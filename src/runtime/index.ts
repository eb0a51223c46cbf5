export * from './real-world.ts';
export * from './timer-wheel.ts';
