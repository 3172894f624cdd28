import { HOSTS } from './fleet.ts';
import { hostName, SAMPLE_MS, sampleOf } from './samples.ts';
import type { Table } from './table.ts';
import { keyOf, MINUTE_MS } from './windows.ts';
import type { Aggregate } from './windows.ts';

/** What the aggregates are, beside what was produced. */
export interface Comparison {
  /** As many as there have to be. */
  readonly expected: number;
  readonly right: number;
  /** Samples in them. */
  readonly samples: number;
  /** Records of aggregates, each time that one was published. */
  readonly records: number;
  /** Whatever is not as it must be; empty when all is well. */
  readonly problems: readonly string[];
}

/** Compares the published aggregates with those of the samples, which are the same whenever they are made. */
export function compare(
  table: Table,
  { startMs, minutes }: { readonly startMs: number; readonly minutes: number },
): Comparison {
  const problems: string[] = [];
  const expected = new Set<string>();
  let samples = 0;
  for (let host = 0; host < HOSTS; host++) {
    for (let minute = 0; minute < minutes; minute++) {
      const wanted = aggregateOf(host, startMs + minute * MINUTE_MS);
      const key = keyOf(wanted);
      expected.add(key);
      const found = table.values.get(key);
      if (found === JSON.stringify(wanted)) samples += wanted.samples;
      else problems.push(`${key}: ${found ?? 'nothing'} instead of ${JSON.stringify(wanted)}`);
    }
  }
  const right = expected.size - problems.length;
  for (const key of table.values.keys()) if (!expected.has(key)) problems.push(`${key} is not over yet`);
  return { expected: expected.size, right, samples, records: table.records, problems };
}

function aggregateOf(host: number, minuteMs: number): Aggregate {
  const cpu = Array.from({ length: MINUTE_MS / SAMPLE_MS }, (_, i) => sampleOf(host, minuteMs + i * SAMPLE_MS).cpu);
  return {
    host: hostName(host),
    minuteMs,
    samples: cpu.length,
    cpuSum: cpu.reduce((sum, value) => sum + value, 0),
    cpuMin: Math.min(...cpu),
    cpuMax: Math.max(...cpu),
  };
}
