import { strict as assert } from 'node:assert';
import type { Log } from './log.ts';
import { asProducers, makeBatch } from './test-kit.ts';

/** Sequence numbers of every other producer soon go on from 0. */
const FIRST_SEQUENCES = [0, 2 ** 31 - 4];
const UNANSWERED_MAX = 5;

/** A batch that a producer has sent, once or more often. */
export interface SentBatch {
  readonly producerId: number;
  readonly epoch: number;
  /** Among those of its epoch. */
  readonly index: number;
}

/** A sent batch where it is in the log. */
export interface FoundBatch {
  readonly base: number;
  readonly end: number;
}

/** For the model test: an idempotent producer, which loses answers, repeats batches and sends them in any order. */
export class ModelProducer {
  #id: number;
  #epoch = 0;
  /** Of this epoch: how many records each has, and its first sequence number. */
  #sent: { readonly count: number; readonly sequence: number }[] = [];

  constructor(id: number) {
    this.#id = id;
  }

  /** Another one in its place: nobody sends for this one any more. */
  replace(): void {
    this.#id += 100;
    this.#epoch = 0;
    this.#sent = [];
  }

  /** It starts over. */
  bumpEpoch(): void {
    this.#epoch += 1;
    this.#sent = [];
  }

  isMine({ producerId, epoch }: SentBatch): boolean {
    return producerId === this.#id && epoch === this.#epoch;
  }

  /** How many it has sent. */
  get sentCount(): number {
    return this.#sent.length;
  }

  /**
   * What it sends: a new batch of so many records, or the one so many before it again. Undefined when it may not: too
   * many are unanswered, or the log knows none of it, and would take any for the first.
   *
   * @param found those of its batches that are in the log
   */
  choose(back: number, count: number, found: readonly FoundBatch[]): SentBatch | undefined {
    const index = this.#sent.length - back;
    if (index < 0 || (found.length === 0 && index > 0) || index >= found.length + UNANSWERED_MAX) return undefined;
    if (back === 0) {
      const before = this.#sent.at(-1);
      const first = this.#epoch === 0 ? FIRST_SEQUENCES[this.#id % 2]! : 0;
      const sequence = before === undefined ? first : (before.sequence + before.count) % 2 ** 31;
      this.#sent.push({ count, sequence });
    }
    return { producerId: this.#id, epoch: this.#epoch, index };
  }

  /** A sent batch as it is sent, each time the same. */
  build({ producerId, epoch, index }: SentBatch): { readonly batch: Buffer; readonly records: number } {
    const { count, sequence } = this.#sent[index]!;
    const batch = makeBatch(
      Array.from({ length: count }, () => index),
      { fill: index % 256, keys: ['a'] },
    );
    return { batch: asProducers(batch, { producerId, epoch, sequence }), records: count };
  }

  /** Compares what the log says to a sent batch with what it ought to; whether it is to be appended. */
  checkAdmission(
    log: Log,
    sent: SentBatch,
    found: readonly FoundBatch[],
    cleanedEnd: number,
  ): 'append' | 'duplicate' | 'out of order' {
    const judged = log.admit(this.build(sent).batch);
    const { index } = sent;
    if (index === found.length) {
      assert.equal(judged, undefined, `batch ${index} is the next one`);
      return 'append';
    }
    const same = found[index];
    // Compaction leaves a producer's last batch for certain.
    const mayBeForgotten = same !== undefined && index < found.length - 1 && same.base < cleanedEnd;
    if (mayBeForgotten && judged !== undefined && 'code' in judged) {
      assert.equal(judged.code, 'OUT_OF_ORDER_SEQUENCE_NUMBER');
      return 'out of order';
    }
    if (same === undefined || index < found.length - UNANSWERED_MAX) {
      assert.equal(judged !== undefined && 'code' in judged && judged.code, 'OUT_OF_ORDER_SEQUENCE_NUMBER');
      return 'out of order';
    }
    assert.deepEqual(judged, { kind: 'duplicate', baseOffset: same.base, endOffset: same.end });
    return 'duplicate';
  }

  /** After a start: the log knows exactly what is in it. */
  checkKnown(log: Log, found: readonly FoundBatch[], cleanedEnd: number): void {
    if (found.length === 0) return;
    const from = Math.max(0, found.length - UNANSWERED_MAX - 1);
    const to = Math.min(this.#sent.length - 1, found.length + 1);
    for (let index = from; index <= to; index++) {
      this.checkAdmission(log, { producerId: this.#id, epoch: this.#epoch, index }, found, cleanedEnd);
    }
    if (this.#epoch === 0) return;
    const older = asProducers(makeBatch([1]), { producerId: this.#id, epoch: this.#epoch - 1, sequence: 0 });
    const judged = log.admit(older);
    assert.equal(judged !== undefined && 'code' in judged && judged.code, 'INVALID_PRODUCER_EPOCH');
  }
}
