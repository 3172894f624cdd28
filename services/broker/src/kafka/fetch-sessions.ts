import type { Clock } from '@weir/base/clock.ts';
import type { Random } from '@weir/base/random.ts';
import { KAFKA_FETCH_SESSIONS_MAX } from '@weir/base/limits.ts';
import type { FetchRequest } from '@weir/kafka/apis/fetch.ts';
import {
  FETCH_SESSION_ID_NOT_FOUND,
  FETCH_SESSION_TOPIC_ID_ERROR,
  INVALID_FETCH_SESSION_EPOCH,
} from './error-number.ts';
import { RequestContext } from './fetch-context.ts';
import type { FetchContext } from './fetch-context.ts';
import { wantedOf } from './fetch-place.ts';
import type { Wanted } from './fetch-place.ts';
import { FetchSession } from './fetch-session.ts';

/** A session that cannot be served: the error of the whole answer. */
export interface SessionProblem {
  readonly errorCode: number;
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
  readonly #sessions = new Map<number, FetchSession>();
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
      const wanted = wantedOf(request);
      const session = sessionEpoch === INITIAL_EPOCH ? this.#begin(wanted) : undefined;
      return session ?? new RequestContext(wanted);
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return { errorCode: FETCH_SESSION_ID_NOT_FOUND };
    if (session.epoch !== sessionEpoch) return { errorCode: INVALID_FETCH_SESSION_EPOCH };
    if (session.mixesNamesAndIds(request)) return { errorCode: FETCH_SESSION_TOPIC_ID_ERROR };
    this.#goOn(session, request);
    if (session.size === 0) this.#remove(sessionId);
    if (this.#partitions > PARTITIONS_MAX) {
      // It has grown too large for all: its reader begins anew, and gets a session when there is room.
      this.#remove(sessionId);
      return { errorCode: FETCH_SESSION_ID_NOT_FOUND };
    }
    return session;
  }

  #begin(wanted: readonly Wanted[]): FetchSession | undefined {
    if (wanted.length === 0 || !this.#makeRoom(wanted.length)) return undefined;
    let id = 0;
    while (id === 0 || this.#sessions.has(id)) id = Math.floor(this.#random.unit() * ID_MAX) + 1;
    const session = new FetchSession(id, this.#clock.monotonicMs(), wanted);
    this.#sessions.set(id, session);
    this.#partitions += session.size;
    return session;
  }

  #goOn(session: FetchSession, request: FetchRequest): void {
    this.#partitions -= session.size;
    session.change(request);
    this.#partitions += session.size;
    session.epoch = session.epoch === EPOCH_MAX ? 1 : session.epoch + 1;
    session.usedMs = this.#clock.monotonicMs();
  }

  /** Whether there is room for one more, if need be in the place of one that is not used. */
  #makeRoom(partitions: number): boolean {
    for (;;) {
      const isFull = this.#sessions.size >= KAFKA_FETCH_SESSIONS_MAX || this.#partitions + partitions > PARTITIONS_MAX;
      if (!isFull) return true;
      let oldest: FetchSession | undefined;
      for (const one of this.#sessions.values()) if (oldest === undefined || one.usedMs < oldest.usedMs) oldest = one;
      if (oldest === undefined || this.#clock.monotonicMs() - oldest.usedMs < EVICTABLE_AFTER_MS) return false;
      this.#remove(oldest.sessionId);
    }
  }

  #remove(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#partitions -= session.size;
    session.close();
  }
}
