import type { Cancel } from '@weir/base/clock.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  GROUP_LATE_MS,
  GROUP_TICK_MS,
  GROUPS_PER_SHARD_MAX,
  OFFSETS_RETENTION_CHECK_MS,
} from '@weir/base/group-limits.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import type { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { GroupError } from './group-error.ts';
import { GroupShard } from './group-shard.ts';
import type { GroupShardParts, HeldGroup } from './group-shard.ts';
import { expireOffsets, forgetTopic } from './offset-retention.ts';
import { treeShared } from './tree/shard-tree.ts';

/** What coordinating groups needs. */
export interface GroupCoordinatorParts extends Omit<GroupShardParts, 'over' | 'tree'> {
  readonly partitions: Partitions;
  /** Undefined before the coordinator of the cluster has told. */
  readonly image: () => ClusterImage | undefined;
  readonly offsetsRetentionMs: number;
}

/**
 * The consumer groups that this broker coordinates: those in the partitions of `__consumer_offsets` that it leads, a shard for each.
 */
export class GroupCoordinator {
  readonly #parts: GroupCoordinatorParts;
  /** By partition. */
  readonly #shards = new Map<number, GroupShard>();
  readonly #tree = treeShared();
  #cancels: Cancel[] = [];
  #lastTickMs = 0;
  #isLooking = false;
  #stopped = false;

  constructor(parts: GroupCoordinatorParts) {
    this.#parts = parts;
  }

  /** The shard that has a group, or why it cannot be asked here. */
  shardOf(groupId: string): GroupShard | GroupError {
    if (this.#stopped) return 'COORDINATOR_NOT_AVAILABLE';
    const topic = this.#parts.image()?.topic(OFFSETS_TOPIC);
    if (topic === undefined) return 'NOT_COORDINATOR';
    const shard = this.#shards.get(partitionForGroup(groupId, topic.partitions.length));
    if (shard === undefined) return 'NOT_COORDINATOR';
    return shard.problem ?? shard;
  }

  /** The shard of a partition, or why it cannot be asked here. */
  shardAt(partition: number): GroupShard | GroupError {
    if (this.#stopped) return 'COORDINATOR_NOT_AVAILABLE';
    const shard = this.#shards.get(partition);
    return shard === undefined ? 'NOT_COORDINATOR' : (shard.problem ?? shard);
  }

  /** The same for who may make a group of it that is not there yet. */
  shardFor(groupId: string): GroupShard | GroupError {
    const shard = this.shardOf(groupId);
    if (typeof shard === 'string' || shard.size < GROUPS_PER_SHARD_MAX || shard.find(groupId) !== undefined)
      return shard;
    return 'POLICY_VIOLATION';
  }

  /** In no order. */
  shards(): Iterable<GroupShard> {
    return this.#shards.values();
  }

  /** All groups that have been loaded, shard by shard. */
  *groups(): Generator<HeldGroup> {
    for (const shard of this.#shards.values()) yield* shard.groups();
  }

  /** Whether a group is coordinated here, or may be once its shard has loaded. */
  isHere(groupId: string): boolean {
    const shard = this.shardOf(groupId);
    return shard instanceof GroupShard ? shard.find(groupId) !== undefined : shard === 'COORDINATOR_LOAD_IN_PROGRESS';
  }

  /** The metadata has changed, or a partition is led: looks which shards there are to be. */
  look(): void {
    if (this.#stopped) return;
    const led = this.#led();
    for (const [index, shard] of this.#shards) {
      const partition = led.get(index);
      if (partition === shard.partition && partition.leadership?.epoch === shard.epoch) continue;
      this.#shards.delete(index);
      shard.end('NOT_COORDINATOR');
    }
    for (const [index, partition] of led) {
      const epoch = partition.leadership?.epoch;
      if (epoch === undefined || this.#shards.has(index)) continue;
      const over = (ended: GroupShard, why: Refusal): void => this.#over(ended, why);
      const shard = new GroupShard(partition, epoch, { ...this.#parts, tree: this.#tree, over });
      this.#shards.set(index, shard);
      shard.begin();
    }
    if (this.#shards.size > 0) this.#start();
    else this.#rest();
  }

  /** A topic is gone: so is what groups have committed of it. */
  topicDeleted(name: string): void {
    for (const shard of this.#shards.values()) forgetTopic(shard, name);
  }

  /** Tells whoever waits to look for another coordinator. */
  stop(): void {
    this.#stopped = true;
    this.#rest();
    for (const shard of this.#shards.values()) shard.end('NOT_COORDINATOR');
    this.#shards.clear();
  }

  #led(): Map<number, Partition> {
    const { partitions, image } = this.#parts;
    const led = new Map<number, Partition>();
    const topic = image()?.topic(OFFSETS_TOPIC);
    for (const { index } of topic?.partitions ?? []) {
      const found = partitions.serving(topic!.idBytes, index, -1);
      if (found instanceof Partition) led.set(index, found);
    }
    return led;
  }

  /** Once all that follows from the same event is done: where it is led here yet, it is read anew. */
  #over(shard: GroupShard, why: Refusal): void {
    for (const [index, known] of this.#shards) if (known === shard) this.#shards.delete(index);
    const { clock, logger } = this.#parts;
    if (this.#stopped || this.#isLooking) return;
    logger.info(
      { code: why.code },
      `the groups of ${shard.partition.name} are not coordinated here for now: ${why.message}`,
    );
    this.#isLooking = true;
    clock.endOfTurn(() => {
      this.#isLooking = false;
      this.look();
    });
  }

  #start(): void {
    if (this.#cancels.length > 0) return;
    const { clock } = this.#parts;
    this.#lastTickMs = clock.monotonicMs();
    this.#cancels = [
      clock.every(GROUP_TICK_MS, () => this.#tick()),
      clock.every(OFFSETS_RETENTION_CHECK_MS, () => this.#retain()),
    ];
  }

  #rest(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }

  #tick(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const lateMs = nowMs - this.#lastTickMs - GROUP_TICK_MS;
    this.#lastTickMs = nowMs;
    for (const shard of this.#shards.values()) {
      if (lateMs >= GROUP_LATE_MS) shard.postpone(lateMs);
      shard.tick();
    }
  }

  #retain(): void {
    const { clock, offsetsRetentionMs } = this.#parts;
    for (const shard of this.#shards.values()) expireOffsets(shard, clock.wallMs(), offsetsRetentionMs);
  }
}
