import { expect, test } from 'vitest';
import { METRIC_TOPICS_MAX } from '@weir/base/limits.ts';
import { newRegistry } from '@weir/runtime/metrics.ts';
import { BrokerMetrics } from './metrics.ts';

function testMetrics() {
  const registry = newRegistry();
  const metrics = new BrokerMetrics(registry);
  /** What a scrape finds: values by the only label. */
  const scraped = async (name: string): Promise<Map<string, number>> => {
    const text = await registry.getSingleMetricAsString(name);
    return new Map(
      [...text.matchAll(/^\w+\{\w+="(.*)"\} (.*)$/gm)].map(([, label, value]) => [label!, Number(value)] as const),
    );
  };
  return { metrics, scraped };
}

test('a scrape finds what was counted of each topic since the start, however often it looks', async () => {
  const { metrics, scraped } = testMetrics();
  const orders = metrics.forTopic('orders');
  metrics.forTopic('idle');
  Object.assign(orders, { bytesIn: 1_000, batchesIn: 2, recordsIn: 30, bytesOut: 4_000 });
  expect(await scraped('weir_broker_bytes_in_total')).toEqual(new Map(Object.entries({ orders: 1_000, idle: 0 })));
  expect(await scraped('weir_broker_batches_in_total')).toEqual(new Map(Object.entries({ orders: 2, idle: 0 })));
  expect(await scraped('weir_broker_bytes_out_total')).toEqual(new Map(Object.entries({ orders: 4_000, idle: 0 })));
  orders.recordsIn += 5;
  expect(await scraped('weir_broker_records_in_total')).toEqual(new Map(Object.entries({ orders: 35, idle: 0 })));
  expect(await scraped('weir_broker_records_in_total')).toEqual(new Map(Object.entries({ orders: 35, idle: 0 })));
});

test('where reads found their batches is there before the first one', async () => {
  const { metrics, scraped } = testMetrics();
  expect(await scraped('weir_broker_reads_total')).toEqual(new Map(Object.entries({ cache: 0, disk: 0 })));
  metrics.reads.disk += 3;
  expect(await scraped('weir_broker_reads_total')).toEqual(new Map(Object.entries({ cache: 0, disk: 3 })));
});

test('topics past the most share a label, and one that goes makes room', async () => {
  const { metrics, scraped } = testMetrics();
  for (let n = 0; n < METRIC_TOPICS_MAX; n++) metrics.forTopic(`topic-${n}`).recordsIn = 1;
  metrics.forTopic('late').recordsIn += 2;
  metrics.forTopic('later').recordsIn += 3;
  const full = await scraped('weir_broker_records_in_total');
  expect(full.size).toBe(METRIC_TOPICS_MAX + 1);
  expect(full.get('other')).toBe(5);
  metrics.forgetTopic('topic-0');
  metrics.forgetTopic('topic-1');
  metrics.forTopic('last').recordsIn += 7;
  const labels = await scraped('weir_broker_records_in_total');
  expect(labels.has('topic-0')).toBe(false);
  expect(labels.get('last')).toBe(7);
});

test('a deleted topic whose name is that of the shared label takes nothing away', async () => {
  const { metrics, scraped } = testMetrics();
  for (let n = 0; n < METRIC_TOPICS_MAX; n++) metrics.forTopic(`topic-${n}`);
  const late = metrics.forTopic('late');
  late.recordsIn += 2;
  metrics.forTopic('other').recordsIn += 3;
  metrics.forgetTopic('other');
  late.recordsIn += 4;
  expect((await scraped('weir_broker_records_in_total')).get('other')).toBe(9);
});
