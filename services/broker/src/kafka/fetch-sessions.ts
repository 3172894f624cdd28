import type { Clock } from '@weir/base/clock.ts';
import type { Random } from '@weir/base/random.ts';
import { KAFKA_FETCH_SESSIONS_MAX } from '@weir/base/limits.ts';
import type { FetchRequest } from '@weir/kafka/apis/fetch.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import { latin1 } from '../partition/partition-key.ts';
import {
  FETCH_SESSION_ID_NOT_FOUND,
  FETCH_SESSION_TOPIC_ID_ERROR,
  INVALID_FETCH_SESSION_EPOCH,
} from './error-number.ts';

/** A partition that a reader wants, and how it names the topic. */
export interface Wanted {
  readonly topic: string;
  /** 16 bytes; zero where the topic has a name. */
  readonly topicId: Uint8Array;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly maxBytes: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
}

/** What a session remembers of a partition: what its reader was told last. */
interface Told {
  wanted: Wanted;
  highWatermark: number;
  logStartOffset: number;
}

/** What a request asks for, once its session is known. */
export interface FetchContext {
  /** 0: there is none. */
  readonly sessionId: number;
  readonly wanted: readonly Wanted[];
  /**
   * Whether a partition is to be in the answer. A session's reader is only told what it does not know yet; one that
   * brought records goes to the end of the list, so that all have their turn.
   */
  readonly tells: (result: {
    wanted: Wanted;
    isPlain: boolean;
    hasRecords: boolean;
    highWatermark: number;
    logStartOffset: number;
  }) => boolean;
}

/** A session that cannot be served: the error of the whole answer. */
export interface SessionProblem {
  readonly errorCode: number;
}

interface Session {
  readonly id: number;
  epoch: number;
  usedMs: number;
  readonly partitions: Map<string, Told>;
}

/** A session that was not used for so long makes room for others: Kafka's rule. */
const EVICTABLE_AFTER_MS = 120_000;
/** Partitions of all sessions together. */
const PARTITIONS_MAX = 200_000;
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const EPOCH_MAX = 0x7fff_ffff;
const ID_MAX = 0x7fff_ffff;

/**
 * Sessions of readers (KIP-227): a reader that fetches the same partitions again and again sends, and is sent, only what
 * changes.
 */
export class FetchSessions {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #random: Pick<Random, 'unit'>;
  readonly #sessions = new Map<number, Session>();
  #partitions = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>, random: Pick<Random, 'unit'>) {
    this.#clock = clock;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** What a request asks for, with its session begun, gone on with or ended as it says. */
  contextOf(request: FetchRequest): FetchContext | SessionProblem {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      this.#remove(sessionId);
      const wanted = eachOnce(wantedOf(request));
      const session = sessionEpoch === INITIAL_EPOCH ? this.#begin(wanted) : undefined;
      return session === undefined ? { sessionId: 0, wanted, tells: ALWAYS } : this.#full(session, wanted);
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return { errorCode: FETCH_SESSION_ID_NOT_FOUND };
    if (session.epoch !== sessionEpoch) return { errorCode: INVALID_FETCH_SESSION_EPOCH };
    if (mixesNamesAndIds(session, request)) return { errorCode: FETCH_SESSION_TOPIC_ID_ERROR };
    this.#goOn(session, request);
    if (session.partitions.size === 0) this.#remove(sessionId);
    if (this.#partitions > PARTITIONS_MAX) {
      // It has grown too large for all: its reader begins anew, and gets a session when there is room.
      this.#remove(sessionId);
      return { errorCode: FETCH_SESSION_ID_NOT_FOUND };
    }
    const wanted = [...session.partitions.values()].map((told) => told.wanted);
    return { sessionId, wanted, tells: (result) => tell(session, result, false) };
  }

  #full(session: Session, wanted: readonly Wanted[]): FetchContext {
    return { sessionId: session.id, wanted, tells: (result) => tell(session, result, true) };
  }

  #begin(wanted: readonly Wanted[]): Session | undefined {
    if (wanted.length === 0 || !this.#makeRoom(wanted.length)) return undefined;
    let id = 0;
    while (id === 0 || this.#sessions.has(id)) id = Math.floor(this.#random.unit() * ID_MAX) + 1;
    const session: Session = { id, epoch: 1, usedMs: this.#clock.monotonicMs(), partitions: new Map() };
    for (const one of wanted) session.partitions.set(keyOf(one), untold(one));
    this.#sessions.set(id, session);
    this.#partitions += session.partitions.size;
    return session;
  }

  #goOn(session: Session, request: FetchRequest): void {
    const { partitions } = session;
    this.#partitions -= partitions.size;
    for (const one of wantedOf(request)) {
      const told = partitions.get(keyOf(one));
      if (told === undefined) partitions.set(keyOf(one), untold(one));
      else told.wanted = one;
    }
    for (const { topic, topicId, partitions: indexes } of request.forgottenTopicsData) {
      for (const partition of indexes) partitions.delete(keyOf({ topic, topicId, partition }));
    }
    this.#partitions += partitions.size;
    session.epoch = session.epoch === EPOCH_MAX ? 1 : session.epoch + 1;
    session.usedMs = this.#clock.monotonicMs();
  }

  /** Whether there is room for one more, if need be in the place of one that is not used. */
  #makeRoom(partitions: number): boolean {
    for (;;) {
      const isFull = this.#sessions.size >= KAFKA_FETCH_SESSIONS_MAX || this.#partitions + partitions > PARTITIONS_MAX;
      if (!isFull) return true;
      let oldest: Session | undefined;
      for (const one of this.#sessions.values()) if (oldest === undefined || one.usedMs < oldest.usedMs) oldest = one;
      if (oldest === undefined || this.#clock.monotonicMs() - oldest.usedMs < EVICTABLE_AFTER_MS) return false;
      this.#remove(oldest.id);
    }
  }

  #remove(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#partitions -= session.partitions.size;
  }
}

/** Whether a request names its topics otherwise than the session does. */
function mixesNamesAndIds(session: Session, { topics, forgottenTopicsData }: FetchRequest): boolean {
  const [first] = session.partitions.values();
  const isNamed = first !== undefined && first.wanted.topic !== '';
  return first !== undefined && [...topics, ...forgottenTopicsData].some(({ topic }) => (topic !== '') !== isNamed);
}

function tell(session: Session, result: Parameters<FetchContext['tells']>[0], isFull: boolean): boolean {
  const { wanted, isPlain, hasRecords, highWatermark, logStartOffset } = result;
  const key = keyOf(wanted);
  const told = session.partitions.get(key);
  if (told === undefined) return isFull;
  const isNews = told.highWatermark !== highWatermark || told.logStartOffset !== logStartOffset;
  // An error is told again and again, until it is none any more.
  told.highWatermark = isPlain ? highWatermark : UNTOLD;
  told.logStartOffset = isPlain ? logStartOffset : UNTOLD;
  if (hasRecords && session.partitions.size > 1) {
    session.partitions.delete(key);
    session.partitions.set(key, told);
  }
  return isFull || isNews || hasRecords || !isPlain;
}

const UNTOLD = -2;
const ALWAYS = (): boolean => true;

function untold(wanted: Wanted): Told {
  return { wanted, highWatermark: UNTOLD, logStartOffset: UNTOLD };
}

/** Each partition once, as it comes last: so Kafka takes what a request repeats. */
function eachOnce(all: readonly Wanted[]): readonly Wanted[] {
  return [...new Map(all.map((one) => [keyOf(one), one])).values()];
}

/** Names hold no NUL, and ids have as many bytes as each other. */
function keyOf({ topic, topicId, partition }: Pick<Wanted, 'topic' | 'topicId' | 'partition'>): string {
  const named = topic === '' ? latin1(topicId) : topic;
  return `${named}\0${partition}`;
}

function wantedOf({ topics }: FetchRequest): Wanted[] {
  const wanted: Wanted[] = [];
  for (const { topic, topicId: view, partitions } of topics) {
    // A view would keep the whole request in memory for as long as the session lives.
    const topicId = view === NO_UUID ? view : Uint8Array.from(view);
    for (const one of partitions) {
      wanted.push({
        topic,
        topicId,
        partition: one.partition,
        fetchOffset: one.fetchOffset,
        maxBytes: one.partitionMaxBytes,
        currentLeaderEpoch: one.currentLeaderEpoch,
        lastFetchedEpoch: one.lastFetchedEpoch,
      });
    }
  }
  return wanted;
}
