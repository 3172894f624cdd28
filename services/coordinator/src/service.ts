import { defineService } from '@weir/runtime/run-service.ts';
import { coordinatorOptions } from './options.ts';
import { start } from './start.ts';

/** The coordinator as `main.ts` and the command line run it. */
export const coordinator = defineService({
  kind: 'coordinator',
  summary: 'keeps the cluster metadata, watches the brokers, decides who leads',
  options: coordinatorOptions,
  start,
});
