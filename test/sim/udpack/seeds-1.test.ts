import { proveFile } from './seeds.ts';

proveFile(1);
