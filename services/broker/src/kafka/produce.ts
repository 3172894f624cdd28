import type { Clock } from '@weir/base/clock.ts';
import { refusal } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { Members } from '@weir/base/members.ts';
import type { Member } from '@weir/base/members.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { produce } from '@weir/kafka/apis/produce.ts';
import type { ProduceRequest, ProduceResponse } from '@weir/kafka/apis/produce.ts';
import { BATCH_HEADER_BYTES, compressionOf } from '@weir/records/batch-header.ts';
import { appendKeeping } from '../append-keeping.ts';
import type { BrokerMetrics } from '../metrics.ts';
import type { AppendWaiter } from '../partition/append-queue.ts';
import type { Acks } from '../partition/leadership.ts';
import { Partition } from '../partition/partition.ts';
import { latin1 } from '../partition/partition-key.ts';
import type { Partitions } from '../partition/partitions.ts';
import { servingProducers } from '../serving-producers.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber, LEADER_MOVED } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { eachOnce } from './repeated.ts';
import { findTopic, inWordsOfNames } from './topics.ts';

/** What producing needs. */
export interface ProduceParts {
  readonly partitions: Partitions;
  readonly cluster: ClusterView;
  readonly clock: Clock;
  readonly metrics: BrokerMetrics;
  readonly slabs: Slabs;
  /** Bytes that may wait for the disk, of all producers; past it no further requests are begun. */
  readonly pendingBytesMax: number;
}

type CurrentLeader = ProduceResponse['responses'][number]['partitionResponses'][number]['currentLeader'];

/** What one partition is answered; it is filled in when its batch is decided upon. */
interface PartitionAnswer {
  readonly index: number;
  errorCode: number;
  baseOffset: number;
  readonly logAppendTimeMs: number;
  logStartOffset: number;
  errorMessage: string | null;
  currentLeader: CurrentLeader;
}

interface TopicAnswer {
  readonly name: string;
  readonly topicId: Uint8Array;
  readonly partitionResponses: PartitionAnswer[];
}

/**
 * Answers Produce. Each batch is decided upon and appended in the turn in which it came; the answer goes out when the
 * last of them counts.
 */
export class KafkaProduce {
  readonly #parts: ProduceParts;
  readonly #unanswered = new Members<PendingProduce>();
  #stopping = false;
  #idle: (() => void) | undefined;
  /** A request was held back, and there may be room for it now. */
  onRoom: () => void = () => {};
  #heldBack = false;
  readonly #done = (pending: PendingProduce): void => {
    this.#unanswered.remove(pending);
    this.#checkIdle();
  };

  constructor(parts: ProduceParts) {
    this.#parts = parts;
  }

  /** Whether there is room for more. When not, `onRoom` is called once there is. */
  admits(): boolean {
    const { partitions, pendingBytesMax } = this.#parts;
    // Half of what all may have: the rest is for batches that are on their way by then.
    if (partitions.pendingBytes * 2 < pendingBytesMax) return true;
    if (!this.#heldBack) {
      this.#heldBack = true;
      this.#awaitRoom();
    }
    return false;
  }

  /** Takes nothing more; `idle` is called once everything that was taken is answered. */
  stop(idle: () => void): void {
    this.#stopping = true;
    this.#idle = idle;
    this.#checkIdle();
  }

  /** Answers those whose time is up: what they sent may count later all the same. */
  sweep(nowMs: number): void {
    for (const pending of this.#unanswered.snapshot()) pending.sweep(nowMs);
  }

  handle(exchange: Exchange<typeof produce>): void {
    const { request, version } = exchange;
    const pending = new PendingProduce(exchange, this.#parts, this.#done);
    this.#unanswered.add(pending);
    const refused = this.#refusalOf(request);
    const byId = version >= IDS_FROM;
    for (const { topic, parts } of eachOnce(request.topicData, byId ? BY_ID : BY_NAME)) {
      const { name, topicId } = topic;
      const id = byId ? topicId : this.#parts.cluster.image.topic(name)?.idBytes;
      // The request's memory is somebody else's by the time of the answer.
      const answers = pending.topic(name, byId ? Buffer.from(topicId) : topicId);
      for (const { index, records } of parts) {
        const slot = pending.slot(answers, index);
        let problem = refused;
        if (problem === undefined) {
          if (id === undefined) problem = refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${name}`);
          else problem = this.#append(id, index, records ?? NO_BYTES, pending, slot, version);
        }
        if (problem !== undefined) pending.failed(slot, problem);
      }
    }
    pending.taken();
  }

  #append(
    topicId: Uint8Array,
    index: number,
    records: Buffer,
    pending: PendingProduce,
    slot: number,
    version: number,
  ): Refusal | undefined {
    const found = servingProducers(this.#parts.partitions, { topicId, partition: index, leaderEpoch: -1 });
    if (!(found instanceof Partition)) return found;
    if (version < ZSTD_FROM && isZstd(records)) {
      return refusal('UNSUPPORTED_COMPRESSION_TYPE', 'zstd is for clients that speak Produce from version 7 on');
    }
    // Any other batch of the request may be refused.
    const keeping = { slabs: this.#parts.slabs, keptBytes: records.length };
    return appendKeeping(records, keeping, (batch) => found.append(batch, -1, pending, slot, pending.acks));
  }

  #refusalOf({ acks, transactionalId }: ProduceRequest): Refusal | undefined {
    if (this.#stopping) return refusal('SHUTTING_DOWN', 'this broker is shutting down');
    if (acks !== -1 && acks !== 0 && acks !== 1) {
      return refusal('INVALID_REQUIRED_ACKS', `acks is -1 (all), 0 or 1, not ${acks}`);
    }
    if (transactionalId !== null) return refusal('INVALID_REQUEST', 'transactions are not supported');
    return undefined;
  }

  /** Looks a few times a turn of the disk: whoever frees room, be it gRPC's producers, does not know of us. */
  #awaitRoom(): void {
    this.#parts.clock.after(ROOM_LOOK_MS, () => {
      const { partitions, pendingBytesMax } = this.#parts;
      if (partitions.pendingBytes * 2 >= pendingBytesMax) return this.#awaitRoom();
      this.#heldBack = false;
      this.onRoom();
    });
  }

  #checkIdle(): void {
    if (this.#unanswered.size > 0 || this.#idle === undefined) return;
    const idle = this.#idle;
    this.#idle = undefined;
    idle();
  }
}

type TopicData = ProduceRequest['topicData'][number];

/** How a topic and its partitions are told apart. */
const BY_NAME = {
  keyOf: ({ name }: TopicData) => name,
  partsOf: ({ partitionData }: TopicData) => partitionData,
  indexOf: ({ index }: TopicData['partitionData'][number]) => index,
};
const BY_ID = { ...BY_NAME, keyOf: ({ topicId }: TopicData) => latin1(topicId) };
const NO_BYTES = Buffer.alloc(0);
/** The first version that names topics by their ids. */
const IDS_FROM = 13;
const ROOM_LOOK_MS = 2;
/** The first version of Produce whose clients may send zstd (KIP-110). */
const ZSTD_FROM = 7;

function isZstd(records: Buffer): boolean {
  return records.length >= BATCH_HEADER_BYTES && compressionOf(records, 0) === 'zstd';
}

/** A request whose batches are on their way; it is answered when the last of them is. */
class PendingProduce implements AppendWaiter, Member {
  memberIndex = -1;
  readonly #exchange: Exchange<typeof produce>;
  readonly #parts: ProduceParts;
  readonly #done: (pending: PendingProduce) => void;
  readonly #sinceMs: number;
  readonly #topics: TopicAnswer[] = [];
  /** By the slots of their batches. */
  readonly #answers: PartitionAnswer[] = [];
  /** Batches without an answer, and one for the request itself while it is being taken. */
  #open = 1;
  #isOver = false;
  #failure: ErrorCode | undefined;
  #withLeaders = false;

  constructor(exchange: Exchange<typeof produce>, parts: ProduceParts, done: (pending: PendingProduce) => void) {
    this.#exchange = exchange;
    this.#parts = parts;
    this.#done = done;
    this.#sinceMs = parts.clock.monotonicMs();
    exchange.onGone = () => this.#end();
  }

  /** Who has to have its batches before it is answered; with acks=0 nobody is asked for more than the leader. */
  get acks(): Acks {
    return this.#exchange.request.acks === -1 ? 'all' : 'leader';
  }

  topic(name: string, topicId: Uint8Array): PartitionAnswer[] {
    const partitionResponses: PartitionAnswer[] = [];
    this.#topics.push({ name, topicId, partitionResponses });
    return partitionResponses;
  }

  slot(answers: PartitionAnswer[], index: number): number {
    const answer: PartitionAnswer = {
      index,
      errorCode: 0,
      baseOffset: -1,
      logAppendTimeMs: -1,
      logStartOffset: -1,
      errorMessage: null,
      currentLeader: undefined,
    };
    answers.push(answer);
    this.#open++;
    return this.#answers.push(answer) - 1;
  }

  appended(slot: number, baseOffset: Offset, logStartOffset: Offset): void {
    const answer = this.#answers[slot]!;
    answer.baseOffset = baseOffset;
    answer.logStartOffset = logStartOffset;
    this.#close();
  }

  failed(slot: number, refused: Refusal): void {
    if (this.#isOver) return;
    const why = this.#exchange.version < IDS_FROM ? inWordsOfNames(refused) : refused;
    this.#failure ??= why.code;
    this.#parts.metrics.refusals.labels(why.code).inc();
    const answer = this.#answers[slot]!;
    answer.errorCode = errorNumber(why.code);
    answer.errorMessage = why.message;
    if (LEADER_MOVED.has(why.code)) answer.currentLeader = this.#leaderOf(answer);
    this.#close();
  }

  /** All its batches have been decided upon. */
  taken(): void {
    this.#close();
  }

  sweep(nowMs: number): void {
    const { acks, timeoutMs } = this.#exchange.request;
    if (this.#isOver || acks === 0 || nowMs - this.#sinceMs < Math.max(0, timeoutMs)) return;
    const why = refusal('REQUEST_TIMED_OUT', `it does not count after ${timeoutMs} ms; it may count later`);
    for (let slot = 0; slot < this.#answers.length && !this.#isOver; slot++) {
      const { errorCode, baseOffset } = this.#answers[slot]!;
      if (errorCode === 0 && baseOffset === -1) this.failed(slot, why);
    }
  }

  #close(): void {
    this.#open--;
    if (this.#open > 0 || this.#isOver) return;
    const { clock, metrics } = this.#parts;
    metrics.appendSeconds.observe((clock.monotonicMs() - this.#sinceMs) / 1_000);
    const { acks } = this.#exchange.request;
    if (acks !== 0) this.#exchange.answer(this.#response());
    // Nobody reads an answer: a broken connection is how its client learns that it should ask who leads.
    else if (this.#failure !== undefined) this.#exchange.hangUp(`a batch with acks=0 was refused: ${this.#failure}`);
    else this.#exchange.finish();
    this.#end();
  }

  #response(): ProduceResponse {
    const endpoints = this.#withLeaders ? this.#parts.cluster.endpoints(this.#exchange.caller.listener) : [];
    const nodeEndpoints = endpoints.length === 0 ? undefined : endpoints;
    return { responses: this.#topics, throttleTimeMs: 0, nodeEndpoints };
  }

  /** Who leads, for clients that need not ask for it then (KIP-951). */
  #leaderOf(answer: PartitionAnswer): CurrentLeader {
    const topic = this.#topics.find(({ partitionResponses }) => partitionResponses.includes(answer))!;
    const info = findTopic(this.#parts.cluster.image, { name: topic.name, id: topic.topicId })?.partitions[
      answer.index
    ];
    if (info === undefined || info.leader === -1) return undefined;
    this.#withLeaders = true;
    return { leaderId: info.leader, leaderEpoch: info.leaderEpoch };
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#done(this);
  }
}
