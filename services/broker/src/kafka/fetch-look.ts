import { unreachable } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import { KAFKA_FETCH_COLD_BYTES_MAX } from '@weir/base/limits.ts';
import type { ColdRead } from '@weir/log/log-read.ts';
import { Partition } from '../partition/partition.ts';
import type { FetchPlace, Found, Served, Wanted } from './fetch-place.ts';
import { isCut, NO_BUFFERS } from './fetch-place.ts';
import type { FetchParts } from './fetch.ts';
import { servingByName } from './topics.ts';

/** What came from the disk for a partition. */
export interface ColdResult {
  readonly buffers: readonly Buffer[];
  /** Behind them. */
  readonly nextOffset: number;
  readonly error: Error | undefined;
}

/** A read from disk that is to be made. */
export interface Plan {
  readonly place: FetchPlace;
  readonly partition: Partition;
  readonly plan: ColdRead;
}

type LookParts = Pick<FetchParts, 'partitions' | 'cluster' | 'metrics'>;

/** Looks at partitions one after the other, within what a reader wants in all. */
export class FetchLook {
  /** What lies on disk, and was not read yet. */
  readonly plans: Plan[] = [];
  readonly #parts: LookParts;
  readonly #cold: ReadonlyMap<FetchPlace, ColdResult>;
  #left: number;
  #coldLeft = KAFKA_FETCH_COLD_BYTES_MAX;
  #isFirst = true;

  /** `cold`: what was read from disk for them; without any, what is to be read is planned. */
  constructor(parts: LookParts, bytesMax: number, cold: ReadonlyMap<FetchPlace, ColdResult>) {
    this.#parts = parts;
    this.#left = bytesMax;
    this.#cold = cold;
  }

  at(place: FetchPlace): Found {
    const { wanted } = place;
    const partition = partitionOf(this.#parts, wanted);
    if (!(partition instanceof Partition)) return { kind: 'refused', why: partition };
    const at = divergence(partition, wanted);
    if (at !== undefined) return at.epoch === -1 ? outOfRange(partition, wanted) : { kind: 'diverged', partition, at };
    const limit = Math.min(this.#left, Math.max(0, wanted.maxBytes));
    const read = partition.read(offset(wanted.fetchOffset), Math.max(1, limit));
    switch (read.kind) {
      case 'atEnd':
        return nothing(partition, wanted);
      case 'outOfRange':
        return outOfRange(partition, wanted);
      case 'batches':
        this.#parts.metrics.reads.cache++;
        return this.#take(read, { partition, wanted, limit });
      case 'cold':
        return this.#takeCold(place, read.plan, { partition, limit });
      default:
        return unreachable(read);
    }
  }

  /** A batch that is larger than what is wanted goes alone, or its reader would never get past it. */
  #take(
    { buffers, nextOffset }: Pick<ColdResult, 'buffers' | 'nextOffset'>,
    { partition, wanted, limit }: { partition: Partition; wanted: Wanted; limit: number },
  ): Found {
    const bytes = bytesOf(buffers);
    if (bytes > limit && !this.#isFirst) return nothing(partition, wanted);
    if (bytes > 0) {
      this.#isFirst = false;
      this.#left = Math.max(0, this.#left - bytes);
    }
    return { kind: 'served', partition, buffers, bytes, nextOffset };
  }

  #takeCold(place: FetchPlace, plan: ColdRead, { partition, limit }: { partition: Partition; limit: number }): Found {
    const { wanted } = place;
    const result = this.#cold.get(place);
    if (result?.error !== undefined) {
      const message = `reading ${partition.name} failed: ${result.error.message}`;
      return { kind: 'refused', why: partition.problem(-1) ?? refusal('KAFKA_STORAGE_ERROR', message) };
    }
    if (result !== undefined) return this.#take(result, { partition, wanted, limit });
    if (this.#cold.size === 0 && (this.#isFirst || Math.min(limit, this.#coldLeft) > 0)) {
      const maxBytes = Math.max(1, Math.min(limit, this.#coldLeft));
      this.#coldLeft -= maxBytes;
      this.#left -= maxBytes;
      this.#isFirst = false;
      this.plans.push({ place, partition, plan: { ...plan, maxBytes } });
    }
    return nothing(partition, wanted);
  }
}

/**
 * Adds what has come at a place since its bytes were counted, and parks it again.
 *
 * @returns how many bytes that is; undefined: that cannot be told without a look at all of them
 */
export function countMore(parts: LookParts, place: FetchPlace): number | undefined {
  const { wanted, found } = place;
  if (found?.kind !== 'served') return undefined;
  const { partition } = found;
  if (partitionOf(parts, wanted) !== partition || divergence(partition, wanted) !== undefined) return undefined;
  if (wanted.fetchOffset < partition.logStartOffset) return undefined;
  const before = found.bytes;
  const read = partition.read(offset(found.nextOffset), Math.max(1, wanted.maxBytes - before));
  if (read.kind === 'batches') {
    found.bytes += bytesOf(read.buffers);
    found.nextOffset = read.nextOffset;
  } else if (read.kind !== 'atEnd') {
    return undefined;
  }
  if (exceeds(found, wanted)) return undefined;
  place.park();
  return found.bytes - before;
}

/** Whether more is there than the reader wants of it: then what others have decides upon what it is sent. */
export function exceeds(found: Served, { maxBytes }: Wanted): boolean {
  return isCut(found) || found.bytes > Math.max(0, maxBytes);
}

export function bytesOf(buffers: readonly Buffer[]): number {
  let bytes = 0;
  for (const buffer of buffers) bytes += buffer.length;
  return bytes;
}

function partitionOf(parts: LookParts, wanted: Wanted): Partition | Refusal {
  const { topic: name, topicId, partition, fetchOffset, currentLeaderEpoch } = wanted;
  // Versions that name topics by their ids have no names.
  const found =
    name === ''
      ? parts.partitions.serving(topicId, partition, currentLeaderEpoch)
      : servingByName(parts, name, partition, currentLeaderEpoch);
  if (!(found instanceof Partition)) return found;
  if (!Number.isSafeInteger(fetchOffset) || fetchOffset < 0) return whyOutOfRange(found, wanted);
  return found;
}

function nothing(partition: Partition, { fetchOffset }: Wanted): Served {
  return { kind: 'served', partition, buffers: NO_BUFFERS, bytes: 0, nextOffset: fetchOffset };
}

/**
 * Where the reader's log and this one part, or undefined: it has read in an epoch that ended here before its offset
 * (KIP-595). Epoch -1: this log does not know that epoch.
 */
function divergence(
  partition: Partition,
  { lastFetchedEpoch, fetchOffset }: Wanted,
): { epoch: number; endOffset: number } | undefined {
  if (lastFetchedEpoch < 0) return undefined;
  const end = partition.epochEnd(lastFetchedEpoch);
  return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : undefined;
}

function outOfRange(partition: Partition, wanted: Wanted): Found {
  return { kind: 'refused', why: whyOutOfRange(partition, wanted) };
}

function whyOutOfRange({ name, logStartOffset, highWatermark }: Partition, { fetchOffset }: Wanted): Refusal {
  return refusal(
    'OFFSET_OUT_OF_RANGE',
    `${name} has the offsets ${logStartOffset} to ${highWatermark}, not ${fetchOffset}`,
  );
}
