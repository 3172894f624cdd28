import type { ErrorCode } from '@weir/base/errors.ts';
import type { Client } from '../client.ts';
import type { ProducerRecord } from '../producer/producer.ts';
import { FakeCluster } from './fake-cluster.ts';
import { ModelBroker } from './model-broker.ts';
import { ModelPartition } from './model-partition.ts';

/** Four records of VALUE_BYTES fill a batch, so that there are many. */
const BATCH_BYTES = 220;
const VALUE_BYTES = 30;
const HEAL_TRIES_MAX = 300;

/** A record that was sent, and what its producer was told. */
export interface SentRecord {
  readonly partition: number;
  readonly value: string;
  /** Its offset, or why it has none; undefined: nothing yet. */
  outcome: number | ErrorCode | undefined;
}

/** Two brokers that lead the model's partitions of topic "t", and a client whose producer sends to them. */
export class ModelCluster {
  readonly cluster: FakeCluster;
  readonly client: Client;
  readonly partitions: readonly ModelPartition[];
  readonly brokers: readonly ModelBroker[];
  readonly sent: SentRecord[] = [];
  readonly #topicId: Uint8Array;

  private constructor(
    cluster: FakeCluster,
    parts: Pick<ModelCluster, 'client' | 'partitions' | 'brokers'> & { readonly topicId: Uint8Array },
  ) {
    this.cluster = cluster;
    this.client = parts.client;
    this.partitions = parts.partitions;
    this.brokers = parts.brokers;
    this.#topicId = parts.topicId;
  }

  static async start(deliveryTimeoutMs: number): Promise<ModelCluster> {
    const cluster = await FakeCluster.start();
    const partitions = [new ModelPartition(), new ModelPartition()];
    const brokers = [1, 2].map((id) => new ModelBroker(id, partitions));
    for (const broker of brokers) await restart(cluster, broker);
    const configs = { 'max.message.bytes': String(BATCH_BYTES) };
    const topicId = cluster.coordinator.topic('t', [1, 1], configs);
    const client = await cluster.client({ producer: { deliveryTimeoutMs } });
    return new ModelCluster(cluster, { client, partitions, brokers, topicId });
  }

  broker(id: number): ModelBroker {
    return this.brokers[id - 1]!;
  }

  /** Sends so many records, each with a value of its own. */
  send(partition: number, count: number): readonly SentRecord[] {
    const records = Array.from({ length: count }, (_, i): SentRecord => {
      const number = this.sent.length + i;
      return { partition, value: String(number).padStart(VALUE_BYTES, '.'), outcome: undefined };
    });
    this.sent.push(...records);
    const wanted = records.map(({ value }): ProducerRecord => ({ key: null, value: Buffer.from(value), partition }));
    this.client.producer.sendMany('t', wanted, {}, ({ offset, refusals }) => {
      for (const [i, record] of records.entries()) record.outcome = refusals.get(i)?.code ?? offset[i]!;
    });
    return records;
  }

  advance(ms: number): Promise<void> {
    return this.cluster.clock.advance(ms);
  }

  /** The streams to a broker break. It reads what they have brought all the same, when it is told to. */
  breakStreams(id: number): Promise<void> {
    return restart(this.cluster, this.broker(id));
  }

  /** The other broker leads, and all but the former leader are told. */
  failOver(index: number, extra: number): void {
    const partition = this.partitions[index]!;
    // Who led before that has heard by now: there are two brokers.
    partition.tell();
    partition.failOver(extra);
    this.cluster.coordinator.leader(this.#topicId, index, partition.leader, partition.epoch);
  }

  /** Nothing goes wrong any more, until every record has its outcome. */
  async heal(): Promise<void> {
    for (const broker of this.brokers) {
      broker.heal();
      await restart(this.cluster, broker);
    }
    for (let i = 0; i < HEAL_TRIES_MAX && this.sent.some(({ outcome }) => outcome === undefined); i++) {
      this.#goOn();
      await this.advance(20);
    }
    this.#goOn();
  }

  #goOn(): void {
    for (const broker of this.brokers) broker.readAll();
    for (const partition of this.partitions) {
      partition.tell();
      partition.commit();
    }
  }

  /** What is wrong with what the producer was told, seen from what there is. */
  mistakes(): string[] {
    return this.partitions.flatMap(({ values }, index) => {
      const found: string[] = [];
      for (const { partition, value, outcome } of this.sent) {
        if (partition !== index) continue;
        if (outcome === undefined) found.push(`${value} has no outcome`);
        if (typeof outcome === 'number' && values[outcome] !== value) found.push(`${value} is not at ${outcome}`);
        if (outcome === 'MESSAGE_TOO_LARGE' && values.includes(value)) found.push(`${value} is there, and was refused`);
      }
      const numbers = values.map((value) => Number(value.replaceAll('.', '')));
      for (const [i, number] of numbers.entries()) {
        if (i > 0 && number <= numbers[i - 1]!) found.push(`${number} comes behind ${numbers[i - 1]}, at ${i}`);
      }
      return found;
    });
  }
}

async function restart({ transport }: FakeCluster, { id, handlers }: ModelBroker): Promise<void> {
  transport.stop(`broker:${id}`);
  await transport.listen(`broker:${id}`, handlers);
}
