import { LEADER_WAIT_MS } from '@weir/base/limits.ts';
import { expect, test } from 'vitest';
import type { Connections } from '../connections.ts';
import type { GroupCalls } from '../group/group-calls.ts';
import { FakeCluster } from '../test-kit/fake-cluster.ts';
import type { Fetcher } from './fetcher.ts';
import { PartitionFeed } from './partition-feed.ts';
import { placeFeeds } from './place-feeds.ts';
import type { PlacingParts } from './place-feeds.ts';

/** A topic of three partitions, each with 7 records, of which a group has committed 3 in the first. */
class Placing {
  /** By partition; -1: nobody. */
  readonly leaders = [1, 1, 1];
  readonly feeds: readonly PartitionFeed[];
  readonly cluster = new FakeCluster();
  /** Are called before the group, and before a leader, answers. */
  groupAsked = (): void => {};
  leaderAsked = (): void => {};

  constructor() {
    const fetcher = { subscribe: () => ({ credit: () => {}, close: () => {} }) } as unknown as Fetcher;
    const parts = { fetcher, creditBytes: 1_000, ready: () => {}, ended: () => {} };
    this.feeds = this.leaders.map((_, partition) => new PartitionFeed({ topic: 't', partition }, parts));
  }

  get positions(): (number | undefined)[] {
    return this.feeds.map(({ position }) => position);
  }

  begin(): Promise<void> {
    const partitions = (): object[] =>
      this.leaders.map((leader, index) => ({ index, leader, leaderEpoch: 0, replicas: [1], isr: [1] }));
    const topic = async (): Promise<object> => ({
      name: 't',
      id: 'id',
      idBytes: Buffer.alloc(16),
      partitions: partitions(),
    });
    const metadata = { findTopic: topic, image: { broker: () => ({ grpcAddress: 'broker:1' }) } };
    const call = async (_method: unknown, request: { partitions: unknown[] }): Promise<object> => {
      this.leaderAsked();
      return { results: request.partitions.map(() => ({ errorCode: 0, message: '', offset: 7n, timestamp: -1n })) };
    };
    const committed = { topic: 't', partition: 0, offset: 3n, metadata: '', committedMs: 0n };
    const ask = async (): Promise<object> => {
      this.groupAsked();
      return { code: 'NONE', message: '', offsets: [committed] };
    };
    const parts: PlacingParts = {
      metadata: metadata as unknown as PlacingParts['metadata'],
      connections: { to: () => ({ call }) } as unknown as Connections,
      world: this.cluster.world,
      calls: { ask } as unknown as GroupCalls,
      groupId: 'g',
      offsetReset: 'latest',
    };
    return placeFeeds(parts, this.feeds);
  }
}

test('a feed begins where its group has come to, else where the policy says, and one that its owner has set stays there', async () => {
  const placing = new Placing();
  placing.feeds[1]!.seek(2);
  await placing.begin();
  expect(placing.positions).toEqual([3, 2, 7]);
});

test('what its owner sets while the group is asked, or a leader, counts', async () => {
  const placing = new Placing();
  placing.groupAsked = () => placing.feeds[0]!.seek(5);
  placing.leaderAsked = () => placing.feeds[2]!.seek(6);
  await placing.begin();
  expect(placing.positions).toEqual([5, 7, 6]);
});

test('a partition without a leader keeps only itself waiting, for as long as it takes', async () => {
  const placing = new Placing();
  placing.leaders[1] = -1;
  const { clock } = placing.cluster;
  let isDone = false;
  void placing.begin().then(() => (isDone = true));
  await clock.advance(3 * LEADER_WAIT_MS);
  expect([placing.positions, isDone]).toEqual([[3, undefined, 7], false]);
  placing.leaders[1] = 1;
  await clock.advance(LEADER_WAIT_MS);
  expect([placing.positions, isDone]).toEqual([[3, 7, 7], true]);
});

test('nobody is asked any more for a feed that is closed meanwhile', async () => {
  const placing = new Placing();
  placing.leaders[1] = -1;
  const { clock } = placing.cluster;
  const placed = placing.begin();
  await clock.advance(2 * LEADER_WAIT_MS);
  placing.feeds[1]!.close();
  await clock.advance(2 * LEADER_WAIT_MS);
  await placed;
  expect(placing.positions).toEqual([3, undefined, 7]);
});
