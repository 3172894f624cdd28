import { assert } from '@weir/base/assert.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { ClusterImage } from './image.ts';
import { rulesOf } from './partition-rules.ts';
import type { TestController } from './test-controller.ts';

/** For tests: every partition by its place, as text. */
export function snapshotOf(image: ClusterImage) {
  return new Map([...image.partitions()].map((partition) => [`${partition.topicId}/${partition.index}`, partition]));
}

/** For tests: which replicas hold all that may be committed, as nobody but an observer of everything knows it. */
export class CompleteReplicas {
  readonly #brokers = new Map<string, Set<number>>();
  readonly #uncleanEpochs = new Map<string, number>();
  /** By place, the partition epoch in which the last replica was reported that could have led. */
  readonly #givenUp = new Map<string, number>();

  constructor(image: ClusterImage) {
    this.check(image);
  }

  /** It does not hold it any more. */
  lost(place: string, broker: number): void {
    this.#brokers.get(place)?.delete(broker);
  }

  /** A report left nobody to lead it, which stays so until something else happens. */
  gaveUp(place: string, partitionEpoch: number): void {
    this.#givenUp.set(place, partitionEpoch);
  }

  isGivenUp(place: string, partitionEpoch: number): boolean {
    return this.#givenUp.get(place) === partitionEpoch;
  }

  /** Its leader has seen it hold all. */
  caughtUp(place: string, broker: number): void {
    this.#brokers.get(place)?.add(broker);
  }

  /** R4; from then on, where the ISR is large enough, something is committed that only the ISR has. */
  check(image: ClusterImage): void {
    for (const [place, partition] of snapshotOf(image)) {
      const { isr, elr, leader, replicas, uncleanEpoch } = partition;
      const inSync = isr.map(({ broker }) => broker);
      // What an unclean election loses is committed no longer.
      const isUnclean = uncleanEpoch !== (this.#uncleanEpochs.get(place) ?? -1);
      const complete = isUnclean ? new Set<number>(inSync) : (this.#brokers.get(place) ?? new Set<number>(replicas));
      for (const id of [...inSync, ...elr.map(({ broker }) => broker)]) {
        assert(complete.has(id), `broker ${id} lacks what is committed and is in the ISR or ELR of ${place}`);
      }
      const commits = leader !== -1 && isr.length >= rulesOf(image, partition).minInSync;
      this.#brokers.set(place, commits ? new Set(inSync) : complete);
      this.#uncleanEpochs.set(place, uncleanEpoch);
    }
  }
}

/** For tests: what an unclean election of all partitions must have led to. */
export function checkAllLed(image: ClusterImage): void {
  const active = new Set(image.activeBrokers().map(({ id }) => id));
  for (const { leader, replicas } of image.partitions()) {
    assert(leader !== -1 || replicas.every((id) => !active.has(id)), 'an unclean election leaves a live replica out');
  }
}

/** For tests: a topic that was there is, or was deleted as a whole. */
export function checkIsThereOrDeleted({ image, store }: TestController, topic: { name: string; id: TopicId }): void {
  const isThere = image.topics.get(topic.name)?.id === topic.id;
  assert(isThere !== image.deletedTopics.has(topic.id), 'a topic is there, or it is known that it was deleted');
  const stored = store.rangeNow({ prefix: `/partitions/${topic.id}/` }).items;
  assert(isThere || stored.length === 0, 'a deleted topic leaves no partitions');
}
