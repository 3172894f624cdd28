import { unreachable } from '@weir/base/assert.ts';
import type { Cancel } from '@weir/base/clock.ts';
import { refusal } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import {
  KAFKA_FETCH_BYTES_MAX,
  KAFKA_FETCH_BYTES_SCARCE,
  KAFKA_FETCH_COLD_BYTES_MAX,
  KAFKA_FETCH_WAIT_MS_MAX,
} from '@weir/base/limits.ts';
import type { Member } from '@weir/base/members.ts';
import type { fetch, FetchResponse } from '@weir/kafka/apis/fetch.ts';
import type { ColdRead } from '@weir/log/log-read.ts';
import { Partition } from '../partition/partition.ts';
import type { TailReader } from '../partition/partition.ts';
import type { BeginRead } from '../rpc/cold-gate.ts';
import { errorNumber, LEADER_MOVED } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import type { FetchContext, Wanted } from './fetch-sessions.ts';
import type { FetchParts } from './fetch.ts';
import { findTopic, servingByName } from './topics.ts';

type TopicAnswer = FetchResponse['responses'][number];
type PartitionAnswer = TopicAnswer['partitions'][number];

/** What reading one partition gave. */
interface Found {
  readonly wanted: Wanted;
  readonly answer: PartitionAnswer;
  readonly buffers: readonly Buffer[];
  /** No error, and nothing else that the reader has to hear of. */
  readonly isPlain: boolean;
  /** There is more of it than the limits let through: waiting would not bring any of that. */
  readonly isCut: boolean;
  readonly refused?: ErrorCode;
}

/** A read from disk that is to be made. */
interface Plan {
  readonly wanted: Wanted;
  readonly partition: Partition;
  readonly plan: ColdRead;
}

/** What came from the disk for a partition. */
interface ColdResult {
  readonly buffers: readonly Buffer[];
  /** Behind them. */
  readonly nextOffset: number;
  readonly error: Error | undefined;
}

/**
 * One fetch, from its request to its answer. It looks at all its partitions; what lies on disk is read first; then it
 * looks again and answers, or waits at their tails.
 *
 * Invariant: while it waits it holds no payload.
 */
export class FetchWait implements TailReader, Member {
  place = -1;
  readonly #exchange: Exchange<typeof fetch>;
  readonly #context: FetchContext;
  readonly #parts: FetchParts;
  readonly #done: (wait: FetchWait) => void;
  readonly #bytesMax: number;
  /** What it waits at. */
  #parkedAt: Partition[] = [];
  #cancelTimer: Cancel | undefined;
  /** Its time is up: it answers with whatever there is. */
  #isDue = false;
  #isOver = false;
  #scheduled = false;
  /** Reads from disk that are not back. */
  #reading = 0;
  #begins: BeginRead[] = [];
  /** Reads from disk that are not begun. */
  #plans: Plan[] = [];
  #coldBytes = 0;
  #isBeginning = false;
  #cold = new Map<Wanted, ColdResult>();

  constructor(
    exchange: Exchange<typeof fetch>,
    context: FetchContext,
    parts: FetchParts,
    done: (wait: FetchWait) => void,
  ) {
    this.#exchange = exchange;
    this.#context = context;
    this.#parts = parts;
    this.#done = done;
    const most = parts.slabs.scarce ? KAFKA_FETCH_BYTES_SCARCE : KAFKA_FETCH_BYTES_MAX;
    this.#bytesMax = Math.min(most, Math.max(0, exchange.request.maxBytes));
    exchange.onGone = () => this.#end();
  }

  begin(): void {
    this.#isDue = this.#exchange.request.maxWaitMs <= 0;
    this.#look();
  }

  wake(): void {
    if (this.#scheduled || this.#isOver) return;
    this.#scheduled = true;
    // Partitions that move in this turn are looked at together.
    this.#parts.turn.send(() => {
      this.#scheduled = false;
      if (!this.#isOver && this.#reading === 0) this.#look();
    });
  }

  ended(): void {
    this.wake();
  }

  /** Answers with what there is. */
  finish(): void {
    this.#isDue = true;
    this.wake();
  }

  #look(): void {
    this.#unpark();
    const plans: Plan[] = [];
    const found = this.#gather((wanted, partition, plan) => plans.push({ wanted, partition, plan }));
    if (plans.length > 0) {
      this.#plans = plans;
      this.#readNext();
      return;
    }
    let bytes = 0;
    for (const { buffers } of found) for (const buffer of buffers) bytes += buffer.length;
    const isFull = bytes > 0 && found.some(({ isCut }) => isCut);
    const wantedBytes = Math.min(this.#exchange.request.minBytes, this.#bytesMax);
    const isEnough = bytes >= wantedBytes || isFull || found.some(endsWait) || found.every(isUnknown);
    if (isEnough || this.#isDue || found.length === 0) this.#answer(found);
    else this.#park(found);
  }

  /** Looks at each partition in turn, within what the reader wants in all. */
  #gather(onCold: (wanted: Wanted, partition: Partition, plan: ColdRead) => void): Found[] {
    const found: Found[] = [];
    let left = this.#bytesMax;
    let coldLeft = KAFKA_FETCH_COLD_BYTES_MAX;
    let isFirst = true;
    for (const wanted of this.#context.wanted) {
      const partition = this.#partitionOf(wanted);
      if (!(partition instanceof Partition)) {
        found.push(this.#refused(wanted, partition));
        continue;
      }
      const diverging = divergence(partition, wanted);
      if (diverging !== undefined) {
        const isKnown = diverging.epoch !== -1;
        found.push(
          isKnown ? this.#diverged(wanted, partition, diverging) : this.#refused(wanted, outOfRange(partition, wanted)),
        );
        continue;
      }
      const limit = Math.min(left, Math.max(0, wanted.maxBytes));
      const read = partition.read(offset(wanted.fetchOffset), Math.max(1, limit));
      let buffers: readonly Buffer[] = [];
      let nextOffset = wanted.fetchOffset;
      switch (read.kind) {
        case 'atEnd':
          break;
        case 'outOfRange':
          found.push(this.#refused(wanted, outOfRange(partition, wanted)));
          continue;
        case 'batches':
          this.#parts.metrics.reads.cache++;
          ({ buffers, nextOffset } = read);
          break;
        case 'cold': {
          const result = this.#cold.get(wanted);
          if (result?.error !== undefined) {
            const message = `reading ${partition.name} failed: ${result.error.message}`;
            found.push(this.#refused(wanted, partition.problem(-1) ?? refusal('KAFKA_STORAGE_ERROR', message)));
            continue;
          }
          if (result !== undefined) ({ buffers, nextOffset } = result);
          else if (this.#cold.size === 0 && (isFirst || Math.min(limit, coldLeft) > 0)) {
            const maxBytes = Math.max(1, Math.min(limit, coldLeft));
            coldLeft -= maxBytes;
            left -= maxBytes;
            isFirst = false;
            onCold(wanted, partition, { ...read.plan, maxBytes });
          }
          break;
        }
        default:
          unreachable(read);
      }
      const bytes = bytesOf(buffers);
      // A batch that is larger than what is wanted goes alone, or its reader would never get past it.
      if (bytes > limit && !isFirst) {
        buffers = [];
        nextOffset = wanted.fetchOffset;
      } else if (bytes > 0) {
        isFirst = false;
        left = Math.max(0, left - bytes);
      }
      const isCut = nextOffset < partition.highWatermark;
      found.push({ wanted, answer: this.#served(wanted, partition, buffers), buffers, isPlain: true, isCut });
    }
    return found;
  }

  #partitionOf({ topic: name, topicId, partition, fetchOffset, currentLeaderEpoch }: Wanted): Partition | Refusal {
    const { partitions } = this.#parts;
    // Versions that name topics by their ids have no names.
    const found =
      name === ''
        ? partitions.serving(topicId, partition, currentLeaderEpoch)
        : servingByName(this.#parts, name, partition, currentLeaderEpoch);
    if (!(found instanceof Partition)) return found;
    if (!Number.isSafeInteger(fetchOffset) || fetchOffset < 0) return outOfRange(found, { fetchOffset });
    return found;
  }

  #served(wanted: Wanted, partition: Partition, buffers: readonly Buffer[]): PartitionAnswer {
    const { highWatermark, logStartOffset } = partition;
    return {
      partitionIndex: wanted.partition,
      errorCode: 0,
      highWatermark,
      // There are no transactions: all that may be read is stable.
      lastStableOffset: highWatermark,
      logStartOffset,
      abortedTransactions: this.#exchange.request.isolationLevel === 1 ? [] : null,
      records: buffers,
    };
  }

  #diverged(wanted: Wanted, partition: Partition, divergingEpoch: { epoch: number; endOffset: number }): Found {
    const answer = { ...this.#served(wanted, partition, []), divergingEpoch };
    return { wanted, answer, buffers: [], isPlain: false, isCut: false };
  }

  #refused(wanted: Wanted, why: Refusal): Found {
    const { cluster } = this.#parts;
    const id = { name: wanted.topic, id: wanted.topicId };
    const info = LEADER_MOVED.has(why.code) ? findTopic(cluster.image, id)?.partitions[wanted.partition] : undefined;
    const answer: PartitionAnswer = {
      partitionIndex: wanted.partition,
      errorCode: errorNumber(why.code),
      highWatermark: -1,
      abortedTransactions: null,
      records: [],
      ...(info === undefined || info.leader === -1
        ? {}
        : { currentLeader: { leaderId: info.leader, leaderEpoch: info.leaderEpoch } }),
    };
    return { wanted, answer, buffers: [], isPlain: false, isCut: false, refused: why.code };
  }

  #answer(found: readonly Found[]): void {
    const responses: { topic: string; topicId: Uint8Array; partitions: PartitionAnswer[] }[] = [];
    let withLeaders = false;
    for (const { wanted, answer, buffers, isPlain, refused } of found) {
      if (refused !== undefined) this.#parts.metrics.fetchRefusals.labels(refused).inc();
      const { highWatermark, logStartOffset = -1 } = answer;
      const hasRecords = buffers.length > 0;
      if (!this.#context.tells({ wanted, isPlain, hasRecords, highWatermark, logStartOffset })) continue;
      let topic = responses.at(-1);
      if (topic === undefined || topic.topic !== wanted.topic || !sameId(topic.topicId, wanted.topicId)) {
        topic = { topic: wanted.topic, topicId: wanted.topicId, partitions: [] };
        responses.push(topic);
      }
      topic.partitions.push(answer);
      withLeaders ||= answer.currentLeader !== undefined;
      if (hasRecords) this.#count(wanted, buffers);
    }
    const { cluster } = this.#parts;
    this.#exchange.answer({
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: this.#context.sessionId,
      responses,
      ...(withLeaders ? { nodeEndpoints: cluster.endpoints(this.#exchange.caller.listener) } : {}),
    });
    this.#end();
  }

  #count(wanted: Wanted, buffers: readonly Buffer[]): void {
    const partition = this.#partitionOf(wanted);
    if (partition instanceof Partition) partition.topic.counters.bytesOut += bytesOf(buffers);
  }

  /** Waits at the tails. What was read from disk and is not enough is read again then. */
  #park(found: readonly Found[]): void {
    this.#dropCold();
    for (const { wanted } of found) {
      const partition = this.#partitionOf(wanted);
      if (!(partition instanceof Partition)) continue;
      partition.addReader(this);
      partition.park(this);
      this.#parkedAt.push(partition);
    }
    if (this.#cancelTimer !== undefined) return;
    const waitMs = Math.min(this.#exchange.request.maxWaitMs, KAFKA_FETCH_WAIT_MS_MAX);
    this.#cancelTimer = this.#parts.clock.after(waitMs, () => {
      this.#isDue = true;
      if (this.#reading === 0 && !this.#isOver) this.#look();
    });
  }

  #unpark(): void {
    for (const partition of this.#parkedAt) partition.removeReader(this);
    this.#parkedAt = [];
  }

  /** A few reads at a time, until what they brought is as much as one answer takes from disk: batches come whole. */
  #readNext(): void {
    const bytesMax = Math.min(KAFKA_FETCH_COLD_BYTES_MAX, Math.max(1, this.#bytesMax));
    this.#isBeginning = true;
    while (this.#reading < COLD_READS_PER_FETCH && this.#coldBytes < bytesMax && this.#plans.length > 0) {
      this.#readCold(this.#plans.shift()!);
    }
    this.#isBeginning = false;
    if (this.#reading > 0) return;
    this.#plans = [];
    this.#look();
  }

  #readCold({ wanted, partition, plan }: Plan): void {
    const { coldGate, metrics, slabs } = this.#parts;
    this.#reading++;
    const begin = (): boolean => {
      metrics.reads.disk++;
      partition.readCold(plan, (error, buffers, nextOffset) => {
        coldGate.leave();
        this.#reading--;
        if (this.#isOver) {
          slabs.releaseAll(buffers);
          return;
        }
        this.#cold.set(wanted, { buffers, nextOffset, error });
        this.#coldBytes += bytesOf(buffers);
        // One that is done at once comes back from within.
        if (!this.#isBeginning) this.#readNext();
      });
      return true;
    };
    this.#begins.push(begin);
    coldGate.enter(begin);
  }

  #dropCold(): void {
    for (const { buffers } of this.#cold.values()) this.#parts.slabs.releaseAll(buffers);
    this.#cold = new Map();
    this.#coldBytes = 0;
    this.#plans = [];
    this.#begins = [];
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#unpark();
    for (const begin of this.#begins) this.#parts.coldGate.cancel(begin);
    this.#dropCold();
    this.#done(this);
  }
}

/** Reads from disk that one fetch has under way. */
const COLD_READS_PER_FETCH = 4;

/** A topic that is not there: its reader goes on with the others, as it does at Kafka, and learns of it in time. */
function isUnknown({ refused }: Found): boolean {
  return refused === 'UNKNOWN_TOPIC_OR_PARTITION' || refused === 'UNKNOWN_TOPIC_ID';
}

/** Something that the reader has to hear of at once. */
function endsWait(found: Found): boolean {
  return !found.isPlain && !isUnknown(found);
}

function sameId(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0;
}

function bytesOf(buffers: readonly Buffer[]): number {
  let bytes = 0;
  for (const buffer of buffers) bytes += buffer.length;
  return bytes;
}

/**
 * Where the reader's log and this one part, or undefined: it has read in an epoch that ended here before its offset
 * (KIP-595). Epoch -1: this log does not know that epoch.
 */
function divergence(
  partition: Partition,
  { lastFetchedEpoch, fetchOffset }: Wanted,
): { epoch: number; endOffset: number } | undefined {
  if (lastFetchedEpoch < 0) return undefined;
  const end = partition.epochEnd(lastFetchedEpoch);
  return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : undefined;
}

function outOfRange(partition: Partition, { fetchOffset }: Pick<Wanted, 'fetchOffset'>): Refusal {
  const { name, logStartOffset, highWatermark } = partition;
  return refusal(
    'OFFSET_OUT_OF_RANGE',
    `${name} has the offsets ${logStartOffset} to ${highWatermark}, not ${fetchOffset}`,
  );
}
