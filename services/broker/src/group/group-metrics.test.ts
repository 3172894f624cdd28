import { METRIC_GROUP_ID_CHARS_MAX, METRIC_GROUPS_MAX } from '@weir/base/group-limits.ts';
import { newRegistry } from '@weir/runtime/metrics.ts';
import { expect, test } from 'vitest';
import { doorOfGroups, TestConsumer } from '../kafka/group-test-kit.ts';
import { GroupCounters } from './group-counters.ts';
import { groupMetrics } from './group-metrics.ts';
import type { MeasuredGroup } from './group-metrics.ts';
import { GroupShard } from './group-shard.ts';
import type { GroupState } from './group-state.ts';
import type { GroupPartitionLag } from './lag-watch.ts';

/** What a scrape finds: values by name and labels, as `name{a="b"}`. */
function scraping(
  parts: { counters?: GroupCounters; groups?: () => Iterable<MeasuredGroup>; lags?: GroupPartitionLag[] } = {},
) {
  const { counters = new GroupCounters(), groups = () => [], lags = [] } = parts;
  const registry = newRegistry();
  groupMetrics(registry, { counters, groups, lags: { lags: () => lags, leftOut: 3 } });
  return async (name: string): Promise<Record<string, number>> => {
    const text = await registry.getSingleMetricAsString(name);
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return Object.fromEntries(lines.map((line) => [line.slice(name.length, line.lastIndexOf(' ')), valueOf(line)]));
  };
}

const valueOf = (line: string): number => Number(line.slice(line.lastIndexOf(' ') + 1));

function groupOf(id: string, memberCount: number, state: GroupState = 'Stable'): MeasuredGroup {
  return { id, classic: { state, memberCount } };
}

function lagOf(place: string, committed: number, records?: number, ms?: number): GroupPartitionLag {
  const [group = '', topic = '', partition] = place.split(' ');
  const lag = records === undefined ? undefined : { records, ms };
  return { group, topic, partition: Number(partition), committed, lag };
}

const LAGS = [
  lagOf('g orders 0', 10, 5, 2_500),
  lagOf('g orders 1', 20, 0, 0),
  lagOf('g bills 0', 7, 3),
  lagOf('g bills 1', 8),
];

test('the lag of each partition is told, and what is not known is not', async () => {
  const scraped = scraping({ lags: LAGS });
  expect(await scraped('weir_group_lag_records')).toEqual({
    '{group="g",topic="orders",partition="0"}': 5,
    '{group="g",topic="orders",partition="1"}': 0,
    '{group="g",topic="bills",partition="0"}': 3,
  });
  expect(await scraped('weir_group_lag_seconds')).toEqual({
    '{group="g",topic="orders",partition="0"}': 2.5,
    '{group="g",topic="orders",partition="1"}': 0,
  });
  expect(Object.values(await scraped('weir_group_committed_offset'))).toEqual([10, 20, 7, 8]);
  expect(await scraped('weir_group_lag_left_out_partitions')).toEqual({ '': 3 });
});

test('the names and labels of kafka_exporter have the same, and sums where all of a topic is known', async () => {
  const scraped = scraping({ lags: LAGS, groups: () => [groupOf('g', 2), groupOf('h', 0, 'Empty')] });
  expect(await scraped('kafka_consumergroup_lag')).toEqual({
    '{consumergroup="g",topic="orders",partition="0"}': 5,
    '{consumergroup="g",topic="orders",partition="1"}': 0,
    '{consumergroup="g",topic="bills",partition="0"}': 3,
  });
  expect(await scraped('kafka_consumergroup_current_offset')).toMatchObject({
    '{consumergroup="g",topic="bills",partition="1"}': 8,
  });
  expect(await scraped('kafka_consumergroup_lag_sum')).toEqual({ '{consumergroup="g",topic="orders"}': 5 });
  expect(await scraped('kafka_consumergroup_current_offset_sum')).toEqual({
    '{consumergroup="g",topic="orders"}': 30,
    '{consumergroup="g",topic="bills"}': 15,
  });
  expect(await scraped('kafka_consumergroup_members')).toEqual({ '{consumergroup="g"}': 2, '{consumergroup="h"}': 0 });
});

test('groups are counted by state, the dead ones nowhere, and states in which there is none are there', async () => {
  const groups = [groupOf('a', 1), groupOf('b', 2), groupOf('c', 0, 'Empty'), groupOf('d', 0, 'Dead')];
  expect(await scraping({ groups: () => groups })('weir_groups')).toEqual({
    '{state="empty"}': 1,
    '{state="preparing_rebalance"}': 0,
    '{state="completing_rebalance"}': 0,
    '{state="stable"}': 2,
  });
});

test('groups past the most, and those with a long name, share a label, and the names of kafka_exporter leave them out', async () => {
  const counters = new GroupCounters();
  const long = 'x'.repeat(METRIC_GROUP_ID_CHARS_MAX + 1);
  const ids = [long, ...Array.from({ length: METRIC_GROUPS_MAX + 5 }, (_, i) => `g${i}`)];
  for (const id of ids) counters.committed(id, 2);
  const scraped = scraping({ counters, groups: () => ids.map((id) => groupOf(id, 3)) });
  const members = await scraped('weir_group_members');
  expect(Object.keys(members).length).toBeLessThanOrEqual(METRIC_GROUPS_MAX + 1);
  expect(members['{group="g0"}']).toBe(3);
  expect(Object.values(members).reduce((sum, count) => sum + count)).toBe(3 * ids.length);
  expect(await scraped('kafka_consumergroup_members')).not.toHaveProperty(['{consumergroup="other"}']);
  const commits = await scraped('weir_group_commits_total');
  expect(Object.keys(commits).length).toBeLessThanOrEqual(METRIC_GROUPS_MAX + 1);
  expect(Object.values(commits).reduce((sum, count) => sum + count)).toBe(2 * ids.length);
});

test('what a group of a broker does is counted: rebalances, commits and the load of its shard', async () => {
  const door = await doorOfGroups();
  const scraped = scraping({ counters: door.groupCounters, groups: () => door.groups.groups() });
  expect(await scraped('weir_group_loads_total')).toEqual({ '': 1 });
  expect((await scraped('weir_group_load_seconds_total'))['']).toBeGreaterThanOrEqual(0);
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  expect(await consumer.commit(door, 5)).toBe(0);
  expect(await consumer.commit(door, 6)).toBe(0);
  expect(await scraped('weir_group_commits_total')).toEqual({ '{group="g"}': 2 });
  expect(await scraped('weir_group_rebalances_total')).toEqual({ '{group="g"}': 1 });
  expect(await scraped('weir_group_members')).toEqual({ '{group="g"}': 1 });
  expect([door.groups.isHere('g'), door.groups.isHere('h')]).toEqual([true, false]);
  // Nothing do an offset that is deleted, and a commit that is refused.
  const shard = door.groups.shardOf('g');
  if (!(shard instanceof GroupShard)) throw new Error(shard);
  shard.commit('g', [{ topic: 'orders', partition: 0, committed: null }], () => undefined);
  await door.settle();
  consumer.generation = 7;
  expect(await consumer.commit(door, 6)).toBe(22);
  expect(await scraped('weir_group_commits_total')).toEqual({ '{group="g"}': 2 });
});
