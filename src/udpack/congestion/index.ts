export * from './controller.ts';
export * from './create.ts';
export * from './pacer.ts';
