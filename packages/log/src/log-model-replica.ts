import { strict as assert } from 'node:assert';
import { present } from '@weir/base/assert.ts';
import { offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import { PRODUCER_ID_EXPIRATION_MS } from '@weir/base/limits.ts';
import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import { isPlaceholder, restOfPlaceholder } from '@weir/records/placeholder.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { Log } from './log.ts';
import type { LogConfig } from './log-config.ts';
import { ModelCompaction, type ModelPass } from './log-model-compaction.ts';
import { isRotSeen } from './log-model-rot.ts';
import { ModelProducer, type SentBatch } from './log-model-producer.ts';
import type { TimestampedOffset } from './log-read.ts';
import type { TailCache } from './tail-cache.ts';

/** A batch as it was appended: with its offsets and leader epoch. */
interface ModelBatch {
  readonly base: number;
  readonly end: number;
  readonly bytes: Buffer;
  /** An idempotent producer's. */
  readonly sent: SentBatch | undefined;
}

/** What a replica needs of its world. */
interface ModelReplicaWorld {
  readonly disk: SimulatedDisk;
  /** Bytes have rotted somewhere: what is read may be bad, as long as it is seen to be. */
  readonly rotten: boolean;
  saw(what: string): void;
}

/** For the model test: a log, and what it ought to hold. */
export class ModelReplica {
  readonly name: string;
  readonly flush: LogConfig['flush'];
  readonly #world: ModelReplicaWorld;
  readonly #cache: TailCache;
  /** Whose batches it takes over; it has none of its own then. */
  readonly leader: ModelReplica | undefined;
  /** Where the log began when it was made, or made anew. */
  origin = 0;
  /** In offset order, from there on: deleted ones too. */
  batches: ModelBatch[] = [];
  readonly producers: readonly ModelProducer[];
  /** All that the log has said counts. */
  counted = 0;
  /** No crash may take what lies below. */
  mustKeep = 0;
  /** Nor the end of the process alone what lies below this, as long as no power cut follows. */
  inMemory = 0;
  /** Where the log begins, and up to where a deletion that was cut short may have moved that. */
  start = 0;
  startTried = 0;
  /** A cut to that offset is under way: no crash need leave more. */
  cutting = Number.POSITIVE_INFINITY;
  /** The log is being made anew at that offset. */
  restarting: number | undefined;
  /** Below it the checkpoint, and where an epoch starts, prove nothing: the log was cut. */
  doubtUntil = -1;
  /** What the checkpoint on the disk proves, at least. */
  checkpointed = 0;
  /** The latest epoch that was begun, and the latest one that may have been. */
  epoch: LeaderEpoch | -1 = -1;
  epochTried = -1;
  /** The log's end when the former began: all below was durable. */
  epochStart = 0;
  /** What the end of this log may not be cut below: somebody has compacted it, or a copy of it, up to there. */
  committed = 0;
  readonly compaction: ModelCompaction;
  /** Set by every start. */
  log!: Log;

  constructor(
    name: string,
    { flush, leader }: { readonly flush: LogConfig['flush']; readonly leader: ModelReplica | undefined },
    world: ModelReplicaWorld,
    cache: TailCache,
  ) {
    this.name = name;
    this.leader = leader;
    this.producers = leader?.producers ?? [new ModelProducer(0), new ModelProducer(1), new ModelProducer(2)];
    this.flush = flush;
    this.#world = world;
    this.#cache = cache;
    this.compaction = new ModelCompaction((what) => world.saw(what));
  }

  get directory(): string {
    return `partitions/${this.name}`;
  }

  get end(): number {
    return this.batches.at(-1)?.end ?? this.origin;
  }

  /** Whether batches of its own may be appended. */
  get leads(): boolean {
    return this.leader === undefined && this.log.appendable && this.log.latestEpoch !== -1;
  }

  /** Takes over a log that was opened without damage: nothing durable was lost, nothing was invented. */
  opened(log: Log): void {
    this.log = log;
    log.onAdvance = (end) => {
      assert.ok(end > this.counted);
      this.counted = end;
    };
    if (this.restarting !== undefined && log.endOffset === this.restarting && log.startOffset === log.endOffset) {
      if (!this.#isAsItWas(log)) this.#restarted(log.startOffset);
    }
    this.restarting = undefined;
    this.cutting = Number.POSITIVE_INFINITY;
    const kept = Math.max(this.mustKeep, this.inMemory);
    assert.ok(log.endOffset >= kept, `ends at ${log.endOffset}, ${this.mustKeep} was durable, ${kept} written`);
    assert.ok(log.endOffset <= this.end, `ends at ${log.endOffset}, only ${this.end} were appended`);
    this.batches = this.batches.filter(({ end }) => end <= log.endOffset);
    assert.equal(log.endOffset, this.end);
    assert.equal(log.durableEnd, log.endOffset);
    assert.equal(log.checkpointable(), log.endOffset);
    assert.equal(log.pendingBytes, 0);
    assert.ok(log.latestEpoch <= this.epochTried && (this.#world.rotten || log.latestEpoch >= this.epoch));
    assert.ok(log.startOffset <= this.startTried && (this.#world.rotten || log.startOffset >= this.start));
    this.start = log.startOffset;
    this.startTried = log.startOffset;
    this.counted = log.endOffset;
    this.mustKeep = log.endOffset;
    this.checkContents(this.start, 1_000_000);
    if (this.#world.rotten) return;
    this.#checkEpochs();
    for (const producer of this.producers) {
      const found = this.#foundOf(producer);
      if (found.length > 0) this.#world.saw('producers kept over a start');
      if (producer.sentCount > found.length) this.#world.saw('batches lost');
      if (this.#knows(found)) producer.checkKnown(log, found, this.compaction.end);
    }
  }

  /** A producer sends a batch; what is there already, or does not follow, is not appended. */
  produce(producer: ModelProducer, { back, count }: { readonly back: number; readonly count: number }): void {
    const found = this.#foundOf(producer);
    if (found.length > 0 && found[0]!.sent!.index > 0) return;
    const sent = producer.choose(back, count, found);
    if (sent === undefined) return;
    const { batch, records } = producer.build(sent);
    if (this.#world.rotten) {
      if (sent.index === found.length && this.log.admit(batch) === undefined) this.append(batch, records, sent);
      return;
    }
    const judged = producer.checkAdmission(this.log, sent, found, this.compaction.end);
    this.#world.saw(`${judged} of a producer`);
    if (judged === 'append') this.append(batch, records, sent);
  }

  /** All producers are silent for longer than the log remembers them. */
  forgetProducers(): void {
    for (const nowMs of [0, 2 * PRODUCER_ID_EXPIRATION_MS]) this.log.expireProducers(nowMs);
    for (const producer of this.producers) {
      const last = this.#foundOf(producer).at(-1);
      // What is not written yet was sent a moment ago.
      if (last !== undefined && last.end <= this.log.durableEnd) {
        assert.equal(this.log.admit(producer.build(last.sent!).batch), undefined);
      }
      producer.replace();
    }
  }

  /** A producer whose first batches it never had, or whose last ones it has yet to take over, it knows less of. */
  #knows(found: readonly ModelBatch[]): boolean {
    const isPartial = this.leader !== undefined && (found.at(-1)?.base ?? 0) < this.compaction.end;
    return found[0]?.sent?.index === 0 && !isPartial;
  }

  /**
   * Whether an empty log that was to be made anew where it begins is the one that it was: then it knows whose batches were deleted
   * before its start.
   */
  #isAsItWas(log: Log): boolean {
    if (this.start !== log.startOffset) return false;
    return this.producers.some((producer) => {
      const last = this.#foundOf(producer).findLast(({ end }) => end <= log.startOffset);
      const judged = last === undefined ? undefined : log.admit(producer.build(last.sent!).batch);
      return judged !== undefined && 'kind' in judged;
    });
  }

  #foundOf(producer: ModelProducer): readonly ModelBatch[] {
    const found = this.batches.filter(({ sent }) => sent !== undefined && producer.isMine(sent));
    assert.ok(
      found.every(({ sent }, i) => sent!.index === found[0]!.sent!.index + i),
      'each batch is there once, in order',
    );
    return found;
  }

  /** What holds between any two steps; from it follows what a crash must not take. */
  check(): void {
    const { log } = this;
    assert.equal(log.durableEnd, this.counted);
    assert.equal(log.endOffset, this.end);
    assert.equal(log.startOffset, this.start);
    assert.ok(log.checkpointable() <= log.endOffset);
    assert.ok(log.checkpointable() >= this.mustKeep);
    this.settle();
  }

  /** The process ends here, perhaps in the middle of a step. */
  settle(): void {
    const durable = this.flush === 'commit' ? this.counted : this.log.checkpointable();
    this.mustKeep = Math.max(this.mustKeep, Math.min(durable, this.cutting));
    this.inMemory = Math.min(this.counted, this.cutting);
  }

  beginEpoch(epoch: LeaderEpoch): void {
    this.epochTried = epoch;
    this.log.beginEpoch(epoch);
    this.epoch = epoch;
    if (this.log.endOffset > this.doubtUntil) this.epochStart = this.log.endOffset;
  }

  /** The latest epoch need not outlast the run. */
  forgetEpoch(): void {
    this.epoch = -1;
    this.epochStart = 0;
  }

  append(batch: Buffer, records: number, sent?: SentBatch): void {
    // In the pool's memory, which is overwritten as soon as nobody says that he needs it.
    const piece = this.#cache.slabs.allocate(batch.length);
    piece.set(batch);
    const base = this.end;
    try {
      assert.equal(this.log.append(piece), base);
    } finally {
      this.batches.push({ base, end: base + records, bytes: Buffer.from(piece), sent });
      this.#cache.slabs.release(piece);
    }
  }

  /** Takes over a batch of its leader. */
  appendReplicated(batch: ModelBatch): void {
    const piece = this.#cache.slabs.allocate(batch.bytes.length);
    piece.set(batch.bytes);
    this.epochTried = Math.max(this.epochTried, leaderEpochOf(piece, 0));
    try {
      this.log.appendReplicated(piece);
    } finally {
      this.batches.push(batch);
      this.#cache.slabs.release(piece);
    }
  }

  /**
   * Takes over so many batches of its leader; first it forgets what that does not have, and where they have nothing in
   * common, all.
   */
  mirror(count: number, act: (write: () => void) => boolean): void {
    const leader = present(this.leader, 'a follower has a leader');
    const from = Math.max(leader.start, this.start);
    const theirs = new Map(leader.batches.map((batch) => [batch.base, batch]));
    const other = this.batches.find(
      ({ base, end, bytes }) => end > from && theirs.get(base)?.bytes.equals(bytes) !== true,
    );
    const end = other?.base ?? this.end;
    if (end < Math.max(from, this.compaction.end) || this.end < leader.start) return this.restartAt(leader.start, act);
    this.truncateTo(end, act);
    for (let left = count; left > 0 && this.log.appendable; left--) {
      if (leader.compaction.end > this.end) {
        if (!this.#takeCompacted(leader)) return;
        continue;
      }
      const next = theirs.get(this.end);
      // A batch that reaches below the leader's start is one that is not there any more.
      if (next === undefined || next.base < leader.start) return;
      // What the leader has deleted cannot be compared.
      if (leaderEpochOf(next.bytes, 0) < this.log.latestEpoch) return this.restartAt(leader.start, act);
      this.appendReplicated(next);
      this.#world.saw('batches replicated');
    }
  }

  /** Takes over what is left of batches of its leader. False: there is nothing now. */
  #takeCompacted(leader: ModelReplica): boolean {
    const upTo = leader.log.durableEnd;
    if (!leader.log.appendable || this.end >= upTo) return false;
    const bytes = leader.#read(this.end, 1, upTo);
    if (bytes === undefined || bytes.length === 0) return false;
    let batch = bytes.subarray(0, batchBytesOf(bytes, 0));
    if (isPlaceholder(batch, 0)) batch = restOfPlaceholder(batch, offset(Math.max(this.end, baseOffsetOf(batch, 0))));
    const base = this.end;
    const end = lastOffsetOf(batch, 0) + 1;
    if (base < leader.start || leaderEpochOf(batch, 0) < this.log.latestEpoch) return false;
    const originals = leader.batches.filter((original) => original.base >= base && original.end <= end);
    // A batch that reaches below the leader's start is one that is not there any more.
    if (originals[0]?.base !== base) return false;
    assert.equal(originals.at(-1)!.end, end, 'what compaction leaves ends where something ended that was appended');
    this.compaction.takenOver(leader.compaction, end);
    const piece = this.#cache.slabs.allocate(batch.length);
    piece.set(batch);
    this.epochTried = Math.max(this.epochTried, leaderEpochOf(piece, 0));
    try {
      this.log.appendReplicated(piece);
    } finally {
      this.batches.push(...originals);
      this.#cache.slabs.release(piece);
    }
    this.#world.saw('compacted batches replicated');
    return true;
  }

  /** Begins a pass over what is committed: durable here, and at its leader. */
  compact({ share, ...pass }: Omit<ModelPass, 'upTo'> & { readonly share: number }): void {
    const { leader, log } = this;
    if (!log.appendable || log.compaction.isUnderWay) return;
    let committed = Math.min(log.durableEnd, this.mustKeep);
    if (leader !== undefined) {
      const theirs = new Map(leader.batches.map((batch) => [batch.base, batch]));
      const other = this.batches.find(({ base, bytes }) => theirs.get(base)?.bytes.equals(bytes) !== true);
      committed = Math.min(committed, leader.mustKeep, other?.base ?? this.end);
    }
    const upTo = Math.floor(share * committed);
    const end = this.compaction.begin(log, this.#appended, { ...pass, upTo });
    for (const replica of [this, leader]) {
      if (replica !== undefined) replica.committed = Math.max(replica.committed, end);
    }
  }

  /** Cuts the log; `act` tells whether the disk took that. */
  truncateTo(end: number, act: (write: () => void) => boolean): void {
    const before = this.end;
    const boundary = this.batches.find((batch) => batch.end > end)?.base ?? before;
    // Of a batch that begins below the start nothing can stay.
    if (boundary < this.start) return this.#makeAnew(this.start, () => act(() => this.log.truncateTo(offset(end))));
    this.#forgetFrom(boundary);
    const done = act(() => this.log.truncateTo(offset(end)));
    // Another fault than one that passes ends the run, and the next start says what is there.
    if (!this.log.appendable) return;
    assert.ok(this.log.endOffset === boundary || (!done && this.log.endOffset === before));
    this.batches = this.batches.filter((batch) => batch.end <= this.log.endOffset);
    this.counted = this.log.durableEnd;
    this.cutting = Number.POSITIVE_INFINITY;
    if (!done) return;
    if (boundary < before) this.#world.saw('cuts');
    this.#checkEpochs();
    assert.ok(this.log.latestEpoch === -1 || this.log.epochAt(boundary - 1) === this.log.latestEpoch);
    for (const producer of this.producers) {
      const found = this.#foundOf(producer);
      if (this.#knows(found)) producer.checkKnown(this.log, found, this.compaction.end);
    }
  }

  /** Makes the log anew; `act` tells whether the disk took that. */
  restartAt(start: number, act: (write: () => void) => boolean): void {
    this.#makeAnew(start, () => act(() => this.log.restartAt(offset(start))));
  }

  #makeAnew(start: number, act: () => boolean): void {
    this.#forgetFrom(0);
    this.start = Math.min(this.start, start);
    this.startTried = Math.max(this.startTried, start);
    this.restarting = start;
    if (!act()) return;
    this.#restarted(start);
    this.restarting = undefined;
    this.cutting = Number.POSITIVE_INFINITY;
    this.#world.saw('logs made anew');
  }

  /** No crash need leave what lies behind an offset, and nothing that was said of it counts. */
  #forgetFrom(end: number): void {
    this.doubtUntil = Math.max(this.doubtUntil, this.end);
    this.cutting = end;
    this.counted = Math.min(this.counted, end);
    this.mustKeep = Math.min(this.mustKeep, end);
    this.checkpointed = Math.min(this.checkpointed, end);
    this.forgetEpoch();
  }

  #restarted(start: number): void {
    this.batches = [];
    this.compaction.clear();
    this.committed = 0;
    this.origin = start;
    this.start = start;
    this.startTried = start;
    this.counted = start;
  }

  /** Each record is of the epoch that the log says. */
  #checkEpochs(): void {
    for (const { base, bytes } of this.batches) {
      if (base >= this.start) assert.equal(this.log.epochAt(base), leaderEpochOf(bytes, 0), `the epoch at ${base}`);
    }
    const last = this.batches.at(-1);
    const expected = last === undefined || last.end <= this.start ? -1 : leaderEpochOf(last.bytes, 0);
    assert.equal(this.log.lastRecordEpoch, expected);
  }

  deleteBefore(before: number, act: () => void): void {
    this.startTried = Math.max(this.startTried, before);
    act();
    this.start = this.log.startOffset;
    assert.ok(this.start <= this.startTried);
    this.startTried = this.start;
  }

  /** Reads from an offset to the counted end, and compares with the model. */
  checkContents(from: number, maxBytes: number): void {
    const upTo = this.log.durableEnd;
    const found = this.#read(from, maxBytes, upTo);
    if (found === undefined) return;
    if (this.compaction.end > 0) {
      this.compaction.check(found, this.#appended, { from, upTo });
      return;
    }
    const expected = this.batches.filter(({ base, end }) => end > from && base < upTo);
    if (found.equals(Buffer.concat(expected.map(({ bytes }) => bytes)))) return;
    assert.ok(this.#world.rotten, 'what is read is not what was appended');
    if (isRotSeen(found, expected, this.log)) this.#world.saw('rot read');
  }

  get #appended(): Buffer {
    return Buffer.concat(this.batches.map(({ bytes }) => bytes));
  }

  /** Undefined: it met rot. */
  #read(from: number, maxBytes: number, upTo: Offset): Buffer | undefined {
    const found: Buffer[] = [];
    let next = offset(from);
    for (let reads = 0; next < upTo; reads++) {
      assert.ok(reads < 10_000);
      const read = this.log.read(next, maxBytes, upTo, 'batches');
      if (read.kind === 'batches') {
        for (const buffer of read.buffers) found.push(Buffer.from(buffer));
        next = read.nextOffset;
        continue;
      }
      if (read.kind !== 'cold') throw new Error(`${read.kind} at ${next} below ${upTo}`);
      this.#world.saw('cold reads');
      let outcome = 'none';
      this.log.readCold(read.plan, (error, buffers, nextOffset) => {
        outcome = error === undefined ? 'read' : 'failed';
        if (!this.#world.rotten) assert.equal(error, undefined);
        if (error !== undefined) return;
        assert.ok(nextOffset > next);
        for (const buffer of buffers) {
          found.push(Buffer.from(buffer));
          this.#cache.slabs.release(buffer);
        }
        next = nextOffset;
      });
      this.#completeReads();
      assert.notEqual(outcome, 'none');
      if (outcome === 'failed') {
        this.#world.saw('rot read');
        return undefined;
      }
    }
    return Buffer.concat(found);
  }

  checkTimestamp(timestampMs: number): void {
    const upTo = this.log.durableEnd;
    let found: TimestampedOffset | undefined;
    let done = false;
    this.log.offsetForTimestamp(timestampMs, upTo, (error, result) => {
      assert.equal(error, undefined);
      found = result;
      done = true;
    });
    this.#completeReads();
    assert.equal(done, true);
    let first: TimestampedOffset | undefined;
    let isThere = found === undefined;
    readRecords(this.#appended, (record) => {
      const { offset: at } = record;
      if (at < this.start || at >= upTo || record.timestampMs < timestampMs) return;
      isThere ||= at === found?.offset && record.timestampMs === found.timestampMs;
      if (this.compaction.mayLack(record) === undefined) first ??= record;
    });
    assert.ok(isThere, 'what is found was appended');
    // What compaction may have taken may still be found.
    const isEarlier = found !== undefined && found.offset < (first?.offset ?? Infinity) && this.compaction.end > 0;
    if (!isEarlier) assert.equal(found?.offset, first?.offset);
  }

  #completeReads(): void {
    while (this.#world.disk.pendingReads > 0) this.#world.disk.completeReads(1);
  }
}
