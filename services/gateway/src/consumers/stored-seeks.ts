import { HTTP_CONSUMER_SEEKS_MAX } from '@weir/base/group-limits.ts';
import { placeOf } from '@weir/client/group/assignor.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { GroupOffset } from '@weir/client/group/group-offsets.ts';

/** Where a consumer was moved to, and what its group had committed of that partition then; without it, nothing. */
export interface StoredSeek extends GroupOffset {
  readonly committed?: number;
}

/**
 * Where a consumer was moved to and has perhaps committed nothing since: who takes it over goes on there, if the group's commit of the
 * partition is still what it was. So a commit need not be written where the seek was.
 */
export class StoredSeeks {
  readonly #seeks = new Map<string, StoredSeek>();
  /** Those of the gateway before, until their partitions are read here. */
  readonly #restored = new Set<string>();

  /** As they are stored, the oldest first. */
  get all(): readonly StoredSeek[] {
    return [...this.#seeks.values()];
  }

  /** It was moved. */
  note(offsets: readonly GroupOffset[], committed: readonly GroupOffset[]): void {
    const before = new Map(committed.map((one) => [placeOf(one), one.offset]));
    for (const { topic, partition, offset } of offsets) {
      const key = placeOf({ topic, partition });
      const known = before.get(key);
      this.#seeks.delete(key);
      this.#seeks.set(key, { topic, partition, offset, ...(known === undefined ? {} : { committed: known }) });
      this.#restored.delete(key);
    }
    for (const key of this.#seeks.keys()) {
      if (this.#seeks.size <= HTTP_CONSUMER_SEEKS_MAX) break;
      this.#forget(key);
    }
  }

  /** Those of these partitions, or all of them, are worth nothing any more: it has committed since, say. */
  forget(places?: readonly TopicPartition[]): void {
    for (const key of places?.map(placeOf) ?? [...this.#seeks.keys()]) this.#forget(key);
  }

  /** What was stored of them, by the gateway before. */
  restore(seeks: readonly StoredSeek[]): void {
    for (const seek of seeks) {
      this.#seeks.set(placeOf(seek), seek);
      this.#restored.add(placeOf(seek));
    }
  }

  /** Those of the gateway before for partitions that are read now: each once. */
  takeRestored(places: readonly TopicPartition[]): readonly StoredSeek[] {
    return places.flatMap((place) => {
      const key = placeOf(place);
      return this.#restored.delete(key) ? (this.#seeks.get(key) ?? []) : [];
    });
  }

  #forget(key: string): void {
    this.#seeks.delete(key);
    this.#restored.delete(key);
  }
}
