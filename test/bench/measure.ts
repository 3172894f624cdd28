import { readFileSync } from 'node:fs';

/** Latencies gathered and told as percentiles, in milliseconds. */
export class Latencies {
  readonly #values: number[] = [];

  add(milliseconds: number): void {
    this.#values.push(milliseconds);
  }

  /** The value below which `fraction` of all lie. */
  percentile(fraction: number): number {
    const sorted = this.#values.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
  }
}

/** Resident memory of a process in MiB (Linux). */
export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** CPU seconds that a process has used, all threads together (Linux, 100 ticks a second). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** One line of a result table. */
export interface Row {
  readonly name: string;
  readonly result: string;
}

/** Prints rows as they come, aligned. */
export function print(row: Row): void {
  console.log(`  ${row.name.padEnd(58)} ${row.result}`);
}
