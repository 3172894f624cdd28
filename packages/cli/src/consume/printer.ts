import { TextBytes } from '@weir/base/text-bytes.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import type { Terminal } from '../terminal.ts';
import type { RecordFormat } from './record-text.ts';

/** Prints records until it has printed enough, or somebody has seen enough. */
export class Printer {
  readonly #terminal: Terminal;
  readonly #format: RecordFormat;
  readonly #listeners = new Set<() => void>();
  #left: number;
  #stopped = false;

  constructor(terminal: Terminal, format: RecordFormat, count: number | undefined) {
    this.#terminal = terminal;
    this.#format = format;
    this.#left = count ?? Number.POSITIVE_INFINITY;
  }

  /** Whether nothing more is to be printed. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Calls back when nothing more is to be printed, until the returned function is called. */
  onStop(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => void this.#listeners.delete(callback);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const listener of this.#listeners) listener();
  }

  /**
   * Prints the records of whole batches that lie in `from` up to, and not including, `until`.
   *
   * @returns the offset after the last record that was in the batches and before `until`
   * @throws WeirError CORRUPT_MESSAGE
   */
  print(partition: number, batches: Buffer, range: { readonly from: number; readonly until: number }): number {
    const out = new TextBytes(batches.length);
    let next = range.from;
    const visit = (record: RecordView): boolean => {
      if (record.offset >= range.until || this.#left === 0) return false;
      this.#format(partition, record, out);
      this.#left--;
      next = record.offset + 1;
      return true;
    };
    readRecords(batches, visit, range.from);
    if (out.length > 0) this.#terminal.out(out.take());
    if (this.#left === 0) this.stop();
    return next;
  }

  /** How many records more are to be printed. */
  get left(): number {
    return this.#left;
  }

  /** Prints records, as many as are still to be printed. */
  printRecords(records: readonly { readonly partition: number; readonly record: RecordView }[]): void {
    const out = new TextBytes();
    for (const { partition, record } of records.slice(0, this.#left)) {
      this.#format(partition, record, out);
      this.#left--;
    }
    if (out.length > 0) this.#terminal.out(out.take());
    if (this.#left === 0) this.stop();
  }

  /** Resolves when the output has caught up. */
  drained(): Promise<void> {
    return this.#terminal.drained();
  }
}
