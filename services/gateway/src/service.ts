import { defineService } from '@weir/runtime/run-service.ts';
import { gatewayOptions } from './options.ts';
import { start } from './start.ts';

/** The gateway as `main.ts` and the command line run it. */
export const gateway = defineService({
  kind: 'gateway',
  summary: 'produce and consume over plain HTTP',
  options: gatewayOptions,
  start,
});
