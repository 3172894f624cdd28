import { expect, test } from 'vitest';
import { batchOf, TestWaiter } from '../test-broker.ts';
import { TestCluster } from '../test-cluster.ts';

const THREE = [1, 2, 3];

/** Three replicas, led by broker 1, all of them in sync. */
function inSync(): TestCluster {
  const cluster = new TestCluster(3);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: THREE }]).settle();
  return cluster;
}

/** What a scrape of a broker finds, by metric and its only label. */
async function scraped(cluster: TestCluster, id: number): Promise<Record<string, number>> {
  const text = await cluster.brokers.get(id)!.registry.metrics();
  return Object.fromEntries(
    [...text.matchAll(/^weir_broker_(\w+)(?:\{\w+="(.*)"\})? (.*)$/gm)].map(([, name, label, value]) => [
      label === undefined ? name! : `${name} ${label}`,
      Number(value),
    ]),
  );
}

test('in health nothing is short of replicas, nobody lags, and bytes go out once a follower', async () => {
  const cluster = inSync();
  const batch = batchOf(3);
  const { length } = batch;
  cluster.replica(1).append(batch, 0, new TestWaiter(), 0);
  cluster.pass(2_000);
  expect(await scraped(cluster, 1)).toMatchObject({
    under_replicated_partitions: 0,
    under_min_isr_partitions: 0,
    at_min_isr_partitions: 0,
    uncommitted_records: 0,
    'follower_lag_records 2': 0,
    'follower_lag_records 3': 0,
    'follower_lag_seconds 2': 0,
    'follower_lag_seconds 3': 0,
    follower_subscriptions: 2,
    replication_bytes_in_total: 0,
    replication_bytes_out_total: 2 * length,
  });
  const follower = await scraped(cluster, 2);
  expect(follower).toMatchObject({ 'followed_partitions in_sync': 1, replication_bytes_in_total: length });
  expect(Object.keys(follower).filter((name) => name.startsWith('follower_lag'))).toEqual([]);
});

test('a follower that is gone lags by what it lacks, for as long as it has not held everything', async () => {
  const cluster = inSync();
  cluster.replica(1).append(batchOf(2), 0, new TestWaiter(), 0);
  cluster.pass(100);
  cluster.kill(3);
  cluster.replica(1).append(batchOf(5), 0, new TestWaiter(), 1);
  cluster.pass(4_000);
  const lags = await scraped(cluster, 1);
  expect(lags).toMatchObject({ 'follower_lag_records 2': 0, 'follower_lag_records 3': 5, uncommitted_records: 5 });
  expect(lags['follower_lag_seconds 2']).toBe(0);
  // It said last what it holds when the first batch came.
  expect(lags['follower_lag_seconds 3']).toBeGreaterThanOrEqual(4);
  expect(lags['follower_lag_seconds 3']).toBeLessThanOrEqual(4.1);
});

test('of a follower that has not come yet nobody knows what it lacks, but for how long', async () => {
  const cluster = new TestCluster(2);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2] }]).settle();
  cluster.pass(3_000);
  const lags = await scraped(cluster, 1);
  expect(lags).not.toHaveProperty('follower_lag_records 3');
  expect(lags['follower_lag_seconds 3']).toBeCloseTo(3, 1);
});

test('partitions are under-replicated, at the minimum and below it as replicas leave', async () => {
  const cluster = inSync();
  const counts = async (isr: number[], partitionEpoch: number): Promise<(number | undefined)[]> => {
    cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr, partitionEpoch }]).settle();
    const found = await scraped(cluster, 1);
    return ['under_replicated', 'at_min_isr', 'under_min_isr'].map((what) => found[`${what}_partitions`]);
  };
  expect(await counts([1, 2], 1)).toEqual([1, 1, 0]);
  expect(await counts([1], 2)).toEqual([1, 0, 1]);
  // Who follows counts none: each partition is counted once in a cluster.
  expect(await scraped(cluster, 2)).toMatchObject({ under_replicated_partitions: 0, under_min_isr_partitions: 0 });
});

test('records that a follower drops are counted', async () => {
  const cluster = inSync();
  const old = cluster.replica(1);
  old.append(batchOf(2), 0, new TestWaiter(), 0);
  cluster.pass(100);
  cluster.network.silent.add('broker-1');
  old.append(batchOf(3, 'nobody else has it'), 0, new TestWaiter(), 1);
  cluster.settle();
  const moved = [{ leader: 2, epoch: 1, replicas: THREE, isr: [2, 3] }];
  cluster.place(moved, 2, 3).settle();
  cluster.network.silent.delete('broker-1');
  cluster.place(moved).pass(200);
  expect(await scraped(cluster, 1)).toMatchObject({
    'replica_truncations_total diverged': 1,
    'replica_truncations_total out_of_range': 0,
    replica_truncated_records_total: 3,
  });
});

test('a log that begins anew behind the start of its leader’s has dropped what it had', async () => {
  const cluster = inSync();
  cluster.replica(1).append(batchOf(2), 0, new TestWaiter(), 0);
  cluster.pass(100);
  const disk = cluster.kill(3);
  const without = [{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }];
  cluster.place(without).settle();
  cluster.replica(1).append(batchOf(10), 0, new TestWaiter(), 1);
  cluster.pass(100);
  cluster.replica(1).deleteRecords(12);
  cluster.start(3, disk);
  cluster.place(without).pass(300);
  expect(await scraped(cluster, 3)).toMatchObject({
    'replica_truncations_total out_of_range': 1,
    replica_truncated_records_total: 2,
    'refused_replication_total OFFSET_OUT_OF_RANGE': 1,
  });
});

test('a leader that does not know yet that it leads refuses, which is counted by its follower', async () => {
  const cluster = inSync();
  cluster.place([{ leader: 2, epoch: 1, replicas: THREE, isr: [2, 3] }], 3).settle();
  expect(await scraped(cluster, 3)).toMatchObject({ 'refused_replication_total NOT_LEADER_OR_FOLLOWER': 1 });
});

test('what became of proposals is counted', async () => {
  const cluster = new TestCluster(3);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2] }]).settle();
  cluster.pass(100);
  await cluster.grantIsr();
  expect(await scraped(cluster, 1)).toMatchObject({
    'isr_proposals_total written': 1,
    'isr_proposals_total refused': 0,
  });
});
