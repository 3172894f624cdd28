import { declareOptions, describeOptions } from '@weir/base/options.ts';
import type { OptionSpecs, OptionValues } from '@weir/base/options.ts';
import { messageOf } from '@weir/base/errors.ts';
import { loadOptions } from './load-options.ts';
import { runService, startProcess, VERSION } from './run-service.ts';
import type { ServiceKind, ServiceOptionSpecs } from './run-service.ts';

/** Exit codes: 0 as asked, 1 it failed, 2 the command line is wrong, 70 a fault that must not be survived. */
export const EXIT = { failed: 1, usage: 2, fatal: 70 } as const;

/** Options that every process has. */
export const processOptions = declareOptions({
  'log-level': {
    type: 'choice',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
    default: 'info',
    description: 'Least severity that is logged',
  },
});

/** For `--help`; it is read before the others are. */
const CONFIG_OPTION = {
  type: 'string',
  optional: true,
  placeholder: 'FILE',
  description: 'A YAML file with options by name',
} as const;

/** Runs one service as this process, from its command line to its end. */
export async function runMain<Specs extends ServiceOptionSpecs>(
  kind: ServiceKind<Specs>,
  words: readonly string[],
): Promise<void> {
  if (words.includes('--help') || words.includes('-h')) return void process.stdout.write(helpOf(kind));
  if (words.includes('--version')) return void process.stdout.write(`weir ${VERSION}\n`);
  const specs: OptionSpecs = { ...kind.options, ...processOptions };
  const resolved = loadOptions(specs, {
    words,
    environment: process.env,
    environmentPrefix: `WEIR_${kind.kind.toUpperCase()}_`,
  });
  if (!resolved.ok) {
    for (const problem of resolved.problems) process.stderr.write(`weir ${kind.kind}: ${problem}\n`);
    process.stderr.write(`See weir ${kind.kind} --help\n`);
    process.exitCode = EXIT.usage;
    return;
  }
  const { 'log-level': logLevel, ...options } = resolved.values as Record<string, unknown>;
  // Listened for before the start, which may take as long as a recovery does.
  const stopped = stopSignal();
  try {
    const context = await startProcess({ logLevel: String(logLevel), fatal: () => process.exit(EXIT.fatal) });
    const running = await runService(kind, options as unknown as OptionValues<Specs>, context);
    const signal = await stopped;
    await running.stop(signal);
    await context.tracing.stop();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`weir ${kind.kind}: ${messageOf(error)}\n`);
    process.exit(EXIT.failed);
  }
}

/**
 * One Ctrl-C arrives several times where npm or a bootstrap passes it on beside the terminal. Only a signal that comes
 * later is of somebody who does not want to wait.
 */
const SAME_INTERRUPT_MS = 500;

/** Resolves with the first SIGINT or SIGTERM; a later one ends the process at once. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (firstMs === undefined) {
          firstMs = performance.now();
          resolve(signal);
        } else if (performance.now() - firstMs > SAME_INTERRUPT_MS) process.exit(EXIT.failed);
      });
    }
  });
}

/** The `--help` text of a service. */
export function helpOf<Specs extends ServiceOptionSpecs>(kind: ServiceKind<Specs>): string {
  return `weir ${kind.kind}: ${kind.summary}

Usage: weir ${kind.kind} [--option value]…

Options (each also as WEIR_${kind.kind.toUpperCase()}_NAME in the environment, or in a YAML file):
${describeOptions({ config: CONFIG_OPTION, ...kind.options, ...processOptions })}
`;
}
