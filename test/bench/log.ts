import { closeSync, fdatasyncSync, openSync, readSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { offset, type Offset } from '@weir/base/ids.ts';
import type { Log } from '@weir/log/log.ts';
import { batchTemplate, LogWorld } from './log-world.ts';
import { Latencies, print } from './measure.ts';

const MIB = 1024 ** 2;
const APPEND_BYTES = 768 * MIB;
const SECONDS = 3;

/** The log alone, in this process, each figure beside what the disk does in the same run. */
export async function benchLog(): Promise<void> {
  console.log('\nThe log alone: no network, no broker');
  await benchAppend();
  await benchProducers();
  await benchPartitions();
  await benchReads();
}

/** Appends without syncs, beside a plain `writev` of the same bytes in the same portions. */
async function benchAppend(): Promise<void> {
  for (const batchBytes of [1024, 16 * 1024, 64 * 1024, 1024 * 1024]) {
    const plain: number[] = [];
    const log: number[] = [];
    for (let round = 0; round < 3; round++) {
      plain.push(plainWrites(batchBytes));
      log.push(await logAppends(batchBytes));
    }
    const [plainRate, logRate] = [median(plain), median(log)];
    print({
      name: `append without sync, batches of ${size(batchBytes)}, one partition`,
      result:
        `${logRate.toFixed(0)} MB/s; plain sequential writev ${plainRate.toFixed(0)} MB/s: ` +
        `${((logRate / plainRate) * 100).toFixed(0)} % of it`,
    });
  }
}

/** Batches that go out together: as many as come in one turn of the loop under load. */
function portion(batchBytes: number): number {
  return Math.max(1, Math.floor((256 * 1024) / batchBytes));
}

function plainWrites(batchBytes: number): number {
  const world = new LogWorld();
  const file = openSync(join(world.root, 'plain'), 'a');
  const template = batchTemplate(batchBytes);
  const count = portion(batchBytes);
  // As much memory as the log goes through: what lies in the processor's cache is cheaper to write.
  const memory = Array.from({ length: Math.ceil((32 * MIB) / template.length / count) }, () =>
    Array.from({ length: count }, () => Buffer.from(template)),
  );
  const start = performance.now();
  let bytes = 0;
  for (let i = 0; bytes < APPEND_BYTES; i++) bytes += writevSync(file, memory[i % memory.length]!);
  const seconds = (performance.now() - start) / 1000;
  closeSync(file);
  world.remove();
  return bytes / seconds / 1e6;
}

async function logAppends(batchBytes: number): Promise<number> {
  const world = new LogWorld({ withoutSync: true, config: { flush: 'interval' } });
  const log = world.open('p');
  const template = batchTemplate(batchBytes);
  const count = portion(batchBytes);
  const start = performance.now();
  let bytes = 0;
  while (bytes < APPEND_BYTES) {
    for (let i = 0; i < count; i++) {
      const batch = world.batch(template);
      log.append(batch);
      world.slabs.release(batch);
      bytes += batch.length;
    }
    log.flush();
    // The end of the turn, as a broker has one.
    await turn();
  }
  const seconds = (performance.now() - start) / 1000;
  log.close(false);
  world.remove();
  return bytes / seconds / 1e6;
}

/** One partition, each producer with one batch of 1 KiB unanswered. */
async function benchProducers(): Promise<void> {
  print({ name: 'write of 1 KiB and fdatasync, one after another (the disk)', result: `${rawSyncs()} /s` });
  for (const producers of [1, 64, 256]) {
    const { rate, latencies } = await closedLoop({ partitions: 1, producers, batchBytes: 1024 });
    print({
      name: `appends of 1 KiB, one partition, ${producers} producers, flush=commit`,
      result: told(rate, latencies),
    });
  }
}

/** Many partitions at once: the shape that ADR 9 decides. */
async function benchPartitions(): Promise<void> {
  for (const syncDelayMs of [0, 2]) {
    for (const partitions of [1, 10, 100, 1_000]) {
      for (const journal of [false, true]) {
        const producers = Math.max(64, partitions);
        const slow = syncDelayMs > 0 ? { syncDelayMs } : {};
        const { rate, latencies } = await closedLoop({ partitions, producers, batchBytes: 1024, journal, ...slow });
        const delay = syncDelayMs > 0 ? `, ${syncDelayMs} ms added to each sync` : '';
        print({
          name: `${partitions} partitions, ${producers} producers${delay}, ${journal ? 'with the journal' : 'a sync a log'}`,
          result: told(rate, latencies),
        });
      }
    }
  }
}

interface Loop {
  readonly partitions: number;
  readonly producers: number;
  readonly batchBytes: number;
  readonly journal?: boolean;
  readonly syncDelayMs?: number;
}

/** Producers that send their next batch when the last one counts. */
async function closedLoop(loop: Loop): Promise<{ rate: number; latencies: Latencies }> {
  const { partitions, producers, batchBytes, ...options } = loop;
  const world = new LogWorld(options);
  const template = batchTemplate(batchBytes);
  const latencies = new Latencies();
  const logs = Array.from({ length: partitions }, (_, i) => world.open(`p${i}`));
  const dirty = new Set<Log>();
  let scheduled = false;
  let open = 0;
  let answered = 0;
  const endTurn = (): void => {
    scheduled = false;
    const flushed = [...dirty];
    dirty.clear();
    for (const log of flushed) log.flush();
  };
  const append = (log: Log, waiting: { end: Offset; sentMs: number }[]): void => {
    const batch = world.batch(template);
    const base = log.append(batch);
    world.slabs.release(batch);
    waiting.push({ end: offset(base + 1), sentMs: performance.now() });
    open += 1;
    dirty.add(log);
    if (scheduled) return;
    scheduled = true;
    setImmediate(endTurn);
  };
  const start = performance.now();
  const until = start + SECONDS * 1000;
  await new Promise<void>((resolve) => {
    for (const log of logs) {
      const waiting: { end: Offset; sentMs: number }[] = [];
      log.onAdvance = (durableEnd) => {
        const now = performance.now();
        let done = 0;
        while (done < waiting.length && waiting[done]!.end <= durableEnd) latencies.add(now - waiting[done++]!.sentMs);
        waiting.splice(0, done);
        open -= done;
        answered += done;
        if (now < until) for (let i = 0; i < done; i++) append(log, waiting);
        else if (open === 0) resolve();
      };
      const share = Math.ceil(producers / partitions);
      for (let i = 0; i < share; i++) append(log, waiting);
    }
  });
  const seconds = (performance.now() - start) / 1000;
  for (const log of logs) log.close(false);
  world.remove();
  return { rate: answered / seconds, latencies };
}

function rawSyncs(): number {
  const world = new LogWorld();
  const file = openSync(join(world.root, 'raw'), 'a');
  const batch = batchTemplate(1024);
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < 1_000; count++) {
    writevSync(file, [batch]);
    fdatasyncSync(file);
  }
  closeSync(file);
  world.remove();
  return count;
}

/** Reads of everything, from memory and from the disk, beside plain reads of the same file. */
async function benchReads(): Promise<void> {
  const bytes = 256 * MIB;
  const world = new LogWorld({ withoutSync: true, tailCacheBytes: 2 * bytes, config: { flush: 'interval' } });
  const log = world.open('p');
  const template = batchTemplate(16 * 1024);
  for (let written = 0; written < bytes; written += template.length) {
    const batch = world.batch(template);
    log.append(batch);
    world.slabs.release(batch);
    if (log.pendingBytes > MIB) log.flush();
  }
  log.flush();
  while (log.durableEnd < log.endOffset) await turn();
  const tail = await readAll(log, world);
  log.close(true);
  const cold = new LogWorld({ tailCacheBytes: 1, journal: false, root: world.root });
  const again = cold.open('p');
  const coldRate = await readAll(again, cold);
  const plain = plainReads(join(world.root, 'p', `${'0'.repeat(20)}.log`));
  again.close(false);
  world.remove();
  print({
    name: 'tail reads, 256 KiB at a time',
    result: `${tail.toFixed(0)} MB/s, views of the memory that was appended`,
  });
  print({
    name: 'cold reads (page cache), every CRC checked',
    result: `${coldRate.toFixed(0)} MB/s; plain reads of 1 MiB ${plain.toFixed(0)} MB/s`,
  });
}

async function readAll(log: Log, world: LogWorld): Promise<number> {
  const start = performance.now();
  let bytes = 0;
  for (let from = offset(0); from < log.durableEnd;) {
    const read = log.read(from, 256 * 1024, log.durableEnd);
    if (read.kind === 'batches') {
      for (const buffer of read.buffers) bytes += buffer.length;
      from = read.nextOffset;
    } else if (read.kind === 'cold') {
      from = await new Promise((resolve, reject) => {
        log.readCold({ ...read.plan, maxBytes: MIB }, (error, buffers, next) => {
          if (error !== undefined) return reject(error);
          for (const buffer of buffers) {
            bytes += buffer.length;
            world.slabs.release(buffer);
          }
          resolve(next);
        });
      });
    } else {
      throw new Error(`a read at ${from} found ${read.kind}`);
    }
  }
  return bytes / ((performance.now() - start) / 1000) / 1e6;
}

function plainReads(path: string): number {
  const file = openSync(path, 'r');
  const buffer = Buffer.allocUnsafeSlow(MIB);
  const start = performance.now();
  let bytes = 0;
  for (let read = readSync(file, buffer, 0, MIB, 0); read > 0; read = readSync(file, buffer, 0, MIB, bytes))
    bytes += read;
  closeSync(file);
  return bytes / ((performance.now() - start) / 1000) / 1e6;
}

function told(rate: number, latencies: Latencies): string {
  return (
    `${Math.round(rate)} /s, p50 ${latencies.percentile(0.5).toFixed(2)} ms, ` +
    `p99 ${latencies.percentile(0.99).toFixed(2)} ms`
  );
}

function size(bytes: number): string {
  return bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / 1024} KiB`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
