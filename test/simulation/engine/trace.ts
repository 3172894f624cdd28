import { createHash } from 'node:crypto';

/** Lines that are kept for the report of a failure. */
const KEPT_LINES = 60;

/** What happened in a run, line by line: two runs of one seed have the same hash. */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #print: ((line: string) => void) | undefined;
  #last: string[] = [];

  /** @param print - sees every line as it comes */
  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  /** @param bytes - what a message consisted of: it counts, and is not shown */
  note(nowMs: number, what: string, bytes?: Uint8Array): void {
    const line = `${nowMs.toFixed(3)} ${what}`;
    this.#hash.update(line);
    if (bytes !== undefined) this.#hash.update(bytes);
    this.#print?.(line);
    this.#last.push(line);
    if (this.#last.length > 2 * KEPT_LINES) this.#last = this.#last.slice(-KEPT_LINES);
  }

  get lastLines(): readonly string[] {
    return this.#last.slice(-KEPT_LINES);
  }

  /** Of everything so far; nothing is noted after it. */
  digest(): string {
    return this.#hash.digest('hex').slice(0, 16);
  }
}
