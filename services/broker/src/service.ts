import { defineService } from '@weir/runtime/run-service.ts';
import { brokerOptions } from './options.ts';
import { start } from './start.ts';

/** The broker as `main.ts` and the command line run it. */
export const broker = defineService({
  kind: 'broker',
  summary: 'keeps the records of partitions on disk and serves them',
  options: brokerOptions,
  start,
});
