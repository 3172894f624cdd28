import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { offset } from '@weir/base/ids.ts';
import { COLD_READ_BYTES } from '@weir/base/limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { Slabs } from '@weir/base/slabs.ts';
import type { Log } from './log.ts';
import { READ_AHEAD_PATIENCE, ReadAhead } from './read-ahead.ts';
import { TailCache } from './tail-cache.ts';
import { makeBatch, openForAppends } from './test-kit.ts';

const KIB = 1024;
const RETAIN_ALL = { nowMs: 0, retentionMs: -1, retentionBytes: -1, segmentMs: -1 };

/** What a read brought. */
interface Outcome {
  readonly code: string | undefined;
  readonly bytes: Buffer;
  readonly next: number;
}

/** A log whose every read goes to the disk; batches of one record each, which are also kept here. */
class ColdLog {
  readonly disk = new SimulatedDisk(seededRandom(1), { blockBytes: 64 * KIB * KIB });
  readonly slabs = new Slabs({ slabBytes: KIB * KIB, idleBytesMax: 0, poison: true });
  readonly cache: TailCache;
  readonly log: Log;
  readonly batches: Buffer[] = [];

  constructor({ readAheadBytes = 8 * KIB * KIB, segmentBytes = 64 * KIB * KIB } = {}) {
    this.cache = new TailCache(0, this.slabs, readAheadBytes);
    this.log = openForAppends(this.disk, { cache: this.cache, config: { segmentBytes, groupBytesMax: 4 * KIB * KIB } });
  }

  /** In the slab memory that they would come in from the network. */
  append(count: number, valueBytes: number): this {
    for (let i = 0; i < count; i++) {
      const made = makeBatch([this.batches.length], { valueBytes, fill: this.batches.length % 200 });
      const batch = this.slabs.allocate(made.length);
      batch.set(made);
      this.log.append(batch);
      this.batches.push(Buffer.from(batch));
      this.slabs.release(batch);
    }
    this.log.flush();
    while (this.disk.pendingSyncs > 0) this.disk.completeSyncs(1);
    return this;
  }

  /** Begins a read; the outcome is there once the disk has done what it waits for. */
  begin(from: number, maxBytes = 100 * KIB): { outcome?: Outcome } {
    const plan = { from: offset(from), maxBytes, upTo: this.log.durableEnd };
    const started: { outcome?: Outcome } = {};
    this.log.readCold(plan, (error, buffers, next) => {
      assert(started.outcome === undefined, 'a read is answered once');
      started.outcome = { code: error?.code, bytes: Buffer.concat(buffers), next };
      for (const buffer of buffers) this.slabs.release(buffer);
    });
    return started;
  }

  /** Reads, and completes that read alone. */
  read(from: number, maxBytes?: number): Outcome {
    const started = this.begin(from, maxBytes);
    for (let reads = 0; started.outcome === undefined; reads++) {
      if (reads > 10) throw new Error('the read does not end');
      this.disk.completeReads(1);
    }
    return started.outcome;
  }

  bytesOf(from: number, to: number): Buffer {
    return Buffer.concat(this.batches.slice(from, to));
  }

  /** Drops what the log keeps in memory: then nothing may be left in use. */
  close(): void {
    this.log.close(false);
    this.disk.settle();
    assert(this.cache.readAhead.bytes === 0, 'nothing stays read ahead');
    assert(this.slabs.usedBytes === 0, 'no memory stays in use');
  }
}

test('the second read in a row begins to read ahead, and what follows comes from memory', () => {
  const cold = new ColdLog().append(30, 50 * KIB);
  const first = cold.read(0);
  expect(first.bytes.equals(cold.bytesOf(0, 1))).toBe(true);
  expect(cold.disk.pendingReads).toBe(0);
  const second = cold.read(1);
  expect(second.next).toBe(2);
  expect(cold.disk.pendingReads).toBe(1);
  cold.disk.completeReads();
  let next = 2;
  for (let served = 0; cold.disk.pendingReads === 0; served++) {
    const { outcome } = cold.begin(next);
    expect(outcome!.bytes.equals(cold.bytesOf(next, outcome!.next))).toBe(true);
    next = outcome!.next;
    expect(served).toBeLessThan(30);
  }
  // A whole chunk of them, and then the next chunk is on its way.
  expect(cold.bytesOf(2, next).length).toBeGreaterThan(COLD_READ_BYTES - 51 * KIB);
  cold.close();
});

test('readers that read once, here and there, cost no reads ahead', () => {
  const cold = new ColdLog().append(30, 50 * KIB);
  for (const from of [3, 17, 9, 25]) cold.read(from);
  expect(cold.disk.pendingReads).toBe(0);
  expect(cold.cache.readAhead.bytes).toBe(0);
  cold.close();
});

test('a reader that comes before its chunk waits for it', () => {
  const cold = new ColdLog().append(30, 50 * KIB);
  cold.read(0);
  cold.read(1);
  const waiting = cold.begin(2);
  const second = cold.begin(2);
  expect(cold.disk.pendingReads).toBe(1);
  while (second.outcome === undefined) cold.disk.completeReads(1);
  expect(waiting.outcome?.bytes.equals(cold.bytesOf(2, 3))).toBe(true);
  expect(second.outcome.bytes.equals(cold.bytesOf(2, 3))).toBe(true);
  cold.close();
});

test('nothing is read ahead past what is durable', () => {
  const cold = new ColdLog().append(3, 50 * KIB);
  const undurable = makeBatch([3], { valueBytes: 10 });
  cold.log.append(undurable);
  cold.log.flush();
  cold.read(0);
  cold.read(1);
  cold.disk.completeReads();
  const { outcome } = cold.begin(2);
  expect(outcome!.bytes.equals(cold.bytesOf(2, 3))).toBe(true);
  expect(outcome!.next).toBe(3);
  expect(cold.disk.pendingReads).toBe(0);
  cold.disk.completeSyncs();
  cold.close();
});

test('all readers together read ahead within the budget, and nobody takes what another one comes for', () => {
  const cold = new ColdLog({ readAheadBytes: 2 * COLD_READ_BYTES }).append(200, 50 * KIB);
  for (const from of [0, 50, 100, 150]) {
    cold.read(from);
    cold.read(from + 1);
    cold.disk.completeReads();
    expect(cold.cache.readAhead.bytes).toBeLessThanOrEqual(2 * COLD_READ_BYTES);
  }
  // The first two have theirs, the others read for themselves.
  expect(cold.begin(2).outcome).toBeDefined();
  expect(cold.begin(52).outcome).toBeDefined();
  const reads = cold.begin(102);
  expect(reads.outcome).toBeUndefined();
  cold.disk.completeReads();
  expect(reads.outcome!.bytes.equals(cold.bytesOf(102, 103))).toBe(true);
  cold.close();
});

test('while all chunks are under way nobody else reads ahead, and one that nobody comes for makes room in the end', () => {
  const slabs = new Slabs({ slabBytes: KIB * KIB, idleBytesMax: 0, poison: true });
  const ahead = new ReadAhead(COLD_READ_BYTES + 1, slabs);
  let dropped = 0;
  const chunk = ahead.begin(() => void dropped++)!;
  for (let i = 0; i < 2 * READ_AHEAD_PATIENCE; i++) expect(ahead.begin(() => {})).toBeUndefined();
  const bytes = slabs.allocate(COLD_READ_BYTES);
  const run = { bytes, nextOffset: offset(1), segmentBase: offset(0), endPosition: bytes.length };
  ahead.arrived(chunk, run);
  // Its reader comes for a part of it.
  ahead.used(chunk, run);
  for (let i = 1; i < READ_AHEAD_PATIENCE; i++) expect(ahead.begin(() => {})).toBeUndefined();
  expect(dropped).toBe(0);
  expect(ahead.begin(() => {})).toBeDefined();
  expect([dropped, slabs.usedBytes]).toEqual([1, 0]);
});

test('a bit that has rotted is never served, read directly or ahead', () => {
  for (const rotten of [0, 1, 2, 5]) {
    const cold = new ColdLog().append(8, 50 * KIB);
    const position = cold.bytesOf(0, rotten).length + 30 * KIB;
    cold.disk.flipBit(`logs/p/${'0'.repeat(20)}.log`, position);
    let next = 0;
    let last: Outcome | undefined;
    while (last?.code === undefined) {
      last = cold.read(next);
      expect(last.bytes.equals(cold.bytesOf(next, last.next))).toBe(true);
      next = last.next;
    }
    expect([last.code, next]).toEqual(['EBADMSG', rotten]);
    cold.close();
  }
});

test('a fault while reading ahead is the reader’s own, when it comes for the bytes', () => {
  const cold = new ColdLog().append(30, 50 * KIB);
  const faults: string[] = [];
  cold.log.onFault = (error) => faults.push(error.code);
  cold.read(0);
  const second = cold.begin(1);
  cold.disk.completeReads(1);
  expect([second.outcome?.code, cold.disk.pendingReads]).toEqual([undefined, 1]);
  cold.disk.failNextRead();
  cold.disk.completeReads();
  expect(cold.cache.readAhead.bytes).toBe(0);
  expect(faults).toEqual([]);
  expect(cold.read(2).bytes.equals(cold.bytesOf(2, 3))).toBe(true);
  cold.close();
});

test('what retention removes while a reader waits for it is no fault: there is nothing to read', () => {
  const cold = new ColdLog({ segmentBytes: 500 * KIB }).append(40, 50 * KIB);
  const faults: string[] = [];
  cold.log.onFault = (error) => faults.push(error.code);
  cold.read(0);
  cold.read(1);
  const waiting = cold.begin(2);
  expect(cold.log.retain({ ...RETAIN_ALL, retentionBytes: 200 * KIB }).segments).toBeGreaterThan(1);
  expect(cold.log.startOffset).toBeGreaterThan(2);
  cold.disk.settle();
  expect(waiting.outcome).toMatchObject({ code: undefined, next: 2 });
  expect(waiting.outcome!.bytes.length).toBe(0);
  expect(faults).toEqual([]);
  cold.close();
});

test('a log that is closed answers who waits, and keeps nothing', () => {
  const cold = new ColdLog().append(30, 50 * KIB);
  cold.read(0);
  cold.read(1);
  const waiting = cold.begin(2);
  const direct = cold.begin(20);
  cold.close();
  expect(waiting.outcome).toMatchObject({ code: 'EBADF' });
  expect(direct.outcome!.bytes.equals(cold.bytesOf(20, 21))).toBe(true);
});

test('readers of any kind see what was appended, and leave no memory behind', () => {
  const step = fc.record({
    kind: fc.constantFrom('append', 'read', 'read', 'read', 'complete', 'complete', 'jump', 'delete'),
    reader: fc.nat(3),
    amount: fc.nat(1_000),
  });
  const property = fc.property(
    fc.array(step, { maxLength: 120, size: 'max' }),
    fc.integer({ min: 0, max: 4 }),
    (steps, chunks) => {
      const cold = new ColdLog({ readAheadBytes: chunks * COLD_READ_BYTES, segmentBytes: 900 * KIB }).append(
        40,
        20 * KIB,
      );
      const readers = Array.from({ length: 4 }, () => ({
        next: 0,
        busy: undefined as { outcome?: Outcome } | undefined,
      }));
      const collect = (): void => {
        for (const reader of readers) {
          const outcome = reader.busy?.outcome;
          if (outcome === undefined) continue;
          expect(outcome.code).toBeUndefined();
          expect(outcome.bytes.equals(cold.bytesOf(reader.next, outcome.next))).toBe(true);
          reader.next = outcome.next;
          reader.busy = undefined;
        }
      };
      for (const { kind, reader: which, amount } of steps) {
        const reader = readers[which]!;
        if (kind === 'append') cold.append(1 + (amount % 5), amount * 100);
        else if (kind === 'complete') cold.disk.completeReads(1 + (amount % 3));
        else if (kind === 'delete')
          cold.log.deleteRecords(offset(Math.min(cold.log.durableEnd, cold.log.startOffset + (amount % 10))));
        else if (reader.busy === undefined) {
          if (kind === 'jump') reader.next = amount % cold.log.durableEnd;
          reader.next = Math.max(reader.next, cold.log.startOffset);
          if (reader.next < cold.log.durableEnd) reader.busy = cold.begin(reader.next, 1 + amount * 1_000);
        }
        collect();
        expect(cold.cache.readAhead.bytes).toBeLessThanOrEqual(chunks * COLD_READ_BYTES);
      }
      cold.disk.settle();
      collect();
      cold.close();
    },
  );
  fc.assert(property, { numRuns: 60 });
});
