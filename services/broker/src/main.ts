import { runMain } from '@weir/runtime/run-main.ts';
import { broker } from './service.ts';

await runMain(broker, process.argv.slice(2));
