import type { Clock } from '@weir/base/clock.ts';
import { OFFSETS_RETENTION_MS } from '@weir/base/group-limits.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import type { Handler } from '@weir/base/transport.ts';
import { FakeCluster, silentLogger } from '@weir/client/test-kit/fake-cluster.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { GroupCounters } from '../group/group-counters.ts';
import { GroupCoordinator } from '../group/group-coordinator.ts';
import { groupOptions } from '../group/group-settings.ts';
import { OTHER_ID_BYTES } from '../kafka/test-door.ts';
import { changesOf, TestPartitions } from '../test-broker.ts';
import { ColdGate } from './cold-gate.ts';
import { consumerTreeHandlers } from './consumer-tree.ts';
import { ConsumerWatchStreams } from './consumer-watch-stream.ts';
import { groupHandlers } from './group-service.ts';

/** How often the disk and the log of the groups get on. */
const PUMP_MS = 5;

/** Broker 1 of a cluster in memory coordinates groups, with all that a broker coordinates them with; its records are fakes. */
export class NativeGroups {
  readonly cluster: FakeCluster;
  readonly broker: TestPartitions;
  readonly groups: GroupCoordinator;
  consumerWatches = new ConsumerWatchStreams();
  /** How many it made: the fake broker names logs by that, as "2/0". */
  #topics = 0;

  private constructor(cluster: FakeCluster) {
    this.cluster = cluster;
    const broker = new TestPartitions().recover();
    this.broker = broker;
    const { partitions, turn, slabs } = broker;
    const clock: Clock = cluster.clock;
    this.groups = new GroupCoordinator({
      clock,
      counters: new GroupCounters(),
      logger: silentLogger(),
      turn,
      slabs,
      coldGate: new ColdGate(16),
      partitions,
      image: () => broker.image,
      options: groupOptions({ initialRebalanceDelayMs: 0, offsetsRetentionMs: OFFSETS_RETENTION_MS }),
      offsetsRetentionMs: OFFSETS_RETENTION_MS,
    });
    clock.every(PUMP_MS, () => this.#pump());
  }

  /** Broker 1 leads all groups and `orders`, with so many partitions; broker 2 leads nothing. */
  static async start(partitionCount = 4): Promise<NativeGroups> {
    const cluster = await FakeCluster.start();
    const native = new NativeGroups(cluster);
    native.topic(OFFSETS_TOPIC, 1);
    native.topic('orders', partitionCount);
    await native.listen();
    return native;
  }

  async listen(): Promise<void> {
    const { transport, clock } = this.cluster;
    const { groups } = this;
    const handlers: Handler[] = [
      ...groupHandlers({ groups, clock, random: seededRandom(9), image: () => this.broker.image }),
      ...consumerTreeHandlers({ groups, clock, consumerWatches: this.consumerWatches }),
    ];
    await transport.listen('broker:1', [...this.cluster.broker(1).handlers, ...handlers]);
  }

  /** A topic whose partitions broker 1 leads, for clients and for the coordinator of groups. */
  topic(name: string, partitionCount: number): void {
    const leaders = Array.from({ length: partitionCount }, () => 1);
    const id = this.cluster.coordinator.topic(name, leaders);
    this.#topics++;
    const partitions = leaders.map((leader) => ({ leader, epoch: 0 }));
    const known = name === OFFSETS_TOPIC ? OTHER_ID_BYTES : id;
    if (this.#topics === 1) this.broker.apply(...changesOf({ partitions }, known, name));
    else this.broker.change(...changesOf({ partitions }, known, name));
    this.#pump();
  }

  /** Appends records to a partition of the n-th topic. */
  append(key: string, ...values: string[]): void {
    const builder = new BatchBuilder({ maxBytes: 100_000 });
    for (const value of values) builder.append({ key: null, value: Buffer.from(value), timestampMs: 1_000 });
    this.cluster.broker(1).append(key, builder.build());
  }

  /** The groups' partition is led in another epoch, by the same broker: it reads what is stored. */
  reload(): void {
    this.broker.change(...changesOf({ partitions: [{ leader: 1, epoch: 1 }] }, OTHER_ID_BYTES, OFFSETS_TOPIC));
    this.#pump();
  }

  #pump(): void {
    this.broker.settle();
    this.groups.look();
  }
}
