import { refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { PRODUCER_EXPIRY_CHECK_MS, PRODUCER_ID_EXPIRATION_MS } from '@weir/base/limits.ts';
import { hasProducerId, lastOffsetOf } from '@weir/records/batch-header.ts';
import { admission, type Admission } from './admission.ts';
import { idempotentIdOf, ProducerStates, stateBehind } from './producer-states.ts';
import type { ProducerBatch, ProducerEntry, ProducerState } from './producer-states.ts';
import { findProducers, type ProducerRecovery } from './recover-producers.ts';
import type { SnapshotFiles } from './snapshot-files.ts';

/** Behind a batch that was appended. */
interface AppendedState {
  readonly producerId: number;
  readonly state: ProducerState;
  readonly lastOffset: Offset;
}

/**
 * The idempotent producers of a log: whether a batch follows the one before it, or is there already (KIP-98). Batches
 * that no idempotent producer wrote cost a look at their header.
 *
 * Invariant: a snapshot has the producers of exactly the batches below its offset; what is appended and not written yet
 * is kept apart for that.
 */
export class LogProducers {
  /** Of the batches that are in the segments, as far as that has been looked at. */
  #written: ProducerStates;
  readonly #files: SnapshotFiles;
  /** In offset order. */
  #appended: AppendedState[] = [];
  /** The last one of each producer in `#appended`. */
  readonly #latest = new Map<number, ProducerState>();
  #expiredMs = Number.NEGATIVE_INFINITY;

  constructor(written: ProducerStates, files: SnapshotFiles) {
    this.#written = written;
    this.#files = files;
  }

  /** See `Log.admit`. */
  admit(batch: Buffer): Admission {
    if (!hasProducerId(batch, 0)) return undefined;
    const producerId = idempotentIdOf(batch, 0);
    if (producerId === undefined) return refusal('INVALID_RECORD', 'its producer id is larger than any that there is');
    return admission(this.#latest.get(producerId) ?? this.#written.get(producerId), producerId, batch);
  }

  /**
   * A batch got its offsets.
   *
   * @param writtenEnd the end of what is in the segments
   */
  appended(batch: Buffer, writtenEnd: Offset): void {
    if (!hasProducerId(batch, 0)) return;
    const producerId = idempotentIdOf(batch, 0);
    if (producerId === undefined) return;
    const state = stateBehind(this.#latest.get(producerId) ?? this.#written.get(producerId), batch, 0);
    this.#latest.set(producerId, state);
    this.#appended.push({ producerId, state, lastOffset: lastOffsetOf(batch, 0) });
    // Last, so that a producer that is at it stays in the map: see Members for what a map costs that is emptied each time.
    this.#settle(writtenEnd);
  }

  /** The last batches of a producer, some of which may not be written yet; undefined: it is not known (any more). */
  batchesOf(producerId: number): readonly ProducerBatch[] | undefined {
    return (this.#latest.get(producerId) ?? this.#written.get(producerId))?.batches;
  }

  /** Forgets producers that sent nothing for PRODUCER_ID_EXPIRATION_MS; looks no more often than is worth it. */
  expire(nowMs: number, writtenEnd: Offset): void {
    const sinceMs = nowMs - this.#expiredMs;
    if (sinceMs >= 0 && sinceMs < PRODUCER_EXPIRY_CHECK_MS) return;
    this.#expiredMs = nowMs;
    this.#settle(writtenEnd);
    this.#written.expire(nowMs, PRODUCER_ID_EXPIRATION_MS);
  }

  /**
   * A segment ends at `end`, where the next one is about to begin, and with it a sync of the folder. The snapshot is
   * durable then: once retention has removed the batches before it there is no other copy.
   *
   * @throws DiskError
   */
  seal(end: Offset): void {
    this.#settle(end);
    this.#files.write(end, this.#written, { sync: true });
    // The one before it, should this one rot.
    this.#files.keepNewest(2);
  }

  /**
   * The log is closed at its end, with all of it written. The snapshot is not synced, as many logs are closed at once:
   * should it be lost, the headers of the active segment tell the same.
   *
   * @throws DiskError
   */
  close(end: Offset, log: { readonly activeBase: Offset; readonly bytes: number }): void {
    this.#settle(end);
    if (log.bytes === 0 && this.#written.size === 0 && this.#files.count === 0) return;
    this.#files.write(end, this.#written, { sync: false });
    this.#files.removeBetween(log.activeBase, end);
  }

  /** The log is being cut; the caller syncs the folder, before others can have the offsets that they know of. */
  dropSnapshotsBeyond(end: Offset): void {
    this.#files.removeBeyond(end);
  }

  /**
   * The log was cut: it knows the producers of what is left, as if the rest had never been appended.
   *
   * @throws DiskError; then it can be called again
   */
  truncate(end: Offset, log: Omit<ProducerRecovery, 'files' | 'scanned'>): void {
    this.#appended = this.#appended.filter(({ lastOffset }) => lastOffset < end);
    this.#latest.clear();
    for (const { producerId, state } of this.#appended) this.#latest.set(producerId, state);
    if (!this.#written.reach(end)) return;
    this.#written = findProducers({ ...log, files: this.#files, scanned: undefined });
  }

  /**
   * The log was made anew, without any of its batches. The caller syncs the folder.
   *
   * @param producers - of the batches below its start
   * @throws DiskError; then it knows no producers
   */
  restart(start: Offset, producers: ProducerStates): void {
    this.#files.keepNewest(0);
    this.#appended = [];
    this.#latest.clear();
    this.#written = new ProducerStates();
    if (producers.size === 0) return;
    this.#files.write(start, producers, { sync: true });
    this.#written = producers;
  }

  /** What is known of batches that end below an offset. Of a producer that has begun another epoch since, nothing. */
  below(end: Offset): ProducerStates {
    const known = new ProducerStates();
    const add = ([producerId, state]: ProducerEntry): void => {
      const batches = state.batches.filter(({ lastOffset }) => lastOffset < end);
      if (batches.length > 0) known.put(producerId, { ...state, batches });
    };
    for (const entry of this.#written.entries()) if (!this.#latest.has(entry[0])) add(entry);
    for (const entry of this.#latest) add(entry);
    return known;
  }

  /** The log's first segment begins here now. */
  segmentsRemoved(firstBase: Offset): void {
    this.#files.removeBefore(firstBase);
  }

  /** What lies below an offset is in the segments. */
  #settle(writtenEnd: Offset): void {
    let count = 0;
    for (const { producerId, state, lastOffset } of this.#appended) {
      if (lastOffset >= writtenEnd) break;
      count += 1;
      this.#written.put(producerId, state);
      if (this.#latest.get(producerId) === state) this.#latest.delete(producerId);
    }
    if (count > 0) this.#appended = this.#appended.slice(count);
  }
}
