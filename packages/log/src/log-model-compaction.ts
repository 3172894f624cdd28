import { strict as assert } from 'node:assert';
import { COMPACTION_PAUSE_MS } from '@weir/base/limits.ts';
import { offset } from '@weir/base/ids.ts';
import { readBatches, readRecords } from '@weir/records/read-records.ts';
import type { RecordView } from '@weir/records/record.ts';
import type { Log } from './log.ts';
import type { ManualClock } from './test-kit.ts';

/** What a pass is begun with. */
export interface ModelPass {
  /** All below it is committed. */
  readonly upTo: number;
  readonly mapBytes: number;
  /** How long tombstones stay: none ever goes, or any may in the pass after the next. */
  readonly keepsTombstones: boolean;
}

/** For the model test: the compaction of one log, and what it may have taken. */
export class ModelCompaction {
  readonly #saw: (what: string) => void;
  /** Nothing at or behind it may be missing. */
  end = 0;
  /** Nor a tombstone at or behind this. */
  tombstonesEnd = 0;
  /** Below `end`, of each key the last offset that it had when that was compacted. */
  readonly #lastOfKey = new Map<string, number>();
  #passes = 0;

  constructor(saw: (what: string) => void) {
    this.#saw = saw;
  }

  /** @returns the end of what it is about */
  begin(log: Log, appended: Buffer, { upTo, mapBytes, keepsTombstones }: ModelPass): number {
    const deleteRetentionMs = keepsTombstones ? 1e12 : 0;
    const rules = { nowMs: ++this.#passes, minLagMs: 0, deleteRetentionMs, upTo: offset(upTo) };
    const cleanable = log.compaction.cleanable(rules);
    if (cleanable === undefined) return 0;
    assert.ok(cleanable.end <= upTo);
    this.end = Math.max(this.end, cleanable.end);
    readRecords(appended, ({ key, offset: at }) => {
      if (key !== null && at < cleanable.end) this.#supersede(key.toString(), at);
    });
    if (!keepsTombstones) this.tombstonesEnd = Math.max(this.tombstonesEnd, cleanable.end);
    log.compaction.begin({ cleanable, rules, mapBytes }, ({ kind }) => this.#saw(`passes ${kind}`));
    return cleanable.end;
  }

  /** Lets a pass go on for so many slices at most. */
  goOn(log: Log, slices: number, { clock, complete }: { clock: ManualClock; complete: () => void }): void {
    for (let left = slices; left > 0 && log.compaction.isUnderWay; left--) {
      complete();
      clock.advance(COMPACTION_PAUSE_MS);
    }
  }

  /** A replica's batches were taken over, be they compacted. */
  takenOver(from: ModelCompaction, end: number): void {
    this.end = Math.max(this.end, Math.min(from.end, end));
    this.tombstonesEnd = Math.max(this.tombstonesEnd, Math.min(from.tombstonesEnd, end));
    for (const [key, at] of from.#lastOfKey) this.#supersede(key, at);
  }

  #supersede(key: string, at: number): void {
    this.#lastOfKey.set(key, Math.max(at, this.#lastOfKey.get(key) ?? -1));
  }

  /** The log is made anew. */
  clear(): void {
    this.end = 0;
    this.tombstonesEnd = 0;
    this.#lastOfKey.clear();
  }

  /** Why a record need not be there any more; undefined: it has to. */
  mayLack({ offset: at, key, value }: Pick<RecordView, 'offset' | 'key' | 'value'>): string | undefined {
    if (key === null || at >= this.end) return undefined;
    if ((this.#lastOfKey.get(key.toString()) ?? -1) > at) return 'records superseded';
    return value === null && at < this.tombstonesEnd ? 'tombstones gone' : undefined;
  }

  /**
   * Compares what is in a log with what was appended: what is there is the same, batch follows batch, and nothing is missing
   * but what has another record of its key below the end of what was compacted, or a tombstone.
   */
  check(found: Buffer, appended: Buffer, { from, upTo }: { readonly from: number; readonly upTo: number }): void {
    let end: number | undefined;
    for (const { baseOffset, lastOffset } of readBatches(found)) {
      assert.ok(end === undefined ? baseOffset <= from : baseOffset === end, `a gap in front of ${baseOffset}`);
      end = lastOffset + 1;
    }
    assert.ok(from >= upTo || end === upTo, `what is read ends at ${end}, and not at ${upTo}`);
    const records = new Map<number, string>();
    readRecords(found, (record) => void records.set(record.offset, textOf(record)));
    readRecords(appended, (record) => {
      const { offset: at, key, value } = record;
      const there = records.get(at);
      records.delete(at);
      if (there !== undefined) return (assert.equal(there, textOf(record), `the record at ${at}`), undefined);
      if (at < from || at >= upTo) return;
      const why = this.mayLack({ offset: at, key, value });
      assert.ok(why !== undefined, `the record at ${at} is gone`);
      this.#saw(why);
    });
    assert.equal(records.size, 0, 'records that nobody appended');
  }
}

function textOf({ timestampMs, key, value }: RecordView): string {
  return `${timestampMs} ${key?.toString('latin1') ?? '-'} ${value?.toString('latin1') ?? '-'}`;
}
