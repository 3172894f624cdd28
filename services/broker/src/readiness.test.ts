import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { brokerId } from '@weir/base/ids.ts';
import { READY_FORCED_MS } from '@weir/base/limits.ts';
import { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import {
  BrokerState,
  ChangeSchema,
  DeltaSchema,
  SnapshotPageSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Change } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { folderOf } from './partition/partition-key.ts';
import type { PartitionState } from './partition/partition-parts.ts';
import { Readiness } from './readiness.ts';
import { changesOf, epochOf, TestClock, TOPIC_ID, TOPIC_ID_BYTES } from './test-broker.ts';

const FOLLOWER: PartitionState = { kind: 'follower', leader: 2, epoch: 1 };
const ME = 1;

/** A partition that broker 1 has a replica of, with brokers 2 and 3. */
interface Placed {
  readonly leader: number;
  readonly isr: number[];
}

/** Of broker 1. */
class TestReadiness {
  readonly clock = new TestClock();
  readonly warnings: string[] = [];
  readonly image = new ClusterImage();
  /** Of its replicas, by index; a follower where nothing is said. */
  readonly states: PartitionState[] = [];
  brokerEpoch: number | undefined = epochOf(ME);
  toTakeUp = 0;
  #count = 0;
  readonly readiness = new Readiness({
    clock: this.clock,
    logger: { warn: (line: unknown) => void this.warnings.push(String(line)) },
    brokerId: brokerId(ME),
    brokerEpoch: () => this.brokerEpoch,
    partitions: () => ({ toTakeUp: this.toTakeUp, all: () => this.#replicas() }),
  });

  /** Recovered and registered. */
  joining(): this {
    this.readiness.recovered([]);
    return this;
  }

  /** All of the metadata anew: these partitions, and these brokers live. */
  snapshot(partitions: readonly Placed[], live: readonly number[] = [1, 2, 3]): this {
    const brokers = live.map((id) => brokerChange(id, BrokerState.ACTIVE));
    const revision = BigInt(this.image.revision + 1);
    const changes = [...brokers, ...this.#changesOf(partitions)];
    return this.#told(this.image.applyPage(create(SnapshotPageSchema, { revision, changes, last: true })));
  }

  /** What has changed. */
  delta(...changes: Change[]): this {
    const revision = BigInt(this.image.revision + 1);
    return this.#told(this.image.applyDelta(create(DeltaSchema, { revision, changes })));
  }

  partitions(partitions: readonly Placed[]): this {
    return this.delta(...this.#changesOf(partitions));
  }

  #changesOf(partitions: readonly Placed[]): Change[] {
    this.#count = partitions.length;
    return changesOf({ partitions: partitions.map((placed) => ({ ...placed, epoch: 1, replicas: [1, 2, 3] })) });
  }

  #told(applied: ReturnType<ClusterImage['applyDelta']>): this {
    if (applied.kind !== 'applied') throw new Error(applied.kind);
    this.readiness.told(this.image, applied.changes);
    this.readiness.look();
    return this;
  }

  *#replicas(): Generator<{ folder: string; state: PartitionState }> {
    for (let index = 0; index < this.#count; index++) {
      yield { folder: folderOf({ topicId: TOPIC_ID, index }), state: this.states[index] ?? FOLLOWER };
    }
  }
}

function brokerChange(id: number, state: BrokerState): Change {
  return create(ChangeSchema, { change: { case: 'broker', value: { id, epoch: BigInt(epochOf(id)), state } } });
}

const IN_SYNC: Placed = { leader: 2, isr: [2, 1] };
const BEHIND: Placed = { leader: 2, isr: [2] };
const ONE_IS_NOT = 'catching up: 1 replicas have not been in sync since the start';

test('a broker is ready once it is registered and has taken up its partitions, and says what it waits for', () => {
  const broker = new TestReadiness();
  const { readiness } = broker;
  expect([readiness.problem, readiness.startProblem]).toEqual(['recovering', 'recovering']);
  readiness.recovered([]);
  expect(readiness.problem).toBe('not registered with a coordinator yet');
  readiness.refused('DUPLICATE_BROKER_ID');
  expect([readiness.problem, readiness.startProblem]).toEqual(Array(2).fill('not registered: DUPLICATE_BROKER_ID'));
  // Nothing to do yet is not the same as all done.
  readiness.look();
  expect(readiness.problem).toContain('not registered');
  broker.toTakeUp = 3;
  broker.snapshot([IN_SYNC]);
  expect([readiness.problem, readiness.startProblem]).toEqual(['taking up partitions: 3 to go', undefined]);
  broker.toTakeUp = 0;
  readiness.look();
  expect([readiness.problem, readiness.forced]).toEqual([undefined, false]);
});

test('without replicas it is ready when it is registered', () => {
  expect(new TestReadiness().joining().snapshot([]).readiness.problem).toBeUndefined();
});

test('it is not ready before it has been in sync with every partition that somebody leads', () => {
  const broker = new TestReadiness().joining().snapshot([BEHIND, BEHIND, { leader: -1, isr: [] }]);
  expect(broker.readiness.problem).toBe('catching up: 2 replicas have not been in sync since the start');
  expect(broker.readiness.startProblem).toBeUndefined();
  broker.partitions([IN_SYNC, BEHIND]);
  expect(broker.readiness.problem).toBe(ONE_IS_NOT);
  // Each of them is a latch, also over a new snapshot.
  broker.snapshot([BEHIND, BEHIND]);
  expect(broker.readiness.problem).toBe(ONE_IS_NOT);
  broker.partitions([BEHIND, IN_SYNC]);
  expect(broker.readiness.problem).toBeUndefined();
});

test('a seat of the registration before is none', () => {
  const broker = new TestReadiness().joining();
  broker.brokerEpoch = epochOf(ME) + 1_000;
  broker.snapshot([IN_SYNC]);
  expect(broker.readiness.problem).toBe(ONE_IS_NOT);
  broker.brokerEpoch = epochOf(ME);
  broker.partitions([IN_SYNC]);
  expect(broker.readiness.problem).toBeUndefined();
});

test('brokers that all start at once do not wait for each other', () => {
  // Who led has not registered again; nobody leads the rest; it leads what it can itself.
  const all = [BEHIND, { leader: -1, isr: [] }, { leader: 1, isr: [1] }];
  const broker = new TestReadiness().joining().snapshot(all, [1]);
  expect(broker.readiness.problem).toBeUndefined();
});

test('a leader that is registered while a broker catches up is waited for, one that goes is not', () => {
  const broker = new TestReadiness().joining().snapshot([BEHIND, { leader: 3, isr: [3] }], [1, 3]);
  expect(broker.readiness.problem).toBe(ONE_IS_NOT);
  broker.delta(brokerChange(2, BrokerState.ACTIVE));
  expect(broker.readiness.problem).toBe('catching up: 2 replicas have not been in sync since the start');
  broker.delta(brokerChange(2, BrokerState.FENCED), brokerChange(3, BrokerState.FENCED));
  expect(broker.readiness.problem).toBeUndefined();
});

test('replicas that are offline, made anew or deleted are not waited for', () => {
  const broker = new TestReadiness();
  broker.readiness.recovered([
    { key: { topicId: TOPIC_ID, index: 0 }, doubt: 'damaged' },
    { key: { topicId: TOPIC_ID, index: 1 }, doubt: 'missing' },
    { key: { topicId: TOPIC_ID, index: 2 }, doubt: 'unsynced' },
  ]);
  broker.snapshot([BEHIND, BEHIND, BEHIND, BEHIND]);
  expect(broker.readiness.problem).toBe('catching up: 2 replicas have not been in sync since the start');
  broker.states[3] = { kind: 'offline', reason: 'its disk' };
  broker.readiness.look();
  expect(broker.readiness.problem).toBe(ONE_IS_NOT);
  const value = { id: TOPIC_ID_BYTES, name: 'orders' };
  broker.delta(create(ChangeSchema, { change: { case: 'deletedTopic', value } }));
  expect(broker.readiness.problem).toBeUndefined();
});

test('what happens once it was ready changes nothing until it stops', () => {
  const broker = new TestReadiness().joining().snapshot([IN_SYNC]);
  const { readiness, clock, warnings } = broker;
  readiness.refused('COORDINATOR_UNAVAILABLE');
  broker.snapshot([BEHIND, BEHIND]);
  clock.advance(2 * READY_FORCED_MS);
  expect([readiness.problem, readiness.forced, warnings]).toEqual([undefined, false, []]);
  readiness.stop();
  readiness.look();
  expect(readiness.problem).toBe('stopping');
});

test('a broker that drains is not ready until somebody takes that back', () => {
  const broker = new TestReadiness().joining().snapshot([IN_SYNC]);
  broker.delta(brokerChange(ME, BrokerState.DRAINING));
  expect([broker.readiness.problem, broker.readiness.startProblem]).toEqual(['draining', undefined]);
  broker.delta(brokerChange(2, BrokerState.DRAINING), brokerChange(ME, BrokerState.ACTIVE));
  expect(broker.readiness.problem).toBeUndefined();
});

test('what is not done keeps it from being ready for so long and no longer, and it says so', () => {
  const broker = new TestReadiness().joining();
  const { readiness, clock, warnings } = broker;
  broker.toTakeUp = 1;
  broker.snapshot([BEHIND, BEHIND, IN_SYNC]);
  clock.advance(READY_FORCED_MS - 1);
  expect(readiness.problem).toBe('taking up partitions: 1 to go');
  clock.advance(1);
  expect([readiness.problem, readiness.forced]).toEqual([undefined, true]);
  expect(warnings).toEqual([
    'ready although after 10 minutes 1 partitions are not taken up and 2 replicas have not been in sync',
  ]);
  broker.toTakeUp = 0;
  readiness.look();
  expect([readiness.problem, readiness.forced]).toEqual([undefined, true]);
  broker.partitions([IN_SYNC, IN_SYNC, BEHIND]);
  expect([readiness.problem, readiness.forced]).toEqual([undefined, false]);
});

test('a broker that stops while it catches up does not become ready later', () => {
  const { readiness, clock, warnings } = new TestReadiness().joining().snapshot([BEHIND]);
  readiness.stop();
  clock.advance(READY_FORCED_MS);
  expect([readiness.problem, warnings]).toEqual(['stopping', []]);
});
