import { create } from '@bufbuild/protobuf';
import type { Clock } from '@weir/base/clock.ts';
import { brokerId, topicId, uuidToBytes } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { Journal } from '@weir/log/journal/journal.ts';
import { replayJournal } from '@weir/log/journal/replay-journal.ts';
import { OpenFiles } from '@weir/log/open-files.ts';
import { TailCache } from '@weir/log/tail-cache.ts';
import { DiskRoom } from './disk-room.ts';
import { ChangeSchema, DeltaSchema, SnapshotPageSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Change } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { BrokerMetrics } from './metrics.ts';
import type { AppendWaiter } from './partition/append-queue.ts';
import type { LastRun } from './partition/open-log.ts';
import { Partition } from './partition/partition.ts';
import { Partitions } from './partition/partitions.ts';
import type { PartitionsReplicator } from './partition/partitions-parts.ts';
import { Turn } from './partition/turn.ts';
import type { ReplicaState } from './replication/in-sync-replicas.ts';

/** A topic's id for tests. */
export const TOPIC_ID = topicId('0a1b2c3d-0000-4000-8000-000000000001');
/** The same as it travels. */
export const TOPIC_ID_BYTES: Uint8Array = uuidToBytes(TOPIC_ID);

/** Time that stands still until a test moves it; turns end when it says so. */
export class TestClock implements Clock {
  nowMs = 1_000;
  readonly #endings: (() => void)[] = [];
  #timers: { readonly dueMs: number; readonly callback: () => void }[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves the time, and calls what is due. */
  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.nowMs);
    for (const { callback } of due) callback();
  }

  every(): () => void {
    return () => {};
  }

  endOfTurn(callback: () => void): void {
    this.#endings.push(callback);
  }

  /** Ends the turn, and those that follow from it. */
  endTurns(): void {
    for (let turns = 0; this.#endings.length > 0; turns++) {
      if (turns > 1_000) throw new Error('turns without an end');
      for (const ending of this.#endings.splice(0)) ending();
    }
  }
}

/** A batch of so many records, each with this value. */
export function batchOf(count: number, value = 'v', timestampMs = 1_000): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1024 * 1024 });
  for (let i = 0; i < count; i++) {
    if (!builder.append({ key: null, value: Buffer.from(value), timestampMs: timestampMs + i })) {
      throw new Error('does not fit');
    }
  }
  return builder.build();
}

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text);
}

/** A batch of one record of a key; null: a tombstone. */
export function keyedBatchOf(key: string | null, value: string | null, timestampMs = 1_000): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1024 * 1024 });
  if (!builder.append({ key: bytesOf(key), value: bytesOf(value), timestampMs })) throw new Error('does not fit');
  return builder.build();
}

/** What the metadata says of the one topic. */
export interface TestTopic {
  readonly configs?: Record<string, string>;
  readonly partitions: readonly {
    leader: number;
    epoch: number;
    replicas?: number[];
    /** The leader alone, unless others are named. */
    isr?: number[];
    partitionEpoch?: number;
  }[];
}

/** The replicas of a partition that broker 1 has alone. */
export const ALONE: ReplicaState = { partitionEpoch: 1, replicas: [1], isr: [{ broker: 1, epoch: 101 }], minInSync: 1 };

/** The broker epoch of a broker. */
export function epochOf(broker: number): number {
  return 100 + broker;
}

/** The changes that stand for a topic. */
export function changesOf(topic: TestTopic, id: Uint8Array = TOPIC_ID_BYTES, name = 'orders'): Change[] {
  const partitions = topic.partitions.map(
    ({ leader, epoch, replicas = [1], isr = leader === -1 ? replicas : [leader], partitionEpoch = epoch }, index) => ({
      change: {
        case: 'partition' as const,
        value: {
          topicId: id,
          index,
          replicas,
          leader,
          leaderEpoch: epoch,
          isr,
          isrEpochs: isr.map((broker) => BigInt(epochOf(broker))),
          partitionEpoch,
          uncleanEpoch: -1,
        },
      },
    }),
  );
  const value = { name, id, partitionCount: topic.partitions.length, configs: topic.configs ?? {} };
  return [...partitions, { change: { case: 'topic' as const, value } }].map((init) => create(ChangeSchema, init));
}

/** What is set of a broker, or of all of them: then its name is empty. */
export function configsChange(name: string, configs: Record<string, string>): Change {
  return create(ChangeSchema, { change: { case: 'brokerConfigs', value: { name, configs } } });
}

/** Remembers the answers, each as an offset or an error code. */
export class TestWaiter implements AppendWaiter {
  readonly answers = new Map<number, number | string>();

  appended(slot: number, baseOffset: number): void {
    this.answers.set(slot, baseOffset);
  }

  failed(slot: number, why: Refusal): void {
    this.answers.set(slot, why.code);
  }
}

const NOTHING_LEFT = { checkpoint: new Map(), highWatermarks: new Map(), cleanShutdown: false };

/** The partitions of broker 1 on a simulated disk whose syncs and reads complete when the test says so. */
export class TestPartitions {
  readonly disk: SimulatedDisk;
  readonly clock: TestClock;
  readonly turn: Turn;
  readonly metrics = new BrokerMetrics(testWorld().registry);
  readonly partitions: Partitions;
  /** Overwritten as soon as nobody should look at it any more. */
  readonly slabs = new Slabs({ slabBytes: 1024 * 1024, idleBytesMax: 8 * 1024 * 1024, poison: true });
  readonly journal: Journal;
  readonly events: string[] = [];
  /** What replication was told. */
  readonly replicated: string[] = [];
  /** How many it led each time it said that it had taken up all. */
  readonly takenUp: number[] = [];
  readonly waiter = new TestWaiter();
  /** Whether the disk takes the checkpoint that names a new partition. */
  takesNames = true;
  /** The checkpoint as it was written last. */
  saved: ReadonlyMap<string, Offset> = new Map();
  image = new ClusterImage();
  #revision = 0;

  constructor(
    options: {
      disk?: SimulatedDisk;
      flush?: 'commit' | 'interval';
      appendPendingBytesMax?: number;
      tailCacheBytes?: number;
      brokerId?: number;
      clock?: TestClock;
      replicator?: PartitionsReplicator;
    } = {},
  ) {
    this.clock = options.clock ?? new TestClock();
    this.turn = new Turn(this.clock);
    // Large blocks: the disk copies a file for each, and what a crash tears is for the test that crashes it.
    this.disk = options.disk ?? new SimulatedDisk(seededRandom(1), { blockBytes: 64 * 1024 * 1024 });
    this.journal = new Journal({ disk: this.disk, clock: this.clock, random: seededRandom(2) });
    this.partitions = new Partitions({
      disk: this.disk,
      clock: this.clock,
      cache: new TailCache(options.tailCacheBytes ?? 1024 * 1024, this.slabs),
      files: new OpenFiles(this.disk, 100),
      journal: this.journal,
      room: new DiskRoom(this.disk, this.clock),
      turn: this.turn,
      metrics: this.metrics,
      brokerId: brokerId(options.brokerId ?? 1),
      defaultFlush: options.flush ?? 'commit',
      appendPendingBytesMax: options.appendPendingBytesMax ?? 1024 * 1024,
      replicator: options.replicator ?? {
        follows: ({ name }) => this.replicated.push(`${name} follows`),
        leaves: ({ name }) => this.replicated.push(`${name} leaves`),
        isDurable: ({ name }) => this.replicated.push(`${name} is durable`),
        mayAlterIsr: () => {},
        resigns: ({ name }) => this.replicated.push(`${name} resigns`),
        isrChanged: () => {},
        doubtful: () => {},
        beginsAnew: ({ name }) => this.replicated.push(`${name} begins anew`),
      },
      events: {
        created: () => {
          this.events.push('created');
          this.#save();
          return this.takesNames;
        },
        rolled: () => this.events.push('rolled'),
        watermarkLowered: () => this.events.push('watermark lowered'),
        forgotten: () => {
          this.events.push('forgotten');
          this.#save();
          return this.takesNames;
        },
        deletionFailed: ({ code }) => this.events.push(`deletion failed: ${code}`),
        syncFailed: (partition) => this.events.push(`sync failed: ${partition.name}`),
        wentOffline: (partition) => this.events.push(`offline: ${partition.name}`),
        takenUp: () => this.takenUp.push(this.partitions.counts().leader),
      },
    });
  }

  recover(lastRun: Partial<LastRun> = {}): this {
    const { ends, damage, refused } = replayJournal(this.disk, { expected: false });
    const journal = { journalEnds: ends, journalDamaged: damage !== undefined, journalRefused: refused };
    const steps = [...this.partitions.recover({ ...NOTHING_LEFT, ...journal, ...lastRun })];
    if (refused.length === 0) this.journal.begin(1024 * 1024);
    this.events.push(`recovered: ${steps.length}`);
    return this;
  }

  /** A snapshot with this topic and no other, acted upon. */
  apply(...changes: Change[]): this {
    this.image = new ClusterImage();
    const image = this.image;
    const revision = BigInt(++this.#revision);
    const applied = image.applyPage(create(SnapshotPageSchema, { revision, changes, last: true }));
    if (applied.kind !== 'applied') throw new Error(applied.kind);
    this.partitions.apply(image, applied.changes);
    this.clock.endTurns();
    return this;
  }

  /** Recovered, and leading partition 0 in epoch 0. */
  leading(configs: Record<string, string> = {}): this {
    return this.recover().apply(...changesOf({ configs, partitions: [{ leader: 1, epoch: 0 }] }));
  }

  #save(): void {
    if (this.takesNames) this.saved = this.partitions.checkpoint();
  }

  /** The topic is deleted, by a delta. */
  applyDeletion(id: Uint8Array = TOPIC_ID_BYTES, name = 'orders'): this {
    return this.change(create(ChangeSchema, { change: { case: 'deletedTopic', value: { id, name } } }));
  }

  /** Of the metadata, what is named here is so from now on; the rest stays. */
  change(...changes: Change[]): this {
    const applied = this.image.applyDelta(create(DeltaSchema, { revision: BigInt(++this.#revision), changes }));
    if (applied.kind !== 'applied') throw new Error(applied.kind);
    this.partitions.apply(this.image, applied.changes);
    this.clock.endTurns();
    return this;
  }

  partition(index = 0): Partition {
    const found = this.partitions.serving(TOPIC_ID_BYTES, index, -1);
    if (found instanceof Partition) return found;
    throw new Error(`${found.code}: ${found.message}`);
  }

  /** The code with which it is refused, or "served". */
  serving(index = 0, epoch = -1): string {
    const found = this.partitions.serving(TOPIC_ID_BYTES, index, epoch);
    return found instanceof Partition ? 'served' : found.code;
  }

  /** Ends turns and completes syncs until nothing is under way. */
  settle(): void {
    for (let i = 0; i < 100; i++) {
      this.clock.endTurns();
      if (this.disk.pendingSyncs + this.disk.pendingReads === 0) return;
      this.disk.completeSyncs();
      this.disk.completeReads();
    }
    throw new Error('it does not settle');
  }
}
