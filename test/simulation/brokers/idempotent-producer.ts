import { errorCodeOf } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { Stream } from '@weir/base/transport.ts';
import { Connections } from '@weir/client/connections.ts';
import { Metadata } from '@weir/client/metadata/metadata.ts';
import { PRODUCE } from '@weir/client/producer/produce-frame.ts';
import type { ProduceFrame } from '@weir/client/producer/produce-frame.ts';
import { asProducers } from '@weir/log/test-kit.ts';
import { Acks } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ProduceResult } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import type { RecordHistory, Send } from '../checks/record-history.ts';
import type { Chance } from '../engine/chance.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { clientProcess } from './client-world.ts';
import { valueOf } from './producer.ts';
import { keyFor, loadRecord } from './load-record.ts';
import type { BrokerSwarm } from './swarm.ts';
import type { LoadPartition } from './topics.ts';

const RETRY_MS = 100;
/** A try that was not answered by then is given up, and made again. */
const ANSWER_MS = 3_000;
/** A batch that is not stored by then is given up. */
const DELIVERY_MS = [2_000, 10_000, 60_000];
/** Refusals of a batch that is not in the log, and will not be. */
const NOT_APPENDED: ReadonlySet<ErrorCode> = new Set([
  'NOT_ENOUGH_REPLICAS',
  'MESSAGE_TOO_LARGE',
  'THROTTLING_QUOTA_EXCEEDED',
]);
const BATCH_BYTES_MAX = 1_000_000;

/** A batch on its way to one partition. */
interface Batch {
  readonly bytes: Buffer;
  readonly sends: readonly Send[];
  readonly untilMs: number;
  /** It may be in the log: a try has had no answer, or one that leaves it open. */
  mayBeStored: boolean;
}

/** A partition that is sent to, one batch after the other. */
interface Lane {
  readonly partition: LoadPartition;
  producerId: number;
  sequence: number;
  batch: Batch | undefined;
}

interface Attempt {
  readonly lane: Lane;
  readonly batch: Batch;
  isOver: boolean;
}

/** The stream to one broker. */
interface Link {
  readonly stream: Stream<ProduceFrame>;
  readonly attempts: Map<number, Attempt>;
}

/** A process that numbers its batches, as idempotent producers do: however often one is sent, it is stored once (R14). */
export class IdempotentProducer {
  readonly process: Process;
  readonly #parts: Parts<BrokerSwarm>;
  readonly #history: RecordHistory;
  readonly #chance: Chance;
  readonly #keys: Chance;
  readonly #metadata: Metadata;
  readonly #connections: Connections;
  readonly #lanes: readonly Lane[];
  readonly #links = new Map<string, Link>();
  readonly #deliveryMs: number;
  #nextProducerId: number;
  #nextRequest = 1;
  #operations = 0;
  #isStopped = false;

  /** @param number - from 0: no other producer has it */
  constructor(
    number: number,
    parts: Parts<BrokerSwarm>,
    load: {
      readonly coordinators: readonly string[];
      readonly history: RecordHistory;
      readonly partitions: readonly LoadPartition[];
    },
  ) {
    const name = `idempotent producer ${number + 1}`;
    this.#parts = parts;
    this.#history = load.history;
    const { process, world } = clientProcess(name, parts);
    this.process = process;
    this.#chance = parts.chanceFor(`${name}'s load`);
    this.#keys = parts.chanceFor(`${name}'s keys`);
    this.#metadata = new Metadata({ coordinators: load.coordinators, name, autoCreateTopics: false }, world);
    this.#connections = new Connections(world.transport);
    this.#deliveryMs = this.#chance.pick(DELIVERY_MS);
    this.#nextProducerId = (number + 1) * 1_000_000;
    this.#lanes = load.partitions.map((partition) => ({
      partition,
      producerId: this.#nextProducerId++,
      sequence: 0,
      batch: undefined,
    }));
    this.#next();
  }

  /** Records sent so far. */
  get operations(): number {
    return this.#operations;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Whether it waits for an outcome, but of partitions that nobody may lead. */
  unanswered(leaderless: ReadonlySet<string>): string | undefined {
    const lane = this.#lanes.find(({ partition, batch }) => batch !== undefined && !leaderless.has(partition.name));
    return lane === undefined ? undefined : `${this.process.name} waits for an outcome in ${lane.partition.name}`;
  }

  #next(): void {
    const { operationMs } = this.#parts.swarm;
    this.process.clock.after(this.#chance.between(0, 2 * operationMs), () => {
      if (this.#isStopped) return;
      this.#next();
      const lane = this.#chance.pick(this.#lanes);
      if (lane.batch !== undefined) return;
      lane.batch = this.#newBatch(lane);
      this.#try(lane, lane.batch);
    });
  }

  #newBatch({ partition, producerId, sequence }: Lane): Batch {
    const { recordsMax, valueBytesMax } = this.#parts.swarm;
    const { clock, name } = { clock: this.process.clock, name: this.process.name };
    const builder = new BatchBuilder({ maxBytes: BATCH_BYTES_MAX });
    const batch = `${producerId}:${sequence}`;
    const sends = Array.from({ length: this.#chance.whole(1, recordsMax) }, () => {
      const value = valueOf(name, ++this.#operations, this.#chance.whole(1, valueBytesMax));
      const keyed = keyFor(partition.topic, this.#keys);
      builder.append({ ...loadRecord(value, keyed), timestampMs: clock.wallMs() });
      return this.#history.sent({ producer: name, partition: partition.name, value, batch, ...keyed });
    });
    return {
      bytes: asProducers(builder.build(), { producerId, sequence }),
      sends,
      untilMs: clock.monotonicMs() + this.#deliveryMs,
      mayBeStored: false,
    };
  }

  #try(lane: Lane, batch: Batch): void {
    if (lane.batch !== batch) return;
    if (this.process.clock.monotonicMs() > batch.untilMs) return this.#giveUp(lane, batch);
    const { topic, index } = lane.partition;
    const info = this.#metadata.image.topic(topic.name);
    const partition = info?.partitions[index];
    const leader = partition === undefined ? undefined : this.#metadata.image.broker(partition.leader);
    if (info === undefined || partition === undefined || leader === undefined) return this.#again(lane, batch);
    const link = this.#linkTo(leader.grpcAddress);
    const attempt: Attempt = { lane, batch, isOver: false };
    const id = this.#nextRequest++;
    link.attempts.set(id, attempt);
    this.process.clock.after(ANSWER_MS, () => this.#unanswered(attempt));
    const records = {
      topicId: info.idBytes,
      partition: index,
      leaderEpoch: partition.leaderEpoch,
      records: batch.bytes,
    };
    link.stream.send({ id, acks: Acks.ALL, traceparent: '', batches: [records] });
  }

  #again(lane: Lane, batch: Batch): void {
    this.process.clock.after(this.#chance.between(0.5, 1.5) * RETRY_MS, () => this.#try(lane, batch));
  }

  #linkTo(address: string): Link {
    const known = this.#links.get(address);
    if (known !== undefined) return known;
    const attempts = new Map<number, Attempt>();
    const stream: Stream<ProduceFrame> = this.#connections.to(address).open(PRODUCE, {
      message: ({ response }) => {
        if (response.case !== 'result') return;
        const attempt = attempts.get(Number(response.value.id));
        attempts.delete(Number(response.value.id));
        if (attempt !== undefined) this.#answered(attempt, response.value);
      },
      drained: () => {},
      closed: () => {
        this.#links.delete(address);
        for (const attempt of attempts.values()) this.#unanswered(attempt);
      },
    });
    const link = { stream, attempts };
    this.#links.set(address, link);
    return link;
  }

  #unanswered(attempt: Attempt): void {
    if (attempt.isOver) return;
    attempt.isOver = true;
    attempt.batch.mayBeStored = true;
    this.#again(attempt.lane, attempt.batch);
  }

  #answered(attempt: Attempt, { results: [result] }: ProduceResult): void {
    const { lane, batch } = attempt;
    if (attempt.isOver || lane.batch !== batch || result === undefined) return;
    attempt.isOver = true;
    const { sometimes } = this.#parts;
    if (result.errorCode === 0) {
      if (batch.mayBeStored) sometimes.saw('a batch was sent again, and stored once');
      for (const [i, send] of batch.sends.entries()) this.#history.acknowledged(send, Number(result.baseOffset) + i);
      lane.sequence += batch.sends.length;
      lane.batch = undefined;
      return;
    }
    const code = errorCodeOf(result.errorCode);
    if (code === 'OUT_OF_ORDER_SEQUENCE_NUMBER' || code === 'INVALID_PRODUCER_EPOCH') {
      if (lane.partition.topic.flush === 'commit')
        this.#parts.ground.violated(
          `${this.process.name} was told of ${lane.partition.name}: ${code}: ${result.message}`,
        );
      batch.mayBeStored = true;
      return this.#giveUp(lane, batch);
    }
    if (code === 'NOT_ENOUGH_REPLICAS') sometimes.saw('a write was refused for want of replicas in sync');
    if (!NOT_APPENDED.has(code)) batch.mayBeStored = true;
    this.#again(lane, batch);
  }

  /** What may be stored leaves open which number comes next: then it goes on as another producer. */
  #giveUp(lane: Lane, batch: Batch): void {
    lane.batch = undefined;
    if (!batch.mayBeStored) {
      for (const send of batch.sends) this.#history.failed(send);
      return;
    }
    lane.producerId = this.#nextProducerId++;
    lane.sequence = 0;
  }
}
