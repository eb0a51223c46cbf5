import { proveFile } from './seeds.ts';

proveFile(2);
