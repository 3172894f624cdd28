import { runMain } from '@weir/runtime/run-main.ts';
import { coordinator } from './service.ts';

await runMain(coordinator, process.argv.slice(2));
