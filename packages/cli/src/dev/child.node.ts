import { messageOf } from '@weir/base/errors.ts';
import { STOP_GRACE_MS } from '@weir/base/limits.ts';
import { startProcess } from '@weir/runtime/run-service.ts';
import type { ProcessContext, RunningService } from '@weir/runtime/run-service.ts';
import { logLines } from './log-lines.ts';
import type { Kind } from './plan.ts';
import { runPlanned } from './run-planned.ts';

/** What a service's process tells the `weir dev` that started it. */
export type ChildMessage =
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'started'; readonly addresses: Readonly<Record<string, string>> }
  /** Without a problem it is ready. */
  | { readonly kind: 'readiness'; readonly problem: string | undefined };

const READINESS_POLL_MS = 20;

/** Runs one service for `weir dev --separate`. It ends at once when its parent is gone. */
export async function runDevService(args: readonly string[]): Promise<void> {
  process.on('disconnect', () => process.exit(1));
  let running: RunningService | undefined;
  const context = await startProcess({
    logLevel: 'warn',
    logDestination: logLines(process.stderr.isTTY, (line) => void process.stderr.write(line)),
    fatal: () => process.exit(70),
  });
  const stop = (): void => {
    setTimeout(() => process.exit(1), STOP_GRACE_MS).unref();
    finish(running, context).then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`weir ${args[0]}: ${messageOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    running = await runPlanned({ kind: args[0] as Kind, args }, process.env, context);
  } catch (error) {
    process.send?.({ kind: 'failed', message: messageOf(error) } satisfies ChildMessage, () => process.exit(1));
    return;
  }
  tell({ kind: 'started', addresses: running.addresses });
  const service = running;
  const poll = setInterval(() => {
    const problem = service.notReady();
    tell({ kind: 'readiness', problem });
    if (problem === undefined) clearInterval(poll);
  }, READINESS_POLL_MS);
}

function tell(message: ChildMessage): void {
  process.send?.(message);
}

async function finish(running: RunningService | undefined, context: ProcessContext): Promise<void> {
  await running?.stop();
  await context.tracing.stop();
}
