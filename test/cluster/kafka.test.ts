import { afterEach, expect, test } from 'vitest';
import { asProducers } from '@weir/log/test-kit.ts';
import { createTopics } from '@weir/kafka/apis/create-topics.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { initProducerId } from '@weir/kafka/apis/init-producer-id.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { readRecords } from '@weir/records/read-records.ts';
import { KafkaConnection } from '../harness/kafka-connection.ts';
import { DevCluster } from './dev-cluster.ts';

const clusters: DevCluster[] = [];
const connections: KafkaConnection[] = [];
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  for (const cluster of clusters.splice(0)) await cluster.remove();
});

async function started(): Promise<DevCluster> {
  const cluster = new DevCluster();
  clusters.push(cluster);
  return cluster.start();
}

async function connected(cluster: DevCluster): Promise<KafkaConnection> {
  const connection = await KafkaConnection.open(cluster.service('broker').kafka!);
  connections.push(connection);
  return connection;
}

const TOPIC = 'kills';
const FAR = 10_000;

function batchOf(...values: string[]): Buffer {
  const builder = new BatchBuilder({ maxBytes: 100_000 });
  for (const value of values) builder.append({ key: null, value: Buffer.from(value), timestampMs: 1 });
  return builder.build();
}

async function createTopic(kafka: KafkaConnection): Promise<void> {
  const topic = { name: TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  const { topics } = await kafka.ask(createTopics, 7, { topics: [topic], timeoutMs: FAR, validateOnly: false });
  expect(topics[0]).toMatchObject({ errorCode: 0, numPartitions: 1 });
}

async function send(kafka: KafkaConnection, records: Buffer): Promise<{ errorCode: number; baseOffset: number }> {
  const { responses } = await kafka.ask(produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: FAR,
    topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: [records] }] }],
  });
  return responses[0]!.partitionResponses[0]!;
}

async function sendAll(kafka: KafkaConnection, batches: readonly Buffer[], offsets: number[]): Promise<void> {
  for (const { errorCode, baseOffset } of await Promise.all(batches.map((batch) => send(kafka, batch)))) {
    expect(errorCode).toBe(0);
    offsets.push(baseOffset);
  }
}

async function readAll(kafka: KafkaConnection): Promise<string[]> {
  const values: string[] = [];
  for (let offset = 0; ;) {
    const { responses } = await kafka.ask(fetch, 11, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1_000_000,
      isolationLevel: 0,
      topics: [{ topic: TOPIC, partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 100_000 }] }],
    });
    const { errorCode, records } = responses[0]!.partitions[0]!;
    expect(errorCode).toBe(0);
    if (records === null || records.length === 0) return values;
    readRecords(records, (record) => {
      values.push(Buffer.from(record.value!).toString());
      offset = record.offset + 1;
    });
  }
}

test('an idempotent producer that sends again after kill -9 has everything once and in order', async () => {
  const cluster = await started();
  let kafka = await connected(cluster);
  await createTopic(kafka);
  const { producerId, producerEpoch } = await kafka.ask(initProducerId, 4, {
    transactionalId: null,
    transactionTimeoutMs: FAR,
  });
  const batches = Array.from({ length: 40 }, (_, i) =>
    asProducers(batchOf(`${i}a`, `${i}b`), { producerId, epoch: producerEpoch, sequence: 2 * i }),
  );
  const offsets: number[] = [];
  for (let round = 0; round < 4; round++) {
    const mine = batches.slice(10 * round, 10 * round + 10);
    // Five at a time, as producers do; the last five are in the log, or perhaps not, when it is killed.
    await sendAll(kafka, mine.slice(0, 5), offsets);
    const lost = Promise.allSettled(mine.slice(5).map((batch) => send(kafka, batch)));
    const isInLog = round % 2 === 0;
    if (isInLog) await lost;
    await cluster.kill();
    await lost;
    await cluster.start();
    kafka = await connected(cluster);
    await sendAll(kafka, mine.slice(5), offsets);
  }
  expect(offsets).toEqual(batches.map((_, i) => 2 * i));
  expect(await readAll(kafka)).toEqual(batches.flatMap((_, i) => [`${i}a`, `${i}b`]));
}, 60_000);

test('a producer that leaves out a sequence number, or comes from an older epoch, is refused', async () => {
  const kafka = await connected(await started());
  await createTopic(kafka);
  const { producerId } = await kafka.ask(initProducerId, 0, { transactionalId: null, transactionTimeoutMs: FAR });
  const at = (epoch: number, sequence: number): Buffer => asProducers(batchOf('x'), { producerId, epoch, sequence });
  expect(await send(kafka, at(1, 0))).toMatchObject({ errorCode: 0, baseOffset: 0 });
  expect(await send(kafka, at(1, 2))).toMatchObject({ errorCode: 45, baseOffset: -1 });
  expect(await send(kafka, at(0, 1))).toMatchObject({ errorCode: 47 });
  expect(await send(kafka, at(1, 0))).toMatchObject({ errorCode: 0, baseOffset: 0 });
  expect(await send(kafka, at(1, 1))).toMatchObject({ errorCode: 0, baseOffset: 1 });
});

test('producer ids are never given out twice, whatever is killed', async () => {
  const cluster = await started();
  const ids = new Set<number>();
  for (let round = 0; round < 3; round++) {
    const kafka = await connected(cluster);
    for (let i = 0; i < 5; i++) {
      const answer = await kafka.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: FAR });
      expect(answer.errorCode).toBe(0);
      ids.add(answer.producerId);
    }
    await cluster.kill();
    await cluster.start();
  }
  expect(ids.size).toBe(15);
}, 60_000);

test('HTTP and Kafka clients share topics: what one writes the other reads', async () => {
  const cluster = await started();
  const kafka = await connected(cluster);
  const asked = { topics: [{ name: TOPIC }], allowAutoTopicCreation: true };
  const { brokers, topics } = await kafka.ask(metadata, 4, asked);
  expect(brokers).toMatchObject([{ nodeId: 1, host: '127.0.0.1' }]);
  expect(topics[0]).toMatchObject({ errorCode: 0, name: TOPIC });
  expect(await send(kafka, batchOf('"from Kafka"'))).toMatchObject({ errorCode: 0 });
  const url = `${cluster.url}/v1/topics/${TOPIC}/records`;
  const posted = await globalThis.fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '"from HTTP"',
  });
  expect(posted.status).toBe(200);
  expect(await readAll(kafka)).toEqual(['"from Kafka"', '"from HTTP"']);
  const read = (await (await globalThis.fetch(url)).json()) as { records: { value: string }[] };
  expect(read.records.map(({ value }) => value)).toEqual(['from Kafka', 'from HTTP']);
});
