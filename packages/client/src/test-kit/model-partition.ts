import type { ErrorCode } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import { baseOffsetOf, recordCountOf, writeBaseOffset } from '@weir/records/batch-header.ts';
import { listRecords } from '@weir/records/read-records.ts';
import { judge } from './known-producers.ts';

/** How a batch is answered: its offset, or why not. */
export type ModelAnswer = (outcome: number | ErrorCode) => void;

interface Waiter {
  /** Batches that have to be committed. */
  readonly count: number;
  readonly baseOffset: number;
  readonly answer: ModelAnswer;
}

/** One broker's copy, with what the broker takes itself for. */
class Replica {
  log: Buffer[] = [];
  /** -1: it has heard that it does not lead. */
  leadsIn = -1;
  waiting: Waiter[] = [];

  fail(code: ErrorCode): void {
    for (const { answer } of this.waiting.splice(0)) answer(code);
  }
}

/**
 * A partition on two brokers, as plainly as can be. What is committed is in the log of every later leader; what is not may be
 * there or not. A leader that was replaced goes on as one until it hears of it, and commits nothing.
 */
export class ModelPartition {
  readonly #replicas = new Map([1, 2].map((id) => [id, new Replica()]));
  #leader = 1;
  #epoch = 0;
  /** Batches of the leader's log. */
  #committed = 0;

  constructor() {
    this.#replicas.get(1)!.leadsIn = 0;
  }

  get leader(): number {
    return this.#leader;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Values in the leader's log, by offset. */
  get values(): string[] {
    return this.#replicas
      .get(this.#leader)!
      .log.flatMap((batch) => listRecords(batch).map(({ value }) => String(value)));
  }

  /** A batch reaches a broker, from a client that knows a leader epoch. */
  take(broker: number, leaderEpoch: number, records: Uint8Array, answer: ModelAnswer): void {
    const replica = this.#replicas.get(broker)!;
    const { leadsIn, log } = replica;
    if (leadsIn === -1) return answer('NOT_LEADER_OR_FOLLOWER');
    if (leaderEpoch !== leadsIn) return answer(leaderEpoch < leadsIn ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH');
    const batch = Buffer.from(records);
    const judged = judge(log, batch);
    if (judged.kind === 'refused') return answer(judged.code);
    if (judged.kind === 'new') {
      writeBaseOffset(batch, 0, offset(endOf(log)));
      log.push(batch);
    }
    const baseOffset = judged.kind === 'new' ? baseOffsetOf(batch, 0) : judged.baseOffset;
    const count = log.findIndex((one) => baseOffsetOf(one, 0) === baseOffset) + 1;
    replica.waiting.push({ count, baseOffset, answer });
  }

  /** All that the leader has is committed. */
  commit(): void {
    const replica = this.#replicas.get(this.#leader)!;
    this.#committed = replica.log.length;
    for (const { baseOffset, answer } of replica.waiting.splice(0)) answer(baseOffset);
  }

  /** Too few are in sync: who waits is told so. */
  becomeTooFew(): void {
    this.#replicas.get(this.#leader)!.fail('NOT_ENOUGH_REPLICAS_AFTER_APPEND');
  }

  /** The other broker leads, with all that is committed and `extra` more batches, if there are so many. */
  failOver(extra: number): void {
    const former = this.#replicas.get(this.#leader)!;
    this.#leader = 3 - this.#leader;
    this.#epoch++;
    const next = this.#replicas.get(this.#leader)!;
    next.fail('NOT_LEADER_OR_FOLLOWER');
    next.log = former.log.slice(0, this.#committed + extra);
    next.leadsIn = this.#epoch;
  }

  /** Who was replaced hears of it. */
  tell(): void {
    const former = this.#replicas.get(3 - this.#leader)!;
    former.leadsIn = -1;
    former.fail('NOT_LEADER_OR_FOLLOWER');
  }
}

function endOf(log: readonly Buffer[]): number {
  const last = log.at(-1);
  return last === undefined ? 0 : baseOffsetOf(last, 0) + recordCountOf(last, 0);
}
