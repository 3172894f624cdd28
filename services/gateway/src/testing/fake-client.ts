import type { Clock } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { brokerId, offset, topicId } from '@weir/base/ids.ts';
import { MESSAGE_BYTES_MAX } from '@weir/base/limits.ts';
import type { CreatedTopic, DeletedTopic, NewTopicSpec } from '@weir/client/client.ts';
import type { ConsumerOptions } from '@weir/client/consumer/consumer-options.ts';
import { placeOf } from '@weir/client/group/assignor.ts';
import type { GroupOffset } from '@weir/client/group/group-offsets.ts';
import type { OffsetAnswer, OffsetQuery } from '@weir/client/consumer/list-offsets.ts';
import type { ReadRequest, ReadResult } from '@weir/client/consumer/read.ts';
import type { SubscribeRequest, Subscription, SubscriptionHandlers } from '@weir/client/consumer/subscription.ts';
import type { DeletedRecords, RecordsToDelete } from '@weir/client/delete-records.ts';
import type { BrokerInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { ProducerRecord, SendOptions, SendOutcome } from '@weir/client/producer/producer.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { FakeConsumer } from './fake-consumer.ts';
import { FakeNamespace } from './fake-namespace.ts';

/** A topic of the fake. */
interface FakeTopic {
  readonly info: TopicInfo;
  readonly partitions: RecordView[][];
}

interface Follower {
  readonly topic: string;
  readonly partition: number;
  readonly handlers: SubscriptionHandlers;
  next: number;
  credit: number;
}

/** A cluster in memory that answers as a client of a real one does, for tests of the gateway. */
export class FakeClient implements GatewayClient {
  readonly namespace = new FakeNamespace();
  revision = 7;
  clusterId = 'cluster-1';
  /** Called with every send, before it is taken. */
  onSend: (records: readonly ProducerRecord[], options: SendOptions) => void = () => {};
  /** Called with every read, once it waits or is answered. */
  onRead: (request: ReadRequest) => void = () => {};
  /** Refuses records, by a function of the record. */
  refuse: (record: ProducerRecord) => Refusal | undefined = () => undefined;
  /** While true, sends are taken but not acknowledged. */
  holdAcks = false;
  closed = false;
  /** What it was given to send the rest. */
  closeGraceMs = Number.NaN;
  readonly followers = new Set<Follower>();
  readonly consumers: FakeConsumer[] = [];
  readonly #committed = new Map<string, Map<string, GroupOffset>>();
  readonly #clock: Clock;
  readonly #topics = new Map<string, FakeTopic>();
  #held: (() => void)[] = [];
  #sticky = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly producer: GatewayClient['producer'] = {
    bufferedBytes: 0,
    sendMany: (topic, records, options, done) => this.#send(topic, records, options, done),
  };

  addTopic(name: string, partitions: number, configs: Record<string, string> = {}): void {
    const id = topicId(`00000000-0000-4000-8000-${String(this.#topics.size + 1).padStart(12, '0')}`);
    const infos = Array.from({ length: partitions }, (_, index) => ({
      index,
      leader: brokerId(1),
      leaderEpoch: 0,
      replicas: [1],
      isr: [1],
      isrEpochs: [3],
      elr: [],
      partitionEpoch: 0,
      uncleanEpoch: -1,
    }));
    this.#topics.set(name, {
      info: { name, id, idBytes: new Uint8Array(16), partitions: infos, configs, messageBytesMax: MESSAGE_BYTES_MAX },
      partitions: infos.map(() => []),
    });
  }

  records(topic: string, partition: number): RecordView[] {
    return this.#topics.get(topic)!.partitions[partition]!;
  }

  releaseAcks(): void {
    this.holdAcks = false;
    for (const acknowledge of this.#held.splice(0)) acknowledge();
  }

  /** Removes the oldest records, as retention does. */
  startOffset = 0;

  topics(): TopicInfo[] {
    return [...this.#topics.values()].map(({ info }) => info);
  }

  topic(name: string): TopicInfo | undefined {
    return this.#topics.get(name)?.info;
  }

  awaitTopic(name: string): Promise<TopicInfo> {
    const info = this.topic(name);
    if (info !== undefined) return Promise.resolve(info);
    return Promise.reject(new WeirError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${name}"; create it first`));
  }

  brokers(): BrokerInfo[] {
    const address = { grpcAddress: '127.0.0.1:7071', kafkaAddress: '', replicationAddress: '' };
    return [{ id: brokerId(1), epoch: 3, ...address, rack: '', active: true, draining: false }];
  }

  createTopics(topics: readonly NewTopicSpec[]): Promise<readonly CreatedTopic[]> {
    const results = topics.map(({ name, partitions, configs }): CreatedTopic => {
      if (this.#topics.has(name)) {
        return { name, refusal: { code: 'TOPIC_ALREADY_EXISTS', message: `there is a topic "${name}" already` } };
      }
      this.addTopic(name, partitions ?? 1, { ...configs });
      return { name };
    });
    return Promise.resolve(results);
  }

  deleteTopics(names: readonly string[]): Promise<readonly DeletedTopic[]> {
    const results = names.map((name): DeletedTopic => {
      if (this.#topics.delete(name)) return { name };
      return { name, refusal: { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `there is no topic "${name}"` } };
    });
    return Promise.resolve(results);
  }

  async deleteRecords(topic: string, asked: readonly RecordsToDelete[]): Promise<readonly DeletedRecords[]> {
    await this.awaitTopic(topic);
    return asked.map(({ partition, before }): DeletedRecords => {
      const end = this.records(topic, partition).length;
      if (before !== 'end' && before > end) {
        return { partition, refusal: { code: 'OFFSET_OUT_OF_RANGE', message: `${topic}-${partition} ends at ${end}` } };
      }
      this.startOffset = Math.max(this.startOffset, before === 'end' ? end : before);
      return { partition, lowWatermark: this.startOffset };
    });
  }

  read(request: ReadRequest): Promise<ReadResult> {
    const all = this.records(request.topic, request.partition);
    if (request.offset > all.length || request.offset < this.startOffset) {
      return Promise.reject(new WeirError('OFFSET_OUT_OF_RANGE', `offset ${request.offset} is out of range`));
    }
    return new Promise((resolve) => {
      const answer = (): void => {
        stop();
        cancel();
        request.signal?.removeEventListener('abort', answer);
        const records = all.slice(request.offset, request.offset + request.maxRecords);
        resolve({
          records,
          nextOffset: request.offset + records.length,
          highWatermark: all.length,
          logStartOffset: this.startOffset,
        });
      };
      const stop = this.#clock.every(1, () => {
        if (all.length > request.offset) answer();
      });
      const cancel = this.#clock.after(request.waitMs, answer);
      request.signal?.addEventListener('abort', answer);
      this.onRead(request);
      if (all.length > request.offset || request.waitMs === 0) answer();
    });
  }

  async listOffsets(name: string, queries: readonly OffsetQuery[]): Promise<readonly OffsetAnswer[]> {
    await this.awaitTopic(name);
    return queries.map(({ partition, timestamp }): OffsetAnswer => {
      const all = this.records(name, partition);
      switch (timestamp) {
        case 'earliest':
          return { partition, offset: this.startOffset, timestampMs: -1 };
        case 'latest':
          return { partition, offset: all.length, timestampMs: -1 };
        default: {
          const index = all.findIndex((record) => record.timestampMs >= timestamp);
          return { partition, offset: index, timestampMs: all[index]?.timestampMs ?? -1 };
        }
      }
    });
  }

  consumer(options: ConsumerOptions): FakeConsumer {
    const consumer = new FakeConsumer(options, this, this.#clock);
    this.consumers.push(consumer);
    return consumer;
  }

  /** Groups are there while they have committed something; their members are the consumers that are not closed. */
  readonly groups: GatewayClient['groups'] = {
    list: () => {
      const groups = [...this.#committed.keys()].map((groupId) => ({
        groupId,
        state: this.#members(groupId).length === 0 ? 'Empty' : 'Stable',
        protocolType: 'consumer',
        memberCount: this.#members(groupId).length,
      }));
      return Promise.resolve({ groups, refusals: [] });
    },
    describe: (groupId) => {
      if (!this.#committed.has(groupId)) {
        return Promise.reject(new WeirError('GROUP_ID_NOT_FOUND', `there is no group ${groupId}`));
      }
      const members = this.#members(groupId).map((consumer, i) => ({
        memberId: `member-${i}`,
        instanceId: undefined,
        clientId: 'c',
        clientHost: '/127.0.0.1',
        topics: [],
        assignment: consumer.assignment(),
      }));
      const state = members.length === 0 ? 'Empty' : 'Stable';
      return Promise.resolve({ groupId, state, protocolType: 'consumer', protocol: 'range', generation: 3, members });
    },
    delete: (groupId) => {
      const found = this.#committed.delete(groupId);
      if (found) return Promise.resolve();
      return Promise.reject(new WeirError('GROUP_ID_NOT_FOUND', `there is no group ${groupId}`));
    },
    offsets: (groupId) => {
      const offsets = [...(this.#committed.get(groupId)?.values() ?? [])];
      return Promise.resolve(offsets.map((one) => ({ metadata: '', committedMs: 1, ...one })));
    },
    commit: (groupId, offsets) => {
      for (const one of offsets) this.committedOf(groupId).set(placeOf(one), one);
      return Promise.resolve(offsets.map(() => undefined));
    },
  };

  #members(groupId: string): FakeConsumer[] {
    return this.consumers.filter(({ options, isClosed }) => options.groupId === groupId && !isClosed);
  }

  /** What a group has committed, by place. */
  committedOf(groupId: string): Map<string, GroupOffset> {
    let offsets = this.#committed.get(groupId);
    if (offsets === undefined) this.#committed.set(groupId, (offsets = new Map()));
    return offsets;
  }

  subscribe(request: SubscribeRequest, handlers: SubscriptionHandlers): Subscription {
    const { topic, partition } = request;
    const follower: Follower = { topic, partition, handlers, next: request.offset, credit: request.creditBytes };
    this.followers.add(follower);
    this.#clock.endOfTurn(() => {
      if (request.offset < this.startOffset) handlers.ended({ code: 'OFFSET_OUT_OF_RANGE', message: 'gone' });
      else this.#feed(follower);
    });
    return {
      credit: (bytes) => {
        follower.credit += bytes;
        this.#clock.endOfTurn(() => this.#feed(follower));
      },
      close: () => void this.followers.delete(follower),
    };
  }

  close(graceMs = Number.NaN): Promise<void> {
    this.closed = true;
    this.closeGraceMs = graceMs;
    return Promise.resolve();
  }

  #send(
    name: string,
    records: readonly ProducerRecord[],
    options: SendOptions,
    done: (outcome: SendOutcome) => void,
  ): void {
    this.onSend(records, options);
    const topic = this.#topics.get(name)!;
    const partition = new Int32Array(records.length);
    const offsets = new Float64Array(records.length).fill(-1);
    const refusals = new Map<number, Refusal>();
    const acknowledge = (): void => {
      for (const [i, record] of records.entries()) {
        const index = record.partition ?? this.#partitionOf(record.key, topic.partitions.length);
        const refused = this.refuse(record);
        const log = topic.partitions[index];
        partition[i] = index;
        if (refused !== undefined || log === undefined) {
          refusals.set(i, refused ?? { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `there is no partition ${index}` });
          continue;
        }
        offsets[i] = log.length;
        log.push({
          offset: offset(log.length),
          timestampMs: record.timestampMs ?? 1_700_000_000_000 + log.length,
          key: copy(record.key),
          value: copy(record.value),
          headers: (record.headers ?? []).map(({ key, value }) => ({ key, value: copy(value) })),
        });
      }
      done({ count: records.length, partition, offset: offsets, refusals });
      for (const follower of this.followers) this.#clock.endOfTurn(() => this.#feed(follower));
    };
    if (this.holdAcks) this.#held.push(acknowledge);
    else this.#clock.endOfTurn(acknowledge);
  }

  #partitionOf(key: Uint8Array | null, count: number): number {
    return key === null ? this.#sticky++ % count : key.reduce((sum, byte) => sum + byte, 0) % count;
  }

  #feed(follower: Follower): void {
    const log = this.records(follower.topic, follower.partition);
    while (this.followers.has(follower) && follower.next < log.length && follower.credit > 0) {
      const record = log[follower.next++]!;
      const builder = new BatchBuilder({ maxBytes: 1 << 20 });
      builder.append(record);
      const batch = builder.build();
      batch.writeBigInt64BE(BigInt(record.offset), 0);
      follower.credit -= batch.length;
      follower.handlers.batches(batch, {
        highWatermark: log.length,
        logStartOffset: this.startOffset,
        fromOffset: record.offset,
        nextOffset: follower.next,
      });
    }
  }
}

function copy(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
