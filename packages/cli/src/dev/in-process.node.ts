import { startProcess } from '@weir/runtime/run-service.ts';
import type { Launcher } from './launcher.ts';
import { logLines } from './log-lines.ts';
import { runPlanned } from './run-planned.ts';

/** Runs every service in this process. */
export async function inProcessLauncher(): Promise<Launcher> {
  const context = await startProcess({
    logLevel: 'warn',
    logDestination: logLines(process.stderr.isTTY, (line) => void process.stderr.write(line)),
    fatal: () => process.exit(70),
  });
  return {
    async launch(plan) {
      const service = await runPlanned(plan, process.env, context);
      return {
        plan,
        pid: process.pid,
        addresses: service.addresses,
        notReady: () => service.notReady(),
        stop: () => service.stop(),
      };
    },
    close: () => context.tracing.stop(),
  };
}
