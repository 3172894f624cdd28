import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '@weir/client/client.ts';
import type { GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { GroupDescription } from '@weir/client/group/describe-group.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { KafkaReader } from '../harness/kafka-reader.ts';
import { WeirChild } from '../harness/weir-child.ts';
import { DevCluster } from './dev-cluster.ts';

/** Only a hang takes so long. */
const TEST_MS_MAX = 180_000;
const PATIENT = { timeout: 60_000, interval: 100 };
const [TOPIC, GROUP, PARTITIONS] = ['shared', 'mixed', 6];
const cluster = new DevCluster('--separate', '--brokers', '3');
let client: Client;
beforeAll(async () => {
  await cluster.start();
  client = new Client({ coordinators: [coordinators()], name: 'native' }, clientWorld);
  await client.ready(10_000);
  await client.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
}, TEST_MS_MAX);
afterAll(async () => {
  await client.close();
  await cluster.remove();
});

function coordinators(): string {
  return cluster.service('coordinator').grpc!;
}

/** Numbered records, to all partitions in turn, until it is stopped. */
class Writer {
  readonly values: string[] = [];
  #isStopped = false;
  readonly #running = this.#run();

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const value = `record ${n}`;
      await client.producer.send(TOPIC, { key: null, value: Buffer.from(value), partition: n % PARTITIONS });
      this.values.push(value);
      await pause(5);
    }
  }
}

/** A member of the native client in this process: what it has had in which generation, and what it was given. */
class NativeReader {
  readonly values: string[] = [];
  readonly owned = new Map<number, readonly number[]>();
  readonly consumer: GroupConsumer;
  readonly #reading: Promise<void>;

  constructor() {
    this.consumer = client.consumer({
      groupId: GROUP,
      topics: [TOPIC],
      offsetReset: 'earliest',
      commitIntervalMs: 500,
      events: {
        assigned: (places) => {
          const { generation } = this.consumer;
          this.owned.set(generation, [...(this.owned.get(generation) ?? []), ...places.map((one) => one.partition)]);
        },
      },
    });
    this.#reading = this.#read();
  }

  async leave(): Promise<void> {
    await this.consumer.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    for await (const { record } of this.consumer) this.values.push(String(record.value));
  }
}

/** The group once it is stable with so many members, whose partitions are all of the topic's, each once. */
function stableWith(count: number): Promise<GroupDescription> {
  return vi.waitFor(async () => {
    const group = await client.groups.describe(GROUP);
    expect([group.state, group.members.length]).toEqual(['Stable', count]);
    const places = group.members.flatMap(({ assignment }) => assignment.map(({ partition }) => partition));
    expect(places.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    return group;
  }, PATIENT);
}

function kafkaReader(): KafkaReader {
  const brokers = cluster.services.filter(({ kind }) => kind === 'broker');
  const leaderOf = (partition: number): string => {
    const { leader } = client.topic(TOPIC)!.partitions[partition]!;
    return brokers.find(({ id }) => id === String(leader))!.kafka!;
  };
  return new KafkaReader({
    group: GROUP,
    topic: TOPIC,
    partitions: PARTITIONS,
    bootstrap: brokers[0]!.kafka!,
    leaderOf,
  });
}

/** Values of the lines that `weir consume -o json` printed, whole ones. */
function printedBy(child: WeirChild): string[] {
  const whole = child.output.slice(0, child.output.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [(JSON.parse(line) as { value: string }).value] : []));
}

test(
  'two native members and one of Kafka share a group; one is killed, one leaves: all is read, committed, and owned by one',
  { timeout: TEST_MS_MAX },
  async () => {
    const writer = new Writer();
    const words = ['consume', TOPIC, '--group', GROUP, '--follow', '-o', 'json', '--coordinators', coordinators()];
    const mortal = new WeirChild(words);
    const [leaving, kafka] = [new NativeReader(), kafkaReader()];
    const all = await stableWith(3);
    expect(all.members.map(({ assignment }) => assignment.length)).toEqual([2, 2, 2]);
    await vi.waitFor(() => {
      for (const values of [leaving.values, kafka.values, printedBy(mortal)]) expect(values.length).toBeGreaterThan(20);
    }, PATIENT);

    await mortal.end('SIGKILL');
    const two = await stableWith(2);
    expect(two.generation).toBeGreaterThan(all.generation);

    const before = leaving.values.length;
    await vi.waitFor(() => expect(leaving.values.length).toBeGreaterThan(before + 20), PATIENT);
    await leaving.leave();
    const one = await stableWith(1);
    const joining = new NativeReader();
    const last = await stableWith(2);
    expect(last.generation).toBeGreaterThan(one.generation);
    await vi.waitFor(() => expect(joining.values.length).toBeGreaterThan(20), PATIENT);

    await writer.stop();
    const seen = (): Set<string> =>
      new Set([...leaving.values, ...joining.values, ...kafka.values, ...printedBy(mortal)]);
    await vi.waitFor(() => expect(writer.values.filter((value) => !seen().has(value))).toEqual([]), PATIENT);
    await vi.waitFor(async () => {
      const committed = await client.groups.offsets(GROUP);
      expect(committed.reduce((sum, { offset }) => sum + offset, 0)).toBe(writer.values.length);
    }, PATIENT);

    const generations = new Map<number, number[]>();
    for (const { owned } of [leaving, joining, kafka]) {
      for (const [generation, partitions] of owned) {
        generations.set(generation, [...(generations.get(generation) ?? []), ...partitions]);
      }
    }
    expect(generations.size).toBeGreaterThan(2);
    for (const partitions of generations.values()) expect(new Set(partitions).size).toBe(partitions.length);
    await joining.leave();
    await kafka.stop();
  },
);

test(
  'the broker dies that coordinates a group: its member stays in its generation, reads on, and commits at the next one',
  { timeout: TEST_MS_MAX },
  async () => {
    const writer = new Writer();
    const reader = new NativeReader();
    await vi.waitFor(() => expect(reader.values.length).toBeGreaterThan(50), PATIENT);
    const { generation } = await stableWith(1);
    const { partitions } = client.topic(OFFSETS_TOPIC)!;
    const { leader } = partitions[partitionForGroup(GROUP, partitions.length)]!;
    const { pid } = cluster.services.find(({ kind, id }) => kind === 'broker' && id === String(leader))!;
    process.kill(pid, 'SIGKILL');
    const before = writer.values.length;
    await vi.waitFor(() => expect(writer.values.length).toBeGreaterThan(before + 200), PATIENT);
    await writer.stop();
    await vi.waitFor(async () => {
      const seen = new Set(reader.values);
      expect(writer.values.filter((value) => !seen.has(value))).toEqual([]);
      const ends = await client.listOffsets(
        TOPIC,
        Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, timestamp: 'latest' as const })),
      );
      const committed = await client.groups.offsets(GROUP);
      expect(committed.map(({ offset }) => offset)).toEqual(ends.map(({ offset }) => offset));
    }, PATIENT);
    expect((await stableWith(1)).generation).toBe(generation);
    expect(reader.consumer.generation).toBe(generation);
    await reader.leave();
  },
);
