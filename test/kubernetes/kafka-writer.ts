import { initProducerId } from '@weir/kafka/apis/init-producer-id.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import type { BatchProducer } from '@weir/records/batch-header.ts';
import { valueOf } from '../faults/history.ts';
import { KafkaConnection } from '../harness/kafka-connection.ts';

const TIMEOUT_MS = 30_000;
const BATCH_BYTES_MAX = 64 * 1024;
const METADATA_VERSION = 9;
const PRODUCE_VERSION = 9;
const INIT_PRODUCER_ID_VERSION = 4;

/** A topic, and any broker that tells who leads its partitions. */
interface Place {
  readonly bootstrap: string;
  readonly name: string;
}

/** An idempotent producer of one partition over Kafka's protocol. Runs in a pod of the cluster under test. */
export class KafkaWriter {
  readonly #topic: Place;
  readonly #partition: number;
  #leader: KafkaConnection | undefined;
  #producerId: number | undefined;
  /** Of the next batch's first record. */
  sequence = 0;

  constructor(topic: Place, partition: number) {
    this.#topic = topic;
    this.#partition = partition;
  }

  /** Sends the next batch; its first offset. @throws Error where nobody knows whether it is stored: then it is to be sent again */
  async send(numbers: readonly number[]): Promise<number> {
    // Of this one, also when an answer comes so late that it has been sent again since.
    const baseSequence = this.sequence;
    this.#producerId ??= await newProducerId(this.#topic);
    this.#leader ??= await KafkaConnection.open(await leaderOf(this.#topic, this.#partition));
    const batch = batchOf(numbers, { id: this.#producerId, epoch: 0, baseSequence });
    return send(this.#leader, { topic: this.#topic.name, partition: this.#partition, batch });
  }

  disconnect(): void {
    this.#leader?.close();
    this.#leader = undefined;
  }
}

/** Where a broker tells that a partition is led. @throws Error where nobody tells, or nobody leads it */
async function leaderOf({ bootstrap, name }: Place, partition: number): Promise<string> {
  const broker = await KafkaConnection.open(bootstrap);
  try {
    const { brokers, topics } = await broker.ask(metadata, METADATA_VERSION, {
      topics: [{ name }],
      allowAutoTopicCreation: false,
    });
    const led = topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === partition);
    const leader = brokers.find(({ nodeId }) => nodeId === led?.leaderId);
    if (leader === undefined) throw new Error(`nobody leads ${name}-${partition}`);
    return `${leader.host}:${leader.port}`;
  } finally {
    broker.close();
  }
}

/** @throws Error where nobody gives one out */
async function newProducerId({ bootstrap }: Place): Promise<number> {
  const broker = await KafkaConnection.open(bootstrap);
  try {
    const asked = { transactionalId: null, transactionTimeoutMs: TIMEOUT_MS };
    const { errorCode, producerId } = await broker.ask(initProducerId, INIT_PRODUCER_ID_VERSION, asked);
    if (errorCode !== 0) throw new Error(`InitProducerId was answered with error ${errorCode}`);
    return producerId;
  } finally {
    broker.close();
  }
}

function batchOf(numbers: readonly number[], producer: BatchProducer): Buffer {
  const builder = new BatchBuilder({ maxBytes: BATCH_BYTES_MAX });
  for (const number of numbers) {
    builder.append({ key: null, value: Buffer.from(JSON.stringify(valueOf(number))), timestampMs: Date.now() });
  }
  return builder.build(producer);
}

/** Sends a batch; its first offset. @throws Error where it is refused, or not answered */
async function send(
  leader: KafkaConnection,
  { topic, partition, batch }: { readonly topic: string; readonly partition: number; readonly batch: Buffer },
): Promise<number> {
  const topicData = [{ name: topic, partitionData: [{ index: partition, records: [batch] }] }];
  const request = { transactionalId: null, acks: -1, timeoutMs: TIMEOUT_MS, topicData };
  const { responses } = await leader.ask(produce, PRODUCE_VERSION, request);
  const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!;
  if (errorCode !== 0) throw new Error(`Produce was answered with error ${errorCode}`);
  return baseOffset;
}
