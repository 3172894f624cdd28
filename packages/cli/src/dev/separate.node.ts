import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { STOP_GRACE_MS } from '@weir/base/limits.ts';
import type { ChildMessage } from './child.node.ts';
import type { LaunchedService, Launcher } from './launcher.ts';
import type { ServicePlan } from './plan.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** Runs every service as a process of its own. One that dies is reported with `report`, and not started again. */
export function separateLauncher(report: (line: string) => void): Launcher {
  return {
    close: () => Promise.resolve(),
    launch: (plan) =>
      new Promise((resolve, reject) => {
        // In a process group of its own: Ctrl-C in the terminal is for the parent, which stops them in order.
        const child = spawn(process.execPath, [...process.execArgv, MAIN, 'dev-service', ...plan.args], {
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
          detached: true,
        });
        let problem: string | undefined = 'starting';
        let started: LaunchedService | undefined;
        let stopping = false;
        child.on('message', (message: ChildMessage) => {
          switch (message.kind) {
            case 'failed':
              return reject(new Error(message.message));
            case 'readiness':
              problem = message.problem;
              return;
            case 'started':
              started = launched(plan, child, {
                addresses: message.addresses,
                notReady: () => problem,
                beforeStop: () => {
                  stopping = true;
                },
              });
              return resolve(started);
          }
        });
        child.on('error', reject);
        child.on('exit', (code, signal) => {
          problem = `it ended with ${signal ?? `code ${code}`}`;
          if (started === undefined) reject(new Error(problem));
          else if (!stopping) report(`${plan.kind} ${plan.id} (process ${child.pid}) is gone: ${problem}\n`);
        });
      }),
  };
}

function launched(
  plan: ServicePlan,
  child: ChildProcess,
  parts: Pick<LaunchedService, 'addresses' | 'notReady'> & { beforeStop(): void },
): LaunchedService {
  return {
    plan,
    pid: child.pid!,
    addresses: parts.addresses,
    notReady: () => parts.notReady(),
    stop() {
      parts.beforeStop();
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      return new Promise((resolve) => {
        const kill = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS + 1_000);
        child.once('exit', () => {
          clearTimeout(kill);
          resolve();
        });
        child.kill('SIGTERM');
      });
    },
  };
}
