import { runMain } from '@weir/runtime/run-main.ts';
import { gateway } from './service.ts';

await runMain(gateway, process.argv.slice(2));
