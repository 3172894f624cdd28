import { METADATA_WAIT_MS } from '@weir/base/limits.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { codeOf } from './test-kit/code-of.ts';
import { FakeBroker } from './test-kit/fake-broker.ts';
import { FakeCluster } from './test-kit/fake-cluster.ts';
import { FakeCoordinator } from './test-kit/fake-coordinator.ts';

test('topics are created, known and led by the time that createTopics resolves', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client();
  const creating = client.createTopics([{ name: 'a', partitions: 3 }, { name: 'a' }]);
  await cluster.clock.settle();
  const [first, second] = await creating;
  expect(first).toEqual({ name: 'a' });
  expect(second?.refusal?.code).toBe('TOPIC_ALREADY_EXISTS');
  expect(client.topic('a')?.partitions.map(({ leader }) => leader)).toEqual([1, 1, 1]);
});

test('a client without a coordinator is told so in time', async () => {
  const cluster = await FakeCluster.start();
  cluster.transport.stop('coordinator:1');
  const client = await cluster.client();
  const code = codeOf(client.ready(1_000));
  await cluster.clock.advance(1_000);
  expect(await code).toBe('COORDINATOR_UNAVAILABLE');
});

test('while the coordinator is away the client goes on with what it knows', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client();
  cluster.transport.stop('coordinator:1');
  await cluster.clock.advance(60_000);
  expect(client.attached).toBe(false);
  const sent = client.producer.send('t', { key: null, value: Buffer.from('a') });
  await cluster.clock.advance(5);
  expect(await sent).toEqual({ partition: 0, offset: 0 });
});

test('what only the coordinator knows waits while it restarts, and is asked once', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client();
  cluster.transport.stop('coordinator:1');
  await cluster.clock.advance(100);
  const creating = client.createTopics([{ name: 'a' }]);
  const asking = codeOf(client.awaitTopic('nobody-knows'));
  await cluster.clock.advance(2_000);
  cluster.coordinator.autoCreates = false;
  await cluster.transport.listen('coordinator:1', cluster.coordinator.handlers);
  await cluster.clock.advance(2_000);
  // A second time it would be there already.
  expect(await creating).toEqual([{ name: 'a' }]);
  expect(await asking).toBe('UNKNOWN_TOPIC_OR_PARTITION');
});

test('without a coordinator there is an answer in time, and at once when the client is closed', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client();
  cluster.transport.stop('coordinator:1');
  await cluster.clock.advance(100);
  const creating = codeOf(client.createTopics([{ name: 'a' }]));
  await cluster.clock.advance(METADATA_WAIT_MS);
  expect(await creating).toBe('COORDINATOR_UNAVAILABLE');
  const late = codeOf(client.createTopics([{ name: 'a' }]));
  await client.close();
  expect(await late).toBe('SHUTTING_DOWN');
});

test('over real gRPC: produce, list, read, follow, close', async () => {
  const world = testWorld();
  const coordinator = new FakeCoordinator();
  const broker = new FakeBroker();
  const listeners = [
    await world.transport.listen('127.0.0.1:0', coordinator.handlers),
    await world.transport.listen('127.0.0.1:0', broker.handlers),
  ];
  coordinator.broker(1, listeners[1]!.address);
  const client = new Client({ coordinators: [listeners[0]!.address], name: 'test', autoCreateTopics: true }, world);
  await client.ready(5_000);
  expect(client.brokers().map(({ id }) => id)).toEqual([1]);
  const values = Array.from({ length: 1_000 }, (_, i) => `value ${i}`);
  await new Promise<void>((resolve) => {
    const records = values.map((value) => ({ key: null, value: Buffer.from(value), partition: 0 }));
    client.producer.sendMany('t', records, {}, ({ offset, refusals }) => {
      expect(refusals.size).toBe(0);
      expect([...offset]).toEqual(values.map((_value, i) => i));
      resolve();
    });
  });
  const [latest] = await client.listOffsets('t', [{ partition: 0, timestamp: 'latest' }]);
  expect(latest?.offset).toBe(1_000);
  const place = { topic: 't', partition: 0, offset: 0 };
  const { records } = await client.read({ ...place, maxRecords: 10_000, maxBytes: 1_000_000, waitMs: 1_000 });
  expect(records.map(({ value }) => String(value))).toEqual(values);
  const live = client.read({ ...place, offset: 1_000, maxRecords: 1, maxBytes: 1_000, waitMs: 10_000 });
  await client.producer.send('t', { key: null, value: Buffer.from('live'), partition: 0 });
  expect((await live).records.map(({ value }) => String(value))).toEqual(['live']);
  await client.close();
  await Promise.all(listeners.map((listener) => listener.close(1_000)));
});
