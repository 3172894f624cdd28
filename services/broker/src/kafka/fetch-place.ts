import { assert } from '@weir/base/assert.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { FetchRequest } from '@weir/kafka/apis/fetch.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import { latin1 } from '../partition/partition-key.ts';
import type { Partition } from '../partition/partition.ts';
import type { TailReader } from '../partition/partition-parts.ts';

/** A partition that a reader wants, and how it names the topic. */
export interface Wanted {
  readonly topic: string;
  /** 16 bytes; zero where the topic has a name. */
  readonly topicId: Uint8Array;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly maxBytes: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
}

/** What was found at a partition that is served here. */
export interface Served {
  readonly kind: 'served';
  readonly partition: Partition;
  /** None while the reader waits: only how many bytes they were is kept. */
  buffers: readonly Buffer[];
  bytes: number;
  /** Behind them. */
  nextOffset: number;
}

/** What a look at a partition found. */
export type Found =
  | Served
  /** Where the reader's log and this one part. */
  | {
      readonly kind: 'diverged';
      readonly partition: Partition;
      readonly at: { readonly epoch: number; readonly endOffset: number };
    }
  | { readonly kind: 'refused'; readonly why: Refusal };

/** Who hears that there may be more at a place. */
export interface PlaceOwner {
  woke(place: FetchPlace): void;
}

/** No high watermark and no log start. */
export const UNTOLD = -2;
export const NO_BUFFERS: readonly Buffer[] = [];

/**
 * One partition that a reader wants: what was found there last, and its place at the tail.
 *
 * Invariant: while it is parked, what it has found is what there is, or its owner is about to hear.
 */
export class FetchPlace implements TailReader {
  memberIndex = -1;
  wanted: Wanted;
  found: Found | undefined;
  /** What the reader of a session was told last. */
  toldHighWatermark = UNTOLD;
  toldLogStart = UNTOLD;
  /** In a session, the one with the lowest is served first. */
  turn: number;
  readonly #owner: PlaceOwner;
  #readsAt: Partition | undefined;
  #isParked = false;

  constructor(wanted: Wanted, owner: PlaceOwner, turn = 0) {
    this.wanted = wanted;
    this.#owner = owner;
    this.turn = turn;
  }

  /** Nothing of it is to be read, nor was anything when it was looked at: there is no need to look again. */
  get isQuiet(): boolean {
    return this.#isParked && this.found?.kind === 'served' && this.found.bytes === 0 && !isCut(this.found);
  }

  /** Whether its reader, that of a session, knows all that there is to know of it. */
  get isKnown(): boolean {
    const { found } = this;
    if (found?.kind !== 'served') return false;
    const { highWatermark, logStartOffset } = found.partition;
    return this.toldHighWatermark === highWatermark && this.toldLogStart === logStartOffset;
  }

  /** The reader wants something else of it: it is to be looked at. */
  want(wanted: Wanted): void {
    this.wanted = wanted;
    this.#isParked = false;
  }

  /** Waits at the tail of the partition that it was found at, holding no payload; not where none is served. */
  park(): void {
    const { found } = this;
    if (found?.kind !== 'served') return;
    found.buffers = NO_BUFFERS;
    if (this.#isParked) return;
    const { partition } = found;
    if (this.#readsAt !== partition) {
      this.leave();
      partition.readers.add(this);
      this.#readsAt = partition;
    }
    partition.readers.park(this);
    this.#isParked = true;
  }

  /** Waits nowhere any more. */
  leave(): void {
    this.#readsAt?.readers.remove(this);
    this.#readsAt = undefined;
    this.#isParked = false;
  }

  wake(): void {
    if (!this.#isParked) return;
    this.#isParked = false;
    this.#owner.woke(this);
  }

  ended(): void {
    assert(this.#readsAt !== undefined, 'a place whose partition ends has read there');
    this.#readsAt = undefined;
    // One that is not parked is looked at anyway.
    this.wake();
  }
}

/** There is more of it than was found: the limits let no more through. */
export function isCut({ nextOffset, partition }: Served): boolean {
  return nextOffset < partition.highWatermark;
}

/** What a request names, in its order. */
export function wantedOf({ topics }: FetchRequest): Wanted[] {
  const wanted: Wanted[] = [];
  for (const { topic, topicId: view, partitions } of topics) {
    // A view would keep the whole request in memory for as long as the session lives.
    const topicId = view === NO_UUID ? view : Uint8Array.from(view);
    for (const one of partitions) {
      wanted.push({
        topic,
        topicId,
        partition: one.partition,
        fetchOffset: one.fetchOffset,
        maxBytes: one.partitionMaxBytes,
        currentLeaderEpoch: one.currentLeaderEpoch,
        lastFetchedEpoch: one.lastFetchedEpoch,
      });
    }
  }
  return wanted;
}

/** What tells partitions apart. Names hold no NUL, and ids have as many bytes as each other. */
export function keyOf({ topic, topicId, partition }: Pick<Wanted, 'topic' | 'topicId' | 'partition'>): string {
  const named = topic === '' ? latin1(topicId) : topic;
  return `${named}\0${partition}`;
}
