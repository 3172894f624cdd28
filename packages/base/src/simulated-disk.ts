import { assert } from './assert.ts';
import { DiskError, type Disk, type DiskFile, type DiskSpace, type OpenMode } from './disk.ts';
import type { Random } from './random.ts';
import { SimulatedDirectory, type SimulatedNode } from './simulated-directory.ts';
import { SimulatedFile } from './simulated-file.ts';
import { PowerCut } from './power-cut.ts';
import type { Mutation } from './power-cut.ts';

interface Waiting {
  readonly kind: 'sync' | 'read';
  readonly complete: () => void;
}

/** How a simulated disk behaves. */
export interface SimulatedDiskOptions {
  /** A write is torn at multiples of this. */
  readonly blockBytes?: number;
  /**
   * `manual`: syncs and reads complete when the test says so; `auto`: in the next microtask, unless stalled; a function: when
   * it calls back.
   */
  readonly completion?: 'manual' | 'auto' | ((complete: () => void) => void);
}

/**
 * A disk in memory that treats data as badly as a real one may. Written bytes are durable only after a sync of the
 * file, names only after a sync of their directory; `crash` keeps a random part of everything else, torn at block
 * boundaries, and loses the callbacks that were under way.
 */
export class SimulatedDisk implements Disk {
  readonly #random: Random;
  readonly #blockBytes: number;
  readonly #completion: NonNullable<SimulatedDiskOptions['completion']>;
  readonly #root = new SimulatedDirectory();
  #boot = 0;
  #waiting: Waiting[] = [];
  #openFiles = 0;
  #mutations = 0;
  /** Bytes in all files; undefined: to be counted again. */
  #usedBytes: number | undefined;
  /** The number of the mutation in which the power goes. */
  #fatalMutation = Number.POSITIVE_INFINITY;
  #powerCut: PowerCut | undefined;
  #syncFault: string | undefined;
  #appendFault: { readonly code: string; readonly keptBytes: number } | undefined;
  #readFault: string | undefined;

  /** Bytes that all files together may have; an append past it writes what fits and fails with ENOSPC. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Files that may be open at a time; a further `open` fails with EMFILE. */
  maxOpenFiles = Number.POSITIVE_INFINITY;
  /** While true nothing completes by itself. `settle` completes what was held back. */
  stalled = false;
  /** The power went in the middle of a mutation. Called before it throws: whoever uses the disk is gone from here on. */
  onPowerCut: (cut: PowerCut) => void = () => {};

  constructor(random: Random, options: SimulatedDiskOptions = {}) {
    this.#random = random;
    this.#blockBytes = options.blockBytes ?? 512;
    this.#completion = options.completion ?? 'manual';
  }

  makeDirectory(path: string): void {
    this.#checkPower();
    let directory = this.#root;
    for (const name of parts(path)) {
      let next = directory.entries.get(name);
      if (next === undefined) {
        const parent = directory;
        const made = new SimulatedDirectory();
        this.#mutateWhole('makeDirectory', path, () => parent.change([[name, made]]));
        next = made;
      }
      if (next.kind !== 'directory') throw new DiskError('ENOTDIR', `${path} is not a directory`);
      directory = next;
    }
  }

  list(path: string): string[] | undefined {
    this.#checkPower();
    const directory = this.#node(parts(path));
    return directory?.kind === 'directory' ? [...directory.entries.keys()] : undefined;
  }

  readFile(path: string): Buffer | undefined {
    this.#checkPower();
    const file = this.#node(parts(path));
    if (file?.kind !== 'file') return undefined;
    file.checkFound(path);
    return Buffer.from(file.contents);
  }

  open(path: string, mode: OpenMode): DiskFile {
    const [directory, name] = this.#place(path);
    if (this.#openFiles >= this.maxOpenFiles) throw new DiskError('EMFILE', `too many open files to open ${path}`);
    const found = directory.entries.get(name);
    if (mode !== 'create') {
      if (found?.kind !== 'file') throw new DiskError('ENOENT', `${path} is not there`);
      found.checkFound(path);
      return this.#handle(path, found, mode);
    }
    if (found !== undefined) throw new DiskError('EEXIST', `${path} exists`);
    const file = new SimulatedFile(this.#random, this.#blockBytes);
    this.#mutateWhole('create', path, () => directory.change([[name, file]]));
    return this.#handle(path, file, mode);
  }

  rename(from: string, to: string): void {
    const [fromDirectory, fromName] = this.#place(from);
    const [toDirectory, toName] = this.#place(to);
    const node = fromDirectory.entries.get(fromName);
    if (node === undefined) throw new DiskError('ENOENT', `${from} is not there`);
    assert(fromDirectory === toDirectory, 'files are renamed within their directory');
    this.#mutateWhole('rename', from, () =>
      toDirectory.change([
        [fromName, undefined],
        [toName, node],
      ]),
    );
  }

  removeFile(path: string): void {
    const [directory, name] = this.#place(path);
    if (directory.entries.get(name)?.kind === 'file') this.#remove(directory, name, path);
  }

  removeDirectory(path: string): void {
    const [directory, name] = this.#place(path);
    const node = directory.entries.get(name);
    // One name after another, as the system does it: a crash may leave a part of them.
    if (node?.kind === 'directory') {
      for (const [inner, { kind }] of node.entries) {
        if (kind === 'directory') this.removeDirectory(`${path}/${inner}`);
        else this.#remove(node, inner, `${path}/${inner}`);
      }
    }
    if (node !== undefined) this.#remove(directory, name, path);
  }

  syncDirectory(path: string): void {
    this.#checkPower();
    const directory = this.#node(parts(path));
    if (directory?.kind !== 'directory') throw new DiskError('ENOENT', `${path} is not a directory`);
    this.#mutateWhole('syncDirectory', path, () => {
      this.#throwSyncFault(path);
      directory.sync();
    });
  }

  space(): DiskSpace {
    this.#checkPower();
    const totalBytes = Math.min(this.capacityBytes, ENDLESS_BYTES);
    return { freeBytes: Math.max(0, totalBytes - this.#used()), totalBytes };
  }

  /**
   * The power goes: of what was not synced a random part is left, with names in the order in which they changed or in
   * none. Open files are gone, and so are callbacks.
   */
  crash(): void {
    this.kill();
    // Often all or nothing is left, which finds other bugs than a mixture does.
    const mode = this.#random.unit();
    const likelihood = mode < 0.2 ? 0 : mode < 0.4 ? 1 : this.#random.unit();
    this.#root.crash(this.#random, likelihood, this.#random.unit() < 0.5 ? 'ordered' : 'unordered');
  }

  /** The process dies: the system keeps what was written. Open files are gone, and so are callbacks. */
  kill(): void {
    this.#boot += 1;
    this.#usedBytes = undefined;
    this.#waiting = [];
    this.#openFiles = 0;
    this.#fatalMutation = Number.POSITIVE_INFINITY;
    this.#powerCut = undefined;
    this.clearFaults();
  }

  /**
   * The power goes in the middle of the mutation that follows so many further ones: it has happened in part, wholly or
   * not at all, and throws a PowerCut, as does everything after it until `crash` or `kill`. Only a file that is closed
   * stays quiet, so that what stands in a `finally` does not hide the cut.
   */
  crashAfter(mutations: number): void {
    this.#fatalMutation = this.#mutations + mutations + 1;
  }

  /** The same between two operations: from now on everything throws. */
  cutPower(): void {
    this.#powerCut ??= new PowerCut(undefined, '');
    this.#waiting = [];
  }

  /** Operations that have changed the disk, or begun to: what `crashAfter` counts. */
  get mutations(): number {
    return this.#mutations;
  }

  /** Set from the power cut that was asked for until `crash` or `kill`. */
  get powerCut(): PowerCut | undefined {
    return this.#powerCut;
  }

  /** Files that are open, those among them that were closed while a sync or read of theirs is under way. */
  get openFiles(): number {
    return this.#openFiles;
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

  /** The next append or write in place writes only its first bytes and fails. */
  failNextAppend(code = 'EIO', keptBytes = 0): void {
    this.#appendFault = { code, keptBytes };
  }

  failNextRead(code = 'EIO'): void {
    this.#readFault = code;
  }

  /**
   * What a process would read of a file, whatever faults there are, as a view that is good until the next change; undefined
   * without one. For checks.
   */
  contentsOf(path: string): Buffer | undefined {
    const file = this.#node(parts(path));
    return file?.kind === 'file' ? file.contents : undefined;
  }

  /** The same of what is left of a file at the top when the power goes, if nothing is left that was not synced. */
  durableContentsOf(name: string): Buffer | undefined {
    const file = this.#root.durableEntries.get(name);
    return file?.kind === 'file' ? file.durableContents : undefined;
  }

  /** The names in a directory, whatever faults there are; empty without one. For checks. */
  namesIn(path: string): string[] {
    const directory = this.#node(parts(path));
    return directory?.kind === 'directory' ? [...directory.entries.keys()] : [];
  }

  /** Bit rot: one bit changes, in what is read now and after a crash. */
  flipBit(path: string, byte: number, bit = 0): void {
    const file = this.#node(parts(path));
    assert(file?.kind === 'file' && byte < file.size, `${path} has no byte ${byte}`);
    file.corrupt(byte, Buffer.from([file.contents[byte]! ^ (1 << bit)]));
  }

  /** A file cannot be opened any more, whatever it is called, and can be removed. Who has it open goes on. */
  loseFile(path: string): void {
    const file = this.#node(parts(path));
    assert(file?.kind === 'file', `${path} is no file`);
    file.lose();
  }

  /** Rot of a whole stretch, as of a block that was lost or was overwritten with another's: zeros or garbage. */
  rot(path: string, from: number, to: number): void {
    const file = this.#node(parts(path));
    assert(file?.kind === 'file' && from <= to && to <= file.size, `${path} has no bytes ${from} to ${to}`);
    file.corrupt(from, this.#random.unit() < 0.5 ? new Uint8Array(to - from) : this.#random.bytes(to - from));
  }

  #handle(path: string, file: SimulatedFile, mode: OpenMode): DiskFile {
    const boot = this.#boot;
    let closed = false;
    let underWay = 0;
    this.#openFiles += 1;
    const check = (...modes: readonly OpenMode[]): void => {
      assert(!closed, `${path} was closed`);
      this.#checkPower();
      if (boot !== this.#boot) throw new DiskError('EBADF', `${path} was open in a process that is gone`);
      if (modes.length > 0 && !modes.includes(mode)) throw new DiskError('EBADF', `${path} is open for "${mode}"`);
    };
    const wait = (kind: Waiting['kind'], complete: () => void): void => {
      underWay += 1;
      this.#wait(kind, () => {
        underWay -= 1;
        if (closed && underWay === 0) this.#openFiles -= 1;
        complete();
      });
    };
    return {
      get size() {
        return file.size;
      },
      append: (buffers) => {
        check('create', 'append');
        this.#write('append', path, file, { at: file.size, bytes: Buffer.concat(buffers) });
      },
      writeAt: (position, bytes) => {
        check('update');
        this.#write('writeAt', path, file, { at: position, bytes: Buffer.from(bytes) });
      },
      sync: (done) => {
        check();
        const { mark } = file;
        this.#mutateWhole('sync', path, () =>
          wait('sync', () => {
            const code = this.#takeSyncFault();
            if (code === undefined) file.sync(mark);
            else file.drop(mark);
            done(code === undefined ? undefined : new DiskError(code, `sync of ${path} failed`, { duringSync: true }));
          }),
        );
      },
      syncNow: () => {
        check();
        this.#mutateWhole('sync', path, () => {
          if (this.#syncFault === undefined) file.sync(file.mark);
          else file.drop(file.mark);
          this.#throwSyncFault(path);
        });
      },
      read: (target, position, done) => {
        check();
        wait('read', () => {
          const code = this.#takeReadFault();
          if (code !== undefined) return done(new DiskError(code, `read of ${path} failed`), 0);
          done(undefined, file.copyInto(target, position));
        });
      },
      readNow: (target, position) => {
        check();
        const code = this.#takeReadFault();
        if (code !== undefined) throw new DiskError(code, `read of ${path} failed`);
        return file.copyInto(target, position);
      },
      truncate: (size) => {
        check('create', 'append', 'update');
        assert(size <= file.size, `${path} is truncated, not extended`);
        this.#mutateWhole('truncate', path, () => file.truncate(size));
      },
      close: () => {
        if (!closed && boot === this.#boot && underWay === 0) this.#openFiles -= 1;
        closed = true;
      },
    };
  }

  /** Writes as much as there is room for, no fault forbids, and the power lasts. */
  #write(
    mutation: 'append' | 'writeAt',
    path: string,
    file: SimulatedFile,
    { at, bytes }: { readonly at: number; readonly bytes: Uint8Array },
  ): void {
    this.#mutate(mutation, path, (part) => {
      const fault = this.#appendFault;
      this.#appendFault = undefined;
      // Writing over what is there needs no room.
      const room = file.size - at + this.capacityBytes - (this.capacityBytes === Infinity ? 0 : this.#used());
      const powered = Math.floor(part * bytes.length);
      const taken = Math.max(0, Math.min(powered, room, fault?.keptBytes ?? Infinity));
      const sizeBefore = file.size;
      file.write(at, bytes.subarray(0, taken));
      if (this.#usedBytes !== undefined) this.#usedBytes += file.size - sizeBefore;
      if (fault !== undefined) throw new DiskError(fault.code, `${mutation} to ${path} failed`);
      if (room < bytes.length) throw new DiskError('ENOSPC', `no space for ${path}`);
    });
  }

  #used(): number {
    this.#usedBytes ??= this.#root.usedBytes;
    return this.#usedBytes;
  }

  #remove(directory: SimulatedDirectory, name: string, path: string): void {
    this.#mutateWhole('remove', path, () => directory.change([[name, undefined]]));
  }

  /** Does what happens whole or not at all, even when the power goes in it. */
  #mutateWhole(mutation: Mutation, path: string, act: () => void): void {
    this.#mutate(mutation, path, (part) => {
      if (part >= 0.5) act();
    });
  }

  /**
   * Does what changes the disk.
   *
   * @param act given how much of it comes to happen before the power goes: 1, or less when it goes in the middle
   */
  #mutate(mutation: Mutation, path: string, act: (part: number) => void): void {
    this.#checkPower();
    this.#mutations += 1;
    if (mutation === 'truncate' || mutation === 'remove' || mutation === 'rename') this.#usedBytes = undefined;
    if (this.#mutations < this.#fatalMutation) return act(1);
    this.clearFaults();
    this.#waiting = [];
    this.#powerCut = new PowerCut(mutation, path);
    try {
      act(this.#random.unit());
    } catch (error) {
      // A full disk: there is nobody left to hear of it.
      if (!(error instanceof DiskError)) throw error;
    }
    this.onPowerCut(this.#powerCut);
    throw this.#powerCut;
  }

  #checkPower(): void {
    if (this.#powerCut !== undefined) throw new PowerCut(this.#powerCut.mutation, this.#powerCut.path);
  }

  #wait(kind: Waiting['kind'], complete: () => void): void {
    const waiting = { kind, complete };
    this.#waiting.push(waiting);
    if (this.#completion === 'manual') return;
    const due = (): void => {
      const index = this.#waiting.indexOf(waiting);
      if (this.stalled || index < 0) return;
      this.#waiting.splice(index, 1);
      complete();
    };
    if (this.#completion === 'auto') queueMicrotask(due);
    else this.#completion(due);
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
    if (code !== undefined) throw new DiskError(code, `sync of ${path} failed`, { duringSync: true });
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

  #node(names: readonly string[]): SimulatedNode | undefined {
    let node: SimulatedNode | undefined = this.#root;
    for (const name of names) node = node?.kind === 'directory' ? node.entries.get(name) : undefined;
    return node;
  }

  #place(path: string): [SimulatedDirectory, string] {
    this.#checkPower();
    const names = parts(path);
    const name = names.pop();
    const directory = this.#node(names);
    if (name === undefined || directory?.kind !== 'directory') {
      throw new DiskError('ENOENT', `the directory of ${path} is not there`);
    }
    return [directory, name];
  }
}

/** The size of a disk without a limit. */
const ENDLESS_BYTES = 2 ** 50;

function parts(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
