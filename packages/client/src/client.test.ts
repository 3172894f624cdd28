import { METADATA_WAIT_MS } from '@weir/base/limits.ts';
import { ConfigOperationKind, ConfigResourceType } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
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

test('partitions are added, and known by the time that createPartitions resolves', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client();
  let results: unknown;
  const growing = client.createPartitions([
    { name: 'a', totalCount: 3, assignments: [[1], [2]] },
    { name: 'b', totalCount: 2 },
  ]);
  void growing.then((done) => (results = done));
  await cluster.clock.settle();
  expect(results).toBeUndefined();
  cluster.coordinator.topic('a', [1, 1, 2]);
  await cluster.clock.settle();
  expect(results).toEqual([
    { name: 'a' },
    { name: 'b', refusal: { code: 'INVALID_REQUEST', message: 'every other one is refused' } },
  ]);
  const [request] = cluster.coordinator.growths;
  expect(request).toMatchObject({
    validateOnly: false,
    topics: [
      { name: 'a', totalCount: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [2] }] },
      { name: 'b', totalCount: 2, assignments: [] },
    ],
  });
});

test('configs are altered resource by resource, and known by the time that alterConfigs resolves', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client();
  const altering = client.alterConfigs(
    [
      { resource: { type: 'topic', name: 'a' }, set: { 'retention.ms': '1' }, unset: ['flush'] },
      { resource: { type: 'broker', id: 3 }, append: { x: '1' }, subtract: { y: '2' } },
      { resource: { type: 'cluster' }, replaceAll: true, set: { 'log.retention.ms': '5' } },
    ],
    { validateOnly: true },
  );
  await cluster.clock.settle();
  const value = { name: '', configs: { 'log.retention.ms': '5' }, staticConfigs: { 'num.partitions': '2' } };
  cluster.coordinator.change({ case: 'brokerConfigs', value });
  const results = await altering;
  expect(results.map(({ resource, refusal }) => [resource, refusal?.code])).toEqual([
    [{ type: 'topic', name: 'a' }, undefined],
    [{ type: 'broker', id: 3 }, 'INVALID_REQUEST'],
    [{ type: 'cluster' }, undefined],
  ]);
  const [request] = cluster.coordinator.alterations;
  const operation = (name: string, kind: ConfigOperationKind, text = '') => ({ name, kind, value: text });
  expect(request).toMatchObject({
    validateOnly: true,
    resources: [
      {
        type: ConfigResourceType.TOPIC,
        name: 'a',
        replaceAll: false,
        operations: [
          operation('retention.ms', ConfigOperationKind.SET, '1'),
          operation('flush', ConfigOperationKind.DELETE),
        ],
      },
      {
        type: ConfigResourceType.BROKER,
        name: '3',
        operations: [
          operation('x', ConfigOperationKind.APPEND, '1'),
          operation('y', ConfigOperationKind.SUBTRACT, '2'),
        ],
      },
      { type: ConfigResourceType.BROKER, name: '', replaceAll: true },
    ],
  });
  expect([client.brokerConfigs('default'), client.brokerConfigs(3)]).toEqual([{ 'log.retention.ms': '5' }, {}]);
  expect(client.staticConfigs()).toEqual({ 'num.partitions': '2' });
});
