import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { RequestToSend } from '@weir/kafka/api.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { KafkaConnection } from '../harness/kafka-connection.ts';
import { cpuSeconds, Latencies, print } from './measure.ts';
import { createTopic } from './partitions.ts';

const VERSION = 12;
const TOPIC = 'wakes';
const PARTITIONS = 1_000;
const RECORDS = 400;
/** Between two records, so that readers wait again by then. */
const PAUSE_MS = 4;
/** The first ones warm it up. */
const UNTIMED = 100;
const NO_SESSION = -1;
const FETCH_BYTES_MAX = 50_000_000;

interface Readers {
  readonly name: string;
  readonly count: number;
  readonly partitions: number;
  readonly withSessions: boolean;
  readonly minBytes: number;
}

const ROWS: readonly Readers[] = [
  { name: 'no readers', count: 0, partitions: 0, withSessions: true, minBytes: 1 },
  { name: '20 readers of 12 partitions', count: 20, partitions: 12, withSessions: true, minBytes: 1 },
  { name: '20 of 12, without sessions', count: 20, partitions: 12, withSessions: false, minBytes: 1 },
  { name: '20 readers of 1,000', count: 20, partitions: PARTITIONS, withSessions: true, minBytes: 1 },
  { name: '20 of 1,000, without sessions', count: 20, partitions: PARTITIONS, withSessions: false, minBytes: 1 },
  { name: '20 of 1,000 that wait for 10 MB', count: 20, partitions: PARTITIONS, withSessions: true, minBytes: 1e7 },
];

/** What it costs a producer that readers of many partitions wait: a record at a time, into one partition after another. */
export async function benchFetchWakes(): Promise<void> {
  console.log('\nFetches of many partitions that wait while one record after another is produced, flush=commit');
  const cluster = await new DevCluster().start();
  try {
    await createTopic(cluster, TOPIC, PARTITIONS);
    const ends = Array.from({ length: PARTITIONS }, () => 0);
    for (const readers of ROWS) await measure(cluster, readers, ends);
  } finally {
    await cluster.remove();
  }
}

async function measure(cluster: DevCluster, readers: Readers, ends: number[]): Promise<void> {
  const address = cluster.service('broker').kafka!;
  const connections = await Promise.all(Array.from({ length: readers.count + 1 }, () => KafkaConnection.open(address)));
  const [producer, ...others] = connections;
  let answered = 0;
  const reading = others.map((connection) => readOn(connection, readers, ends.slice(), () => answered++));
  await pause(1_000);
  answered = 0;
  const latencies = new Latencies();
  const record = batch();
  let cpu = 0;
  for (let i = 0; i < RECORDS; i++) {
    if (i === UNTIMED) cpu = cpuSeconds(cluster.pid);
    // Every reader reads it.
    const partition = (i * 7) % Math.max(1, readers.partitions);
    const start = performance.now();
    await produceOne(producer!, partition, record);
    if (i >= UNTIMED) latencies.add(performance.now() - start);
    ends[partition]!++;
    await pause(PAUSE_MS);
  }
  const cpuMs = ((cpuSeconds(cluster.pid) - cpu) * 1_000) / (RECORDS - UNTIMED);
  for (const connection of connections) connection.close();
  await Promise.all(reading);
  print({
    name: readers.name,
    result:
      `produce p50 ${latencies.percentile(0.5).toFixed(2)} ms, p99 ${latencies.percentile(0.99).toFixed(2)} ms, ` +
      `server CPU ${cpuMs.toFixed(2)} ms a record, ${(answered / RECORDS).toFixed(1)} answers a record`,
  });
}

async function produceOne(connection: KafkaConnection, index: number, records: Buffer): Promise<void> {
  const topicData = [{ name: TOPIC, partitionData: [{ index, records: [records] }] }];
  const request = { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData };
  const { responses } = await connection.ask(produce, 9, request);
  const error = responses[0]?.partitionResponses[0]?.errorCode;
  if (error !== 0) throw new Error(`the record into partition ${index} was answered with error ${error}`);
}

/** Reads until its connection ends. */
async function readOn(
  connection: KafkaConnection,
  { partitions, withSessions, minBytes }: Readers,
  offsets: number[],
  onAnswer: () => void,
): Promise<void> {
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  let changed = all;
  let sessionId = 0;
  let sessionEpoch = withSessions ? 0 : NO_SESSION;
  try {
    for (;;) {
      const request = requestOf(withSessions ? changed : all, offsets, { sessionId, sessionEpoch, minBytes });
      const { errorCode, sessionId: id, responses } = await connection.ask(fetch, VERSION, request);
      if (errorCode !== 0) throw new Error(`a fetch was answered with error ${errorCode}`);
      onAnswer();
      sessionId = id;
      if (withSessions) sessionEpoch++;
      changed = [];
      for (const topic of responses) {
        for (const { partitionIndex, highWatermark, records } of topic.partitions) {
          if (records!.length === 0) continue;
          offsets[partitionIndex] = highWatermark;
          changed.push(partitionIndex);
        }
      }
    }
  } catch (error) {
    if (!String(error).includes('the connection ended')) throw error;
  }
}

function requestOf(
  partitions: readonly number[],
  offsets: readonly number[],
  parts: { sessionId: number; sessionEpoch: number; minBytes: number },
): RequestToSend<typeof fetch> {
  const wanted = partitions.map((partition) => ({
    partition,
    fetchOffset: offsets[partition]!,
    partitionMaxBytes: 1_048_576,
  }));
  return {
    maxWaitMs: 60_000,
    maxBytes: FETCH_BYTES_MAX,
    isolationLevel: 0,
    topics: wanted.length === 0 ? [] : [{ topic: TOPIC, partitions: wanted }],
    ...parts,
  };
}

function batch(): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_024 });
  builder.append({ key: null, value: Buffer.alloc(100, 'weir '), timestampMs: Date.now() });
  return builder.build();
}
