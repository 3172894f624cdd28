import type { Cancel, Clock } from '@weir/base/clock.ts';
import { GROUP_LAG_INTERVAL_MS, GROUP_LAG_STALE_MS, METRIC_GROUP_PARTITIONS_MAX } from '@weir/base/group-limits.ts';
import type { ClusterImage, PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { CommittedOffsets, TopicPartition } from './committed-offsets.ts';
import { isNameable } from './group-counters.ts';
import type { GroupCounters } from './group-counters.ts';
import { lagOf } from './lag.ts';
import type { Lag } from './lag.ts';
import { WatermarkHistory } from './watermark-history.ts';

/** How far a group has come in a partition, as it was looked at last. */
export interface GroupPartitionLag extends TopicPartition {
  readonly group: string;
  readonly committed: number;
  /** Undefined: not known, or not any more. */
  readonly lag: Lag | undefined;
}

/** Where the log of a partition begins and ends. */
export interface LogEnds {
  readonly logStart: number;
  readonly highWatermark: number;
}

/** A partition as its leader is asked for it. */
export interface AskedPartition {
  readonly topicId: Uint8Array;
  readonly partition: number;
  readonly leaderEpoch: number;
}

/** The way to other brokers. */
export interface LeaderAsker {
  /**
   * Asks one broker where logs end that it leads.
   *
   * @param answered - called once, with an entry for each partition, undefined where it refused; undefined: it did not answer
   */
  ask(
    address: string,
    partitions: readonly AskedPartition[],
    answered: (ends: readonly (LogEnds | undefined)[] | undefined) => void,
  ): void;
  /** Nobody else is asked for now. */
  keepOnly(addresses: ReadonlySet<string>): void;
}

/** What watching lags needs. */
export interface LagWatchParts {
  readonly clock: Pick<Clock, 'monotonicMs' | 'every'>;
  readonly brokerId: number;
  readonly partitions: Partitions;
  /** Undefined before the coordinator of the cluster has told. */
  readonly image: () => ClusterImage | undefined;
  /** The groups that are coordinated here, always in the same order. */
  readonly groups: () => Iterable<{ readonly id: string; readonly offsets: CommittedOffsets }>;
  readonly isHere: (groupId: string) => boolean;
  readonly counters: GroupCounters;
  readonly leaders: LeaderAsker;
}

/** A partition that groups read, however many. */
interface Place {
  /** As the metadata has it now. */
  topic: TopicInfo;
  readonly index: number;
  readonly history: WatermarkHistory;
  /** When its ends were heard of last, on the monotonic clock; undefined: never. */
  seenMs: number | undefined;
  /** Of the groups that read it. */
  rows: Row[];
}

/** What is known of a group in a partition. */
interface Row extends GroupPartitionLag {
  readonly place: Place;
  lag: Lag | undefined;
}

/** Places that one other broker leads. */
interface Question {
  readonly asked: AskedPartition[];
  readonly places: Place[];
}

/**
 * Looks every GROUP_LAG_INTERVAL_MS how far the groups that are coordinated here are behind: in partitions that are led here at
 * once, in those of others as their leaders answer, each of whom is asked once for all.
 *
 * A lag is told as of the moment at which the committed offset and the ends of the log were looked at together. Where a leader does
 * not answer it stays what it was, for GROUP_LAG_STALE_MS; where nobody leads, and so nothing comes, for as long as that is so.
 *
 * Bounded: METRIC_GROUP_PARTITIONS_MAX partitions of groups, GROUP_LAG_SAMPLES_MAX samples of each, one call to a broker at a time.
 */
export class LagWatch {
  readonly #parts: LagWatchParts;
  /** By topic id and index. */
  #places = new Map<string, Place>();
  /** By group, topic and index. */
  #rows = new Map<string, Row>();
  /** Addresses of brokers that have not answered yet. */
  readonly #asking = new Set<string>();
  #leftOut = 0;
  #cancel: Cancel | undefined;

  constructor(parts: LagWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel ??= this.#parts.clock.every(GROUP_LAG_INTERVAL_MS, () => this.look());
  }

  /** Looks no more, and knows nothing any more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#places.clear();
    this.#rows.clear();
    this.#leftOut = 0;
    this.#parts.leaders.keepOnly(new Set());
  }

  /** All that is known, each partition of a group once. A group is there with all its partitions, or not at all. */
  lags(): Iterable<GroupPartitionLag> {
    return this.#rows.values();
  }

  /** Partitions of groups that there was no room for. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Looks now. */
  look(): void {
    const { clock, counters, isHere, leaders, image } = this.#parts;
    counters.keepOnly(isHere);
    const nowMs = clock.monotonicMs();
    const known = image();
    this.#collect(known, nowMs);
    const questions = new Map<string, Question>();
    for (const place of this.#places.values()) {
      const ends = this.#endsHere(place);
      if (ends === undefined) this.#plan(questions, place, known);
      else measure(place, ends, nowMs);
    }
    leaders.keepOnly(new Set(questions.keys()));
    for (const [address, question] of questions) this.#ask(address, question);
  }

  /** Gathers anew what groups have committed, with what is known of it. */
  #collect(image: ClusterImage | undefined, nowMs: number): void {
    const before = { places: this.#places, rows: this.#rows };
    this.#places = new Map();
    this.#rows = new Map();
    for (const { id: group, offsets } of this.#chosen()) {
      for (const { topic: name, partition: index, committed } of offsets) {
        const topic = image?.topic(name);
        const info = topic?.partitions[index];
        if (topic === undefined || info === undefined) continue;
        const placeKey = `${topic.id}/${index}`;
        let place = this.#places.get(placeKey);
        if (place === undefined) {
          place = before.places.get(placeKey) ?? newPlace(topic, index);
          place.topic = topic;
          place.rows = [];
          this.#places.set(placeKey, place);
        }
        const key = `${group}\0${name}\0${index}`;
        const old = before.rows.get(key);
        const lag = old?.place === place && !isStale(place, info, nowMs) ? old.lag : undefined;
        const row: Row = { group, topic: name, partition: index, committed: committed.offset, place, lag };
        this.#rows.set(key, row);
        place.rows.push(row);
      }
    }
  }

  /** The groups that there is room for. The others are counted. */
  *#chosen(): Generator<{ readonly id: string; readonly offsets: CommittedOffsets }> {
    let room = METRIC_GROUP_PARTITIONS_MAX;
    let leftOut = 0;
    for (const group of this.#parts.groups()) {
      const { size } = group.offsets;
      if (size > room || !isNameable(group.id)) {
        leftOut += size;
        continue;
      }
      room -= size;
      if (size > 0) yield group;
    }
    this.#leftOut = leftOut;
  }

  /** Of what is led here, as far as it is known what is committed. */
  #endsHere({ topic, index }: Place): LogEnds | undefined {
    const found = this.#parts.partitions.serving(topic.idBytes, index, -1);
    if (!(found instanceof Partition) || !found.isEndKnown) return undefined;
    return { logStart: found.logStartOffset, highWatermark: found.highWatermark };
  }

  /** Its leader is to be asked, where there is another one. */
  #plan(questions: Map<string, Question>, place: Place, image: ClusterImage | undefined): void {
    const { topic, index } = place;
    const { leader, leaderEpoch } = topic.partitions[index]!;
    const broker = leader === -1 || leader === this.#parts.brokerId ? undefined : image?.broker(leader);
    if (broker === undefined || !broker.active) return;
    const { grpcAddress } = broker;
    let question = questions.get(grpcAddress);
    if (question === undefined) questions.set(grpcAddress, (question = { asked: [], places: [] }));
    question.asked.push({ topicId: topic.idBytes, partition: index, leaderEpoch });
    question.places.push(place);
  }

  #ask(address: string, { asked, places }: Question): void {
    if (this.#asking.has(address)) return;
    this.#asking.add(address);
    const { clock, counters, leaders } = this.#parts;
    const askedMs = clock.monotonicMs();
    leaders.ask(address, asked, (ends) => {
      this.#asking.delete(address);
      if (ends === undefined) counters.failedLagCalls++;
      const nowMs = clock.monotonicMs();
      for (const [i, place] of places.entries()) {
        const found = ends?.[i];
        // It may be led here by now, and have been looked at since.
        const isLate = place.seenMs !== undefined && place.seenMs > askedMs;
        if (found !== undefined && !isLate) measure(place, found, nowMs);
      }
    });
  }
}

function newPlace(topic: TopicInfo, index: number): Place {
  return { topic, index, history: new WatermarkHistory(), seenMs: undefined, rows: [] };
}

/** Whether what is known of it is too old to be told. */
function isStale({ seenMs }: Place, { leader }: PartitionInfo, nowMs: number): boolean {
  return seenMs === undefined || (leader !== -1 && nowMs - seenMs > GROUP_LAG_STALE_MS);
}

function measure(place: Place, ends: LogEnds, nowMs: number): void {
  place.seenMs = nowMs;
  place.history.add(nowMs, ends);
  for (const row of place.rows) row.lag = lagOf({ committed: row.committed, ...ends }, place.history, nowMs);
}
