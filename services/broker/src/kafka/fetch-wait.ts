import type { Cancel } from '@weir/base/clock.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import {
  KAFKA_FETCH_BYTES_MAX,
  KAFKA_FETCH_BYTES_SCARCE,
  KAFKA_FETCH_COLD_BYTES_MAX,
  KAFKA_FETCH_WAIT_MS_MAX,
} from '@weir/base/limits.ts';
import type { Member } from '@weir/base/members.ts';
import type { fetch } from '@weir/kafka/apis/fetch.ts';
import type { BeginRead } from '../rpc/cold-gate.ts';
import type { Exchange } from './exchange.ts';
import { FetchAnswer } from './fetch-answer.ts';
import type { FetchContext, FetchWaiter } from './fetch-context.ts';
import { bytesOf, countMore, exceeds, FetchLook } from './fetch-look.ts';
import type { ColdResult, Plan } from './fetch-look.ts';
import { isCut, NO_BUFFERS } from './fetch-place.ts';
import type { FetchPlace } from './fetch-place.ts';
import type { FetchParts } from './fetch.ts';

/**
 * One fetch, from its request to its answer. It looks at its partitions; what lies on disk is read first; then it looks
 * again and answers, or waits at their tails. While it waits it counts what comes, at the partitions where it comes, and
 * looks at the others again only when that may be enough.
 *
 * Invariant: while it waits it holds no payload.
 */
export class FetchWait implements FetchWaiter, Member {
  memberIndex = -1;
  readonly #exchange: Exchange<typeof fetch>;
  readonly #context: FetchContext;
  readonly #parts: FetchParts;
  readonly #done: (wait: FetchWait) => void;
  readonly #bytesMax: number;
  readonly #bytesWanted: number;
  #cancelTimer: Cancel | undefined;
  /** Its time is up: it answers with whatever there is. */
  #isDue = false;
  #isOver = false;
  #scheduled = false;
  /** While it waits: bytes of all partitions; undefined where adding to them would not tell what an answer brings. */
  #bytes: number | undefined;
  /** While it waits: where more has come than was counted. */
  readonly #woken: FetchPlace[] = [];
  /** Reads from disk that are not back. */
  #reading = 0;
  #begins: BeginRead[] = [];
  /** Reads from disk that are not begun. */
  #plans: Plan[] = [];
  #coldBytes = 0;
  #isBeginning = false;
  #cold = new Map<FetchPlace, ColdResult>();

  constructor(
    exchange: Exchange<typeof fetch>,
    context: FetchContext,
    parts: FetchParts,
    done: (wait: FetchWait) => void,
  ) {
    const { maxBytes, minBytes } = exchange.request;
    this.#exchange = exchange;
    this.#context = context;
    this.#parts = parts;
    this.#done = done;
    const most = parts.slabs.scarce ? KAFKA_FETCH_BYTES_SCARCE : KAFKA_FETCH_BYTES_MAX;
    this.#bytesMax = Math.min(most, Math.max(0, maxBytes));
    this.#bytesWanted = Math.min(minBytes, this.#bytesMax);
    context.waiter = this;
    exchange.onGone = () => this.#end();
  }

  begin(): void {
    this.#isDue = this.#exchange.request.maxWaitMs <= 0;
    this.#look();
  }

  woke(place: FetchPlace): void {
    this.#woken.push(place);
    this.#lookSoon();
  }

  /** Answers with what there is. */
  finish(): void {
    this.#isDue = true;
    this.#lookSoon();
  }

  supersede(): void {
    this.#send(new FetchAnswer(this.#parts.cluster, 0));
  }

  #lookSoon(): void {
    if (this.#scheduled || this.#isOver) return;
    this.#scheduled = true;
    // Partitions that move in this turn are looked at together.
    this.#parts.turn.send(() => {
      this.#scheduled = false;
      if (this.#isOver || this.#reading > 0) return;
      if (this.#isDue || this.#mayBeEnough()) this.#look();
    });
  }

  /** Counts what has come; false: it is not enough, for certain. */
  #mayBeEnough(): boolean {
    // Whatever has come is enough.
    if (this.#bytes === undefined || this.#bytesWanted <= 1) return true;
    for (const place of this.#woken) {
      const more = countMore(this.#parts, place);
      if (more === undefined) return true;
      this.#bytes += more;
    }
    this.#woken.length = 0;
    return this.#bytes >= this.#bytesWanted;
  }

  #look(): void {
    this.#woken.length = 0;
    const places = this.#context.toLookAt();
    const look = new FetchLook(this.#parts, this.#bytesMax, this.#cold);
    for (const place of places) if (!place.isQuiet) place.found = look.at(place);
    if (look.plans.length > 0) {
      dropPayload(places);
      this.#plans = look.plans;
      this.#readNext();
    } else if (this.#isEnough(places)) {
      this.#answer(places);
    } else {
      this.#wait(places);
    }
  }

  #isEnough(places: readonly FetchPlace[]): boolean {
    const { size } = this.#context;
    if (this.#isDue || size === 0) return true;
    let bytes = 0;
    let unknown = 0;
    let isSomeCut = false;
    let isCountable = true;
    for (const { found, wanted } of places) {
      if (found?.kind === 'served') {
        bytes += found.bytes;
        isSomeCut ||= isCut(found);
        isCountable &&= !exceeds(found, wanted);
      } else if (found?.kind === 'refused' && isUnknown(found.why.code)) {
        // Nobody says when it is there: it is looked at whenever the others are.
        unknown++;
        isCountable = false;
      } else {
        // Something that the reader has to hear of at once.
        return true;
      }
    }
    this.#bytes = isCountable ? bytes : undefined;
    // Waiting would not bring any of what the limits do not let through.
    return bytes >= this.#bytesWanted || (bytes > 0 && isSomeCut) || unknown === size;
  }

  #answer(places: readonly FetchPlace[]): void {
    const { cluster, metrics } = this.#parts;
    const answer = new FetchAnswer(cluster, this.#exchange.request.isolationLevel);
    for (const place of places) {
      const { found } = place;
      if (found === undefined) continue;
      if (found.kind === 'refused') metrics.fetchRefusals.labels(found.why.code).inc();
      else if (found.kind === 'served') found.partition.topic.counters.bytesOut += found.bytes;
      if (this.#context.tells(place)) answer.add(place, found);
    }
    // The answer has it by now.
    dropPayload(places);
    this.#send(answer);
  }

  #send({ topics, hasLeaders }: FetchAnswer): void {
    const { cluster } = this.#parts;
    // Before it answers: that may begin the session's next fetch.
    this.#leave();
    this.#exchange.answer({
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: this.#context.sessionId,
      responses: topics,
      ...(hasLeaders ? { nodeEndpoints: cluster.endpoints(this.#exchange.caller.listener) } : {}),
    });
    this.#release();
  }

  /** Waits at the tails. What was read from disk and is not enough is read again then. */
  #wait(places: readonly FetchPlace[]): void {
    this.#dropCold();
    this.#context.park(places);
    if (this.#cancelTimer !== undefined) return;
    const waitMs = Math.min(this.#exchange.request.maxWaitMs, KAFKA_FETCH_WAIT_MS_MAX);
    // Not at once: what counts in this turn wakes it first.
    this.#cancelTimer = this.#parts.clock.after(waitMs, () => this.finish());
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

  #readCold({ place, partition, plan }: Plan): void {
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
        this.#cold.set(place, { buffers, nextOffset, error });
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
    this.#leave();
    this.#release();
  }

  /** Nothing wakes it any more. */
  #leave(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#context.leave();
  }

  /** Lets go of what it has read. */
  #release(): void {
    for (const begin of this.#begins) this.#parts.coldGate.cancel(begin);
    this.#dropCold();
    this.#done(this);
  }
}

/** Reads from disk that one fetch has under way. */
const COLD_READS_PER_FETCH = 4;

/** A topic that is not there: its reader goes on with the others, as it does at Kafka, and learns of it in time. */
function isUnknown(code: ErrorCode): boolean {
  return code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'UNKNOWN_TOPIC_ID';
}

/** What places have found outlives the fetch where they are a session's. */
function dropPayload(places: readonly FetchPlace[]): void {
  for (const { found } of places) if (found?.kind === 'served') found.buffers = NO_BUFFERS;
}
