import { counted } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { Percentiles } from './percentiles.ts';

/** What a run did. */
export interface BenchResult {
  readonly topic: string;
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Records that were refused. */
  readonly refused?: number;
  /** Undefined where nothing is waited for. */
  readonly latency?: Percentiles;
}

const SHOWN = [50, 95, 99, 99.9] as const;
const MB = 1e6;

/** Prints a run's figures, in words or as one JSON object. */
export function report(
  what: string,
  result: BenchResult,
  options: { readonly output: string },
  terminal: Terminal,
): void {
  const { topic, records, bytes, seconds, refused = 0, latency } = result;
  const perSecond = records / seconds;
  const megabytesPerSecond = bytes / MB / seconds;
  if (options.output === 'json') {
    const percentiles =
      latency === undefined
        ? {}
        : {
            latencyMs: {
              average: round(latency.averageMs),
              ...Object.fromEntries(SHOWN.map((percent) => [`p${percent}`, round(latency.at(percent))])),
              max: round(latency.maxMs),
            },
          };
    const figures = { records, refused, seconds: round(seconds), recordsPerSecond: Math.round(perSecond) };
    const line = { topic, ...figures, megabytesPerSecond: round(megabytesPerSecond), ...percentiles };
    terminal.out(`${JSON.stringify(line)}\n`);
    return;
  }
  const rate = `${Math.round(perSecond).toLocaleString('en-US')} records/s, ${megabytesPerSecond.toFixed(1)} MB/s`;
  terminal.out(`${counted(records, 'record')} ${what} ${topic} in ${seconds.toFixed(1)} s: ${rate}\n`);
  if (refused > 0) terminal.out(`${counted(refused, 'record')} refused\n`);
  if (latency === undefined) return;
  const shown = SHOWN.map((percent) => `p${percent} ${milliseconds(latency.at(percent))}`);
  terminal.out(
    `latency: average ${milliseconds(latency.averageMs)}, ${shown.join(', ')}, max ${milliseconds(latency.maxMs)}\n`,
  );
}

function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
