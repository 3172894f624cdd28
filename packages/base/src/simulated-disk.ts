import { assert } from './assert.ts';
import { DiskError, type Disk, type DiskFile } from './disk.ts';
import type { Random } from './random.ts';

/** A change to a file that no sync has made durable yet; `number` orders them over the whole disk. */
type Change =
  | { readonly number: number; readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly number: number; readonly kind: 'truncate'; readonly size: number };

/** A file's contents: `page` is what a running process reads, `durable` what is left after the power went. */
interface FileNode {
  readonly kind: 'file';
  page: Buffer;
  size: number;
  durable: Buffer;
  changes: Change[];
}

/** One step in a directory: names that appear, or go (undefined). */
type Step = ReadonlyArray<readonly [name: string, node: Node | undefined]>;

interface DirectoryNode {
  readonly kind: 'directory';
  entries: Map<string, Node>;
  durable: Map<string, Node>;
  steps: Step[];
}

type Node = FileNode | DirectoryNode;

interface Waiting {
  readonly kind: 'sync' | 'read';
  readonly complete: () => void;
}

/** How a simulated disk behaves. */
export interface SimulatedDiskOptions {
  /** A write is torn at multiples of this. */
  readonly blockBytes?: number;
  /** `manual`: syncs and reads complete when the test says so; `auto`: in the next microtask, unless stalled. */
  readonly completion?: 'manual' | 'auto';
}

/**
 * A disk in memory that treats data as badly as a real one may. Written bytes are durable only after a sync of the
 * file, names only after a sync of their directory; `crash` keeps a random part of everything else, torn at block
 * boundaries, and loses the callbacks that were under way.
 */
export class SimulatedDisk implements Disk {
  readonly #random: Random;
  readonly #blockBytes: number;
  readonly #automatic: boolean;
  readonly #root: DirectoryNode = newDirectory();
  #boot = 0;
  #changeNumber = 0;
  #waiting: Waiting[] = [];
  #syncFault: string | undefined;
  #appendFault: { readonly code: string; readonly keptBytes: number } | undefined;
  #readFault: string | undefined;

  /** Bytes that all files together may have; an append past it writes what fits and fails with ENOSPC. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** While true nothing completes by itself. `settle` completes what was held back. */
  stalled = false;

  constructor(random: Random, options: SimulatedDiskOptions = {}) {
    this.#random = random;
    this.#blockBytes = options.blockBytes ?? 512;
    this.#automatic = options.completion === 'auto';
  }

  makeDirectory(path: string): void {
    let directory = this.#root;
    for (const name of parts(path)) {
      let next = directory.entries.get(name);
      if (next === undefined) {
        next = newDirectory();
        step(directory, [[name, next]]);
      }
      if (next.kind !== 'directory') throw new DiskError('ENOTDIR', `${path} is not a directory`);
      directory = next;
    }
  }

  list(path: string): string[] | undefined {
    const directory = this.#node(parts(path));
    return directory?.kind === 'directory' ? [...directory.entries.keys()] : undefined;
  }

  readFile(path: string): Buffer | undefined {
    const file = this.#node(parts(path));
    return file?.kind === 'file' ? Buffer.from(file.page.subarray(0, file.size)) : undefined;
  }

  open(path: string, mode: 'create' | 'append' | 'read'): DiskFile {
    const [directory, name] = this.#place(path);
    let file = directory.entries.get(name);
    if (mode === 'create') {
      if (file !== undefined) throw new DiskError('EEXIST', `${path} exists`);
      file = { kind: 'file', page: Buffer.alloc(0), size: 0, durable: Buffer.alloc(0), changes: [] };
      step(directory, [[name, file]]);
    }
    if (file?.kind !== 'file') throw new DiskError('ENOENT', `${path} is not there`);
    return this.#handle(path, file, mode !== 'read');
  }

  rename(from: string, to: string): void {
    const [fromDirectory, fromName] = this.#place(from);
    const [toDirectory, toName] = this.#place(to);
    const node = fromDirectory.entries.get(fromName);
    if (node === undefined) throw new DiskError('ENOENT', `${from} is not there`);
    assert(fromDirectory === toDirectory, 'files are renamed within their directory');
    step(toDirectory, [
      [fromName, undefined],
      [toName, node],
    ]);
  }

  removeFile(path: string): void {
    const [directory, name] = this.#place(path);
    if (directory.entries.get(name)?.kind === 'file') step(directory, [[name, undefined]]);
  }

  removeDirectory(path: string): void {
    const [directory, name] = this.#place(path);
    if (directory.entries.has(name)) step(directory, [[name, undefined]]);
  }

  syncDirectory(path: string): void {
    const directory = this.#node(parts(path));
    if (directory?.kind !== 'directory') throw new DiskError('ENOENT', `${path} is not a directory`);
    this.#throwSyncFault(path);
    directory.durable = new Map(directory.entries);
    directory.steps = [];
  }

  /** The power goes: of what was not synced a random part is left. Open files are gone, and so are callbacks. */
  crash(): void {
    this.kill();
    // Often all or nothing is left, which finds other bugs than a mixture does.
    const mode = this.#random.unit();
    this.#crashDirectory(this.#root, mode < 0.2 ? 0 : mode < 0.4 ? 1 : this.#random.unit());
  }

  /** The process dies: the system keeps what was written. Open files are gone, and so are callbacks. */
  kill(): void {
    this.#boot += 1;
    this.#waiting = [];
    this.clearFaults();
  }

  /** Takes back faults that were asked for and have not come yet. */
  clearFaults(): void {
    this.#syncFault = undefined;
    this.#appendFault = undefined;
    this.#readFault = undefined;
  }

  get pendingSyncs(): number {
    return this.#waiting.filter(({ kind }) => kind === 'sync').length;
  }

  get pendingReads(): number {
    return this.#waiting.length - this.pendingSyncs;
  }

  /** Completes syncs in the order in which they were asked for. */
  completeSyncs(count = Number.POSITIVE_INFINITY): void {
    this.#complete('sync', count);
  }

  completeReads(count = Number.POSITIVE_INFINITY): void {
    this.#complete('read', count);
  }

  /** Completes all that is under way, and what comes of it, until nothing is left. */
  settle(): void {
    while (this.#waiting.length > 0) this.#waiting.shift()?.complete();
  }

  /** The next sync fails and, as on Linux, drops what it was to write: a later one would report success. */
  failNextSync(code = 'EIO'): void {
    this.#syncFault = code;
  }

  /** The next append writes only its first bytes and fails. */
  failNextAppend(code = 'EIO', keptBytes = 0): void {
    this.#appendFault = { code, keptBytes };
  }

  failNextRead(code = 'EIO'): void {
    this.#readFault = code;
  }

  /** Bit rot: one bit changes, in what is read now and after a crash. */
  flipBit(path: string, byte: number, bit = 0): void {
    const file = this.#node(parts(path));
    assert(file?.kind === 'file' && byte < file.size, `${path} has no byte ${byte}`);
    file.page[byte] = file.page[byte]! ^ (1 << bit);
    if (byte < file.durable.length) file.durable[byte] = file.durable[byte]! ^ (1 << bit);
  }

  #handle(path: string, file: FileNode, writable: boolean): DiskFile {
    const boot = this.#boot;
    let closed = false;
    const check = (): void => {
      assert(!closed, `${path} was closed`);
      if (boot !== this.#boot) throw new DiskError('EBADF', `${path} was open in a process that is gone`);
    };
    const checkWritable = (): void => {
      check();
      if (!writable) throw new DiskError('EBADF', `${path} is open for reading`);
    };
    return {
      get size() {
        return file.size;
      },
      append: (buffers) => {
        checkWritable();
        this.#append(path, file, Buffer.concat(buffers));
      },
      sync: (done) => {
        check();
        const upTo = this.#changeNumber;
        this.#wait('sync', () => {
          const code = this.#takeSyncFault();
          this.#settleChanges(file, upTo, code === undefined ? 1 : this.#random.unit());
          done(code === undefined ? undefined : new DiskError(code, `sync of ${path} failed`));
        });
      },
      syncNow: () => {
        check();
        const failing = this.#syncFault !== undefined;
        this.#settleChanges(file, this.#changeNumber, failing ? this.#random.unit() : 1);
        this.#throwSyncFault(path);
      },
      read: (target, position, done) => {
        check();
        this.#wait('read', () => {
          const code = this.#takeReadFault();
          if (code !== undefined) return done(new DiskError(code, `read of ${path} failed`), 0);
          done(undefined, copyInto(target, file, position));
        });
      },
      readNow: (target, position) => {
        check();
        const code = this.#takeReadFault();
        if (code !== undefined) throw new DiskError(code, `read of ${path} failed`);
        return copyInto(target, file, position);
      },
      truncate: (size) => {
        checkWritable();
        assert(size <= file.size, `${path} is truncated, not extended`);
        file.page.fill(0, size, file.size);
        file.size = size;
        file.changes.push({ number: ++this.#changeNumber, kind: 'truncate', size });
      },
      close: () => {
        closed = true;
      },
    };
  }

  #append(path: string, file: FileNode, bytes: Buffer): void {
    const fault = this.#appendFault;
    this.#appendFault = undefined;
    const room = Number.isFinite(this.capacityBytes) ? this.capacityBytes - usedBytes(this.#root) : bytes.length;
    const taken = Math.max(0, Math.min(bytes.length, room, fault?.keptBytes ?? bytes.length));
    if (taken > 0) {
      const written = bytes.subarray(0, taken);
      file.page = withBytes(file.page, file.size, written);
      file.changes.push({ number: ++this.#changeNumber, kind: 'write', at: file.size, bytes: written });
      file.size += taken;
    }
    if (fault !== undefined) throw new DiskError(fault.code, `append to ${path} failed`);
    if (taken < bytes.length) throw new DiskError('ENOSPC', `no space for ${path}`);
  }

  /** Takes a file's changes up to a number off the list, and puts each block of them on the disk with a likelihood. */
  #settleChanges(file: FileNode, upTo: number, likelihood: number): void {
    const settled = file.changes.filter(({ number }) => number <= upTo);
    file.changes = file.changes.filter(({ number }) => number > upTo);
    for (const change of settled) {
      if (change.kind === 'truncate') {
        // What came after a truncation that was lost is lost as well: file systems keep that order.
        if (likelihood < 1 && this.#random.unit() >= likelihood) break;
        if (change.size < file.durable.length) file.durable = Buffer.from(file.durable.subarray(0, change.size));
        continue;
      }
      for (let from = 0; from < change.bytes.length;) {
        const position = change.at + from;
        const to = Math.min(change.bytes.length, from + this.#blockBytes - (position % this.#blockBytes));
        if (likelihood === 1 || this.#random.unit() < likelihood) {
          file.durable = exactly(file.durable, position, change.bytes.subarray(from, to));
        }
        from = to;
      }
    }
  }

  #crashDirectory(directory: DirectoryNode, likelihood: number): void {
    // Steps of a directory reach the disk in order (a journal), so that a prefix of them is left.
    for (const changes of directory.steps) {
      if (this.#random.unit() >= likelihood) break;
      for (const [name, node] of changes) setEntry(directory.durable, name, node);
    }
    directory.steps = [];
    directory.entries = new Map(directory.durable);
    for (const node of directory.entries.values()) {
      if (node.kind === 'directory') this.#crashDirectory(node, likelihood);
      else this.#crashFile(node, likelihood);
    }
  }

  #crashFile(file: FileNode, likelihood: number): void {
    const size = file.size;
    const changed = file.changes.length > 0;
    this.#settleChanges(file, Number.POSITIVE_INFINITY, likelihood);
    // The new length may be there without the data: the rest reads as zeros.
    if (changed && size > file.durable.length && this.#random.unit() < likelihood / 2) {
      file.durable = exactly(file.durable, size, Buffer.alloc(0));
    }
    file.page = Buffer.from(file.durable);
    file.size = file.page.length;
  }

  #wait(kind: Waiting['kind'], complete: () => void): void {
    const waiting = { kind, complete };
    this.#waiting.push(waiting);
    if (!this.#automatic) return;
    queueMicrotask(() => {
      const index = this.#waiting.indexOf(waiting);
      if (this.stalled || index < 0) return;
      this.#waiting.splice(index, 1);
      complete();
    });
  }

  #complete(kind: Waiting['kind'], count: number): void {
    for (let done = 0; done < count; done++) {
      const index = this.#waiting.findIndex((waiting) => waiting.kind === kind);
      if (index < 0) return;
      this.#waiting.splice(index, 1)[0]?.complete();
    }
  }

  #throwSyncFault(path: string): void {
    const code = this.#takeSyncFault();
    if (code !== undefined) throw new DiskError(code, `sync of ${path} failed`);
  }

  #takeSyncFault(): string | undefined {
    const code = this.#syncFault;
    this.#syncFault = undefined;
    return code;
  }

  #takeReadFault(): string | undefined {
    const code = this.#readFault;
    this.#readFault = undefined;
    return code;
  }

  #node(names: readonly string[]): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of names) node = node?.kind === 'directory' ? node.entries.get(name) : undefined;
    return node;
  }

  #place(path: string): [DirectoryNode, string] {
    const names = parts(path);
    const name = names.pop();
    const directory = this.#node(names);
    if (name === undefined || directory?.kind !== 'directory') {
      throw new DiskError('ENOENT', `the directory of ${path} is not there`);
    }
    return [directory, name];
  }
}

function newDirectory(): DirectoryNode {
  return { kind: 'directory', entries: new Map(), durable: new Map(), steps: [] };
}

function parts(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function step(directory: DirectoryNode, changes: Step): void {
  for (const [name, node] of changes) setEntry(directory.entries, name, node);
  directory.steps.push(changes);
}

function setEntry(entries: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) entries.delete(name);
  else entries.set(name, node);
}

function copyInto(target: Uint8Array, file: FileNode, position: number): number {
  const bytes = file.page.subarray(Math.min(position, file.size), Math.min(position + target.length, file.size));
  target.set(bytes);
  return bytes.length;
}

/** The buffer with bytes put in, grown ahead so that many small appends stay cheap. */
function withBytes(buffer: Buffer, at: number, bytes: Uint8Array): Buffer {
  const grown = at + bytes.length <= buffer.length ? buffer : Buffer.alloc(2 * (at + bytes.length));
  if (grown !== buffer) grown.set(buffer);
  grown.set(bytes, at);
  return grown;
}

/** The buffer with bytes put in, as long as it has to be; a gap is zeros. */
function exactly(buffer: Buffer, at: number, bytes: Uint8Array): Buffer {
  const grown = at + bytes.length <= buffer.length ? buffer : Buffer.alloc(at + bytes.length);
  if (grown !== buffer) grown.set(buffer);
  grown.set(bytes, at);
  return grown;
}

function usedBytes(directory: DirectoryNode): number {
  let bytes = 0;
  for (const node of directory.entries.values()) bytes += node.kind === 'file' ? node.size : usedBytes(node);
  return bytes;
}
