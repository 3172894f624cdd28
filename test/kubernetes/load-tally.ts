import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** What was acknowledged: partition, offset and the record's number. */
export type Acknowledged = readonly [partition: number, offset: number, number: number];

/** What a load came to. */
export interface LoadResult {
  /** The next number that nobody has used. */
  readonly next: number;
  readonly acknowledged: readonly Acknowledged[];
  readonly requests: number;
  /** Requests without an answer, and answers that refuse, the first few in words. */
  readonly failed: number;
  readonly failures: readonly string[];
  /** Why one was tried again before it was answered, and how often. */
  readonly retries: Readonly<Record<string, number>>;
  /** The longest time in which no record of some partition was acknowledged. */
  readonly longestGapMs: number;
  readonly seconds: number;
}

const FAILURES_KEPT = 10;
/** After a failure: whoever is away is not asked in a tight loop. */
const FAILED_PAUSE_MS = 20;

/** Counts what becomes of a load's requests. Runs in a pod of the cluster under test. */
export class LoadTally {
  #next: number;
  readonly #acknowledged: Acknowledged[] = [];
  readonly #failures: string[] = [];
  readonly #startMs = performance.now();
  /** When a record was acknowledged last, by partition. */
  readonly #lastMs = new Map<number, number>();
  #longestGapMs = 0;
  #requests = 0;
  #failed = 0;
  readonly #retries = new Map<string, number>();

  constructor(firstNumber: number) {
    this.#next = firstNumber;
  }

  /** Numbers of the records of one more request. */
  take(count: number): number[] {
    this.#requests++;
    return Array.from({ length: count }, () => this.#next++);
  }

  acknowledge(...record: Acknowledged): void {
    const [partition] = record;
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - (this.#lastMs.get(partition) ?? this.#startMs));
    this.#lastMs.set(partition, nowMs);
    this.#acknowledged.push(record);
  }

  /** Resolves when the same one may be tried again. */
  async retry(why: string): Promise<void> {
    this.#retries.set(why, (this.#retries.get(why) ?? 0) + 1);
    await pause(FAILED_PAUSE_MS);
  }

  /** Resolves when the next one may be tried. */
  async fail(why: string): Promise<void> {
    this.#failed++;
    if (this.#failures.length < FAILURES_KEPT) this.#failures.push(`after ${this.#seconds} s: ${why}`);
    await pause(FAILED_PAUSE_MS);
  }

  result(): LoadResult {
    return {
      next: this.#next,
      acknowledged: this.#acknowledged,
      requests: this.#requests,
      failed: this.#failed,
      failures: this.#failures,
      retries: Object.fromEntries(this.#retries),
      longestGapMs: Math.round(Math.max(this.#longestGapMs, ...this.#gapsMs())),
      seconds: this.#seconds,
    };
  }

  /** That are not over. */
  #gapsMs(): number[] {
    const nowMs = performance.now();
    return [...this.#lastMs.values()].map((lastMs) => nowMs - lastMs);
  }

  get #seconds(): number {
    return Math.round((performance.now() - this.#startMs) / 100) / 10;
  }
}

/** Says when standard input has ended, which is how a load is told to stop. */
export function untilInputEnds(): { readonly ended: boolean } {
  const input = { ended: false };
  process.stdin.resume().once('end', () => (input.ended = true));
  return input;
}
