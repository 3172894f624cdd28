import {
  GROUP_LAG_AT_LEAST_MS,
  GROUP_LAG_INTERVAL_MS,
  GROUP_LAG_STALE_MS,
  METRIC_GROUP_ID_CHARS_MAX,
  METRIC_GROUP_PARTITIONS_MAX,
} from '@weir/base/group-limits.ts';
import { expect, test } from 'vitest';
import { brokerOf } from '../kafka/test-door.ts';
import { batchOf, changesOf, TestPartitions, TestWaiter, TOPIC_ID_BYTES } from '../test-broker.ts';
import { CommittedOffsets } from './committed-offsets.ts';
import { GroupCounters } from './group-counters.ts';
import { LagWatch } from './lag-watch.ts';
import type { LeaderAsker, LogEnds } from './lag-watch.ts';

type Answered = Parameters<LeaderAsker['ask']>[2];

/** A watch over "orders": broker 1, where it is, leads partition 0, broker 2 partition 1, nobody partition 2. */
class TestWatch {
  readonly broker = new TestPartitions().recover();
  readonly counters = new GroupCounters();
  readonly groups: { readonly id: string; readonly offsets: CommittedOffsets }[] = [];
  /** Calls that have not been answered. */
  readonly calls: { readonly address: string; readonly partitions: readonly number[]; readonly answered: Answered }[] =
    [];
  kept: readonly string[] = [];
  readonly watch: LagWatch;

  constructor() {
    this.place({ leader: 2 });
    this.watch = new LagWatch({
      clock: this.broker.clock,
      brokerId: 1,
      partitions: this.broker.partitions,
      image: () => this.broker.image,
      groups: () => this.groups,
      isHere: (id) => this.groups.some((group) => group.id === id),
      counters: this.counters,
      leaders: {
        ask: (address, asked, answered) => {
          this.calls.push({ address, partitions: asked.map(({ partition }) => partition), answered });
        },
        keepOnly: (addresses) => {
          this.kept = [...addresses];
        },
      },
    });
  }

  place(placed: { leader: number; epoch?: number; replicas?: number[]; id?: Uint8Array }): void {
    const { leader, epoch = 0, replicas = [2], id = TOPIC_ID_BYTES } = placed;
    const others = { epoch, replicas };
    const partitions = [
      { leader: 1, epoch: 0 },
      { leader, ...others },
      { leader: -1, ...others },
    ];
    const second = brokerOf({ id: 2, grpcAddress: 'broker-2:7071' });
    this.broker.apply(brokerOf({ id: 1 }), second, ...changesOf({ partitions }, id));
    this.broker.settle();
  }

  /** A group has committed these offsets in "orders", from partition 0 on. */
  commit(id: string, ...offsets: number[]): void {
    let group = this.groups.find((known) => known.id === id);
    if (group === undefined) this.groups.push((group = { id, offsets: new CommittedOffsets() }));
    for (const [partition, offset] of offsets.entries()) {
      const committed = {
        offset,
        leaderEpoch: 0,
        metadata: '',
        committedMs: 0,
        expiresMs: undefined,
        topicId: undefined,
      };
      group.offsets.set({ topic: 'orders', partition }, { committed, revision: 1 });
    }
  }

  append(count: number, epoch = 0): void {
    this.broker.partition().append(batchOf(count), epoch, new TestWaiter(), 0, 'all');
    this.broker.settle();
  }

  /** Time for the next look, in which what others lead is answered with these ends, or not yet. */
  look(ends?: readonly (LogEnds | undefined)[] | 'silence'): void {
    this.broker.clock.advance(GROUP_LAG_INTERVAL_MS);
    this.watch.look();
    if (ends === undefined) return;
    for (const { answered } of this.calls.splice(0)) answered(ends === 'silence' ? undefined : ends);
  }

  /** "group partition committed records ms". */
  get told(): string[] {
    return [...this.watch.lags()].map(
      ({ group, partition, committed, lag }) => `${group} ${partition} ${committed} ${lag?.records} ${lag?.ms}`,
    );
  }
}

const end = (highWatermark: number, logStart = 0): LogEnds => ({ highWatermark, logStart });

test('the lag in what is led here is measured at once, for each group by itself', () => {
  const world = new TestWatch();
  world.append(10);
  world.commit('ahead', 10);
  world.commit('behind', 4);
  world.look();
  expect(world.told).toEqual(['ahead 0 10 0 0', 'behind 0 4 6 undefined']);
  world.append(10);
  world.look();
  // The eleventh record of twenty came after a tenth of the five seconds.
  expect(world.told).toEqual(['ahead 0 10 10 4500', 'behind 0 4 16 undefined']);
  world.commit('behind', 20);
  world.look();
  expect(world.told).toEqual(['ahead 0 10 10 9500', 'behind 0 20 0 0']);
  expect(world.calls).toEqual([]);
  expect(world.kept).toEqual([]);
});

test('records that are gone are not waited for', () => {
  const world = new TestWatch();
  world.append(10);
  world.commit('g', 2);
  world.broker.partition().deleteRecords(7);
  world.broker.settle();
  world.look();
  expect(world.told).toEqual(['g 0 2 3 undefined']);
});

test('another leader is asked once for all that groups read there', () => {
  const world = new TestWatch();
  world.commit('a', 0, 5, 7);
  world.commit('b', 0, 90);
  world.look();
  expect(world.calls).toMatchObject([{ address: 'broker-2:7071', partitions: [1] }]);
  expect(world.kept).toEqual(['broker-2:7071']);
  expect(world.told).toContain('a 1 5 undefined undefined');
  world.calls.pop()!.answered([end(100)]);
  expect(world.told).toEqual([
    'a 0 0 0 0',
    'a 1 5 95 undefined',
    // Nobody leads it, and nobody has ever said where it ends.
    'a 2 7 undefined undefined',
    'b 0 0 0 0',
    'b 1 90 10 undefined',
  ]);
  world.look([end(200)]);
  world.commit('b', 0, 100);
  world.look([end(200)]);
  expect(world.told).toContain('b 1 100 100 9950');
});

test('a leader that has not answered is not asked again', () => {
  const world = new TestWatch();
  world.commit('g', 0, 5);
  world.look();
  world.look();
  expect(world.calls).toHaveLength(1);
  world.calls.pop()!.answered(undefined);
  world.look();
  expect(world.calls).toHaveLength(1);
  expect(world.counters.failedLagCalls).toBe(1);
});

test('while a leader does not answer the lag is what it was, and for too long nothing', () => {
  const world = new TestWatch();
  world.commit('g', 0, 5);
  world.look([end(100)]);
  world.look([end(110)]);
  world.commit('g', 0, 300);
  for (let ms = 0; ms < GROUP_LAG_STALE_MS; ms += GROUP_LAG_INTERVAL_MS) {
    world.look(ms % 2 === 0 ? 'silence' : [undefined]);
    expect(world.told[1]).toBe('g 1 300 105 undefined');
  }
  world.look('silence');
  expect(world.told[1]).toBe('g 1 300 undefined undefined');
  world.look([end(310)]);
  expect(world.told[1]).toMatch(/^g 1 300 10 \d+$/);
});

test('what a former leader answers late does not count', () => {
  const world = new TestWatch();
  world.commit('g', 0, 5);
  world.look();
  const [late] = world.calls.splice(0);
  world.place({ leader: 1, epoch: 1, replicas: [1, 2] });
  world.look();
  expect(world.told[1]).toBe('g 1 5 0 0');
  late!.answered([end(100)]);
  expect(world.told[1]).toBe('g 1 5 0 0');
});

test('while a new leader does not know yet what is committed nothing is told, and it does not ask itself', () => {
  const world = new TestWatch();
  const followed = { leader: 1, replicas: [1, 2], isr: [1, 2] };
  const lead = (epoch: number): void => {
    world.broker.apply(
      brokerOf({ id: 1, grpcAddress: 'broker-1:7071' }),
      ...changesOf({ partitions: [{ ...followed, epoch }] }),
    );
    world.broker.settle();
  };
  lead(1);
  world.append(10, 1);
  lead(2);
  world.commit('g', 4);
  world.look();
  expect(world.told).toEqual(['g 0 4 undefined undefined']);
  expect(world.calls).toEqual([]);
});

test('while nobody leads nothing comes, and the lag stays', () => {
  const world = new TestWatch();
  world.commit('g', 0, 5);
  world.look([end(100)]);
  world.place({ leader: -1, epoch: 1 });
  for (let i = 0; i < 30; i++) world.look();
  expect(world.calls).toEqual([]);
  expect(world.told[1]).toBe('g 1 5 95 undefined');
});

test('of what was there before the watch began the time is told once it has waited for long', () => {
  const world = new TestWatch();
  world.append(10);
  world.commit('g', 4);
  for (let ms = 0; ms <= GROUP_LAG_AT_LEAST_MS; ms += GROUP_LAG_INTERVAL_MS) world.look();
  expect(world.told).toEqual([`g 0 4 6 ${GROUP_LAG_AT_LEAST_MS}`]);
});

test('a topic that was created anew has another history', () => {
  const world = new TestWatch();
  world.commit('g', 0, 5);
  world.look([end(100)]);
  const id = TOPIC_ID_BYTES.map((byte, i) => (i === 15 ? byte + 1 : byte));
  world.place({ leader: 2, id });
  world.look();
  expect(world.told[1]).toBe('g 1 5 undefined undefined');
  world.calls.pop()!.answered([end(9)]);
  expect(world.told[1]).toBe('g 1 5 4 undefined');
});

test('what groups have committed of what is not there is not told', () => {
  const world = new TestWatch();
  world.commit('g', 0, 0, 0, 8);
  world.look([end(0)]);
  expect(world.told.map((line) => line.slice(0, 3))).toEqual(['g 0', 'g 1', 'g 2']);
  world.broker.applyDeletion();
  world.look();
  expect(world.told).toEqual([]);
});

test('a group of which not all fits is left out, and smaller ones still come', () => {
  const world = new TestWatch();
  const many = Array.from({ length: METRIC_GROUP_PARTITIONS_MAX - 1 }, () => 0);
  world.commit('a', ...many);
  world.commit('b', 0, 0);
  world.commit('c', 0);
  world.commit('d', 0);
  world.look();
  expect([...new Set([...world.watch.lags()].map(({ group }) => group))]).toEqual(['a', 'c']);
  expect(world.watch.leftOut).toBe(3);
});

test('a group whose id is too long for a label is left out, and one that has committed nothing is nothing', () => {
  const world = new TestWatch();
  world.commit('x'.repeat(METRIC_GROUP_ID_CHARS_MAX + 1), 0);
  world.commit('y');
  world.look();
  expect(world.told).toEqual([]);
  expect(world.watch.leftOut).toBe(1);
});

test('counts of groups that are gone are forgotten', () => {
  const world = new TestWatch();
  world.commit('here', 0);
  world.counters.committed('here', 1);
  world.counters.committed('gone', 1);
  world.look();
  expect([...world.counters.byGroup()]).toEqual([['here', { commits: 1, rebalances: 0 }]]);
});

test('after the stop nothing is known, and nobody is asked', () => {
  const world = new TestWatch();
  world.commit('g', 0, 5);
  world.look([end(100)]);
  world.watch.stop();
  expect(world.told).toEqual([]);
  expect(world.kept).toEqual([]);
});
