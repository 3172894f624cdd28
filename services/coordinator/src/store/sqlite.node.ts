import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { messageOf } from '@weir/base/errors.ts';
import { leaseId, revision } from '@weir/base/ids.ts';
import type { LeaseId, Revision } from '@weir/base/ids.ts';
import type { Clock } from '@weir/base/clock.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { Leases } from './leases.ts';
import {
  checkKey,
  checkRange,
  checkTxn,
  CompactedError,
  LeaseGoneError,
  leaseTtl,
  StoreFault,
} from './metadata-store.ts';
import type {
  Compare,
  KeyValue,
  Lease,
  MetadataStore,
  Operation,
  RangePage,
  RangeRequest,
  Revised,
  TxnRequest,
  TxnResult,
  Watch,
  WatchEvent,
  WatchHandlers,
  WatchRequest,
} from './metadata-store.ts';
import { openDatabase, primaryCode, SQLITE_BUSY, SQLITE_FULL } from './sqlite-file.node.ts';
import { WatchHub } from './watch-hub.ts';

/**
 * Opens the store in one SQLite file, which it makes, with its directory, when there is none. The file stays locked
 * until it is closed or the process ends. Leases are in the file and their ends are not: each lives its whole time again
 * from now on. Watches go back to now, and to what changed since as far as it is kept.
 *
 * @throws Error that names the file when another process has it, or when something else or something newer wrote it
 */
export function openSqliteStore(path: string, clock: Clock = machineClock): MetadataStore {
  return new SqliteStore(openDatabase(path), { path, clock });
}

class SqliteStore implements MetadataStore {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #statements: Statements;
  readonly #leases: Leases;
  readonly #hub: WatchHub;
  #waiting: Work[] = [];
  #closed = false;

  constructor(database: DatabaseSync, { path, clock }: { readonly path: string; readonly clock: Clock }) {
    this.#database = database;
    this.#path = path;
    this.#statements = prepare(database);
    this.#hub = new WatchHub(this.#readRevision());
    this.#leases = new Leases(clock, (id) => this.#leaseIsOver(id));
    for (const row of database.prepare('SELECT id, ttl_ms FROM leases').all()) {
      this.#leases.begin(leaseId(row['id'] as number), row['ttl_ms'] as number);
    }
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    checkTxn(request);
    return this.#write(() => this.#apply(request));
  }

  range(request: RangeRequest): Promise<RangePage> {
    return new Promise((resolve) => {
      const { limit } = checkRange(request);
      this.#assertOpen();
      const { prefix, after, at } = request;
      const current = this.#run(() => this.#readRevision());
      if (at !== undefined && at !== current) throw new CompactedError(`revision ${at} is not kept`);
      const rows = this.#run(() =>
        this.#statements.range.all(after ?? '', prefix, prefixEnd(prefix), limit + 1),
      ) as unknown as Row[];
      resolve({ items: rows.slice(0, limit).map(keyValueOf), more: rows.length > limit, revision: current });
    });
  }

  watch(request: WatchRequest, handlers: WatchHandlers): Watch {
    checkKey(request.prefix);
    this.#assertOpen();
    const watch = this.#hub.watch(request, handlers);
    setImmediate(() => this.#hub.deliver());
    return watch;
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const granted = leaseTtl(ttlMs);
    return this.#write(
      () => ({ result: { id: this.#insertLease(granted), ttlMs: granted } }),
      ({ id }) => this.#leases.begin(id, granted),
    );
  }

  keepLeaseAlive(id: LeaseId): Promise<boolean> {
    return new Promise((resolve) => {
      this.#assertOpen();
      resolve(this.#leases.keepAlive(id));
    });
  }

  revokeLease(id: LeaseId): Promise<void> {
    return this.#write(
      () => this.#removeLease(id),
      () => this.#leases.end(id),
    );
  }

  compact(before: Revision): Promise<void> {
    return new Promise((resolve) => {
      this.#assertOpen();
      this.#hub.compact(before);
      setImmediate(() => this.#hub.deliver());
      resolve();
    });
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#commitWaiting();
      this.#closed = true;
      this.#hub.close();
      this.#leases.close();
      this.#database.close();
    }
    return Promise.resolve();
  }

  /** Does work that writes, with all that comes in the same turn; `committed` is called as soon as it is durable. */
  #write<T>(work: () => Written<T>, committed: (result: T) => void = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      if (this.#waiting.length === 0) setImmediate(() => this.#commitWaiting());
      const run = (): Done => {
        const { result, revised } = work();
        const settle = (): void => {
          committed(result);
          resolve(result);
        };
        return { revised, settle };
      };
      this.#waiting.push({ run, reject });
    });
  }

  /** Group commit: the transactions of one turn of the loop share one sync. */
  #commitWaiting(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length === 0) return;
    let done: Done[];
    try {
      done = this.#run(() => {
        this.#database.exec('BEGIN IMMEDIATE');
        const results = group.map((work) => doneOrRefused(work));
        this.#database.exec('COMMIT');
        return results;
      });
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      for (const { reject } of group) reject(error as Error);
      return;
    }
    for (const { revised } of done) if (revised !== undefined) this.#hub.publish(revised);
    for (const { settle } of done) settle();
    this.#hub.deliver();
  }

  #apply(request: TxnRequest): Written<TxnResult> {
    const before = this.#readRevision();
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const operations = succeeded ? request.success : (request.failure ?? []);
    for (const operation of operations) this.#checkLease(operation);
    const at = revision(before + 1);
    const events: WatchEvent[] = [];
    const responses = operations.map((operation) => this.#operate(operation, { at, events }));
    const revised = this.#advance(at, events);
    return { result: { succeeded, revision: revised?.revision ?? before, responses }, revised };
  }

  #holds({ key, target, equals }: Compare): boolean {
    return (this.#get(key)?.[target] ?? 0) === equals;
  }

  #get(key: string): KeyValue | undefined {
    const row = this.#statements.get.get(key) as unknown as Row | undefined;
    return row === undefined ? undefined : keyValueOf(row);
  }

  #operate(
    operation: Operation,
    { at, events }: { readonly at: Revision; readonly events: WatchEvent[] },
  ): KeyValue | undefined {
    const { key } = operation;
    switch (operation.kind) {
      case 'get':
        return this.#get(key);
      case 'put': {
        const row = this.#statements.put.get(key, operation.value, at, at, Number(operation.lease ?? 0));
        events.push({ kind: 'put', item: keyValueOf(row as unknown as Row) });
        return undefined;
      }
      case 'delete':
        if (this.#statements.remove.run(key).changes > 0) events.push({ kind: 'delete', key });
        return undefined;
    }
  }

  /** A revision that changed nothing is none. */
  #advance(at: Revision, events: readonly WatchEvent[]): Revised | undefined {
    if (events.length === 0) return undefined;
    this.#statements.setRevision.run(at);
    return { revision: at, events };
  }

  #checkLease(operation: Operation): void {
    if (operation.kind !== 'put' || operation.lease === undefined) return;
    if (this.#statements.lease.get(Number(operation.lease)) !== undefined) return;
    throw new LeaseGoneError(`lease ${operation.lease} has ended`);
  }

  #insertLease(ttlMs: number): LeaseId {
    const { value } = this.#statements.nextLease.get() as unknown as { value: number };
    this.#statements.insertLease.run(value, ttlMs);
    return leaseId(value);
  }

  #removeLease(id: LeaseId): Written<void> {
    this.#statements.removeLease.run(Number(id));
    const rows = this.#statements.removeOfLease.all(Number(id)) as unknown as Pick<Row, 'key'>[];
    const keys = rows.map(({ key }) => key).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const at = revision(this.#readRevision() + 1);
    return {
      result: undefined,
      revised: this.#advance(
        at,
        keys.map((key) => ({ kind: 'delete', key })),
      ),
    };
  }

  #leaseIsOver(id: LeaseId): void {
    this.#write(
      () => {
        // It may have been kept alive since.
        if (!this.#leases.isOver(id)) return { result: false };
        return { result: true, revised: this.#removeLease(id).revised };
      },
      (ended) => ended && this.#leases.end(id),
    ).catch(() => {
      // The lease is still there, and comes again before long.
    });
  }

  #readRevision(): Revision {
    return revision((this.#statements.revision.get() as unknown as { value: number }).value);
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const code = primaryCode(error);
      throw new StoreFault(`the metadata store ${this.#path} failed: ${messageOf(error)}`, {
        cause: error,
        retriable: code === SQLITE_FULL || code === SQLITE_BUSY,
      });
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreFault(`the metadata store ${this.#path} is closed`, { retriable: false });
  }
}

/** What a piece of work has written, not yet durable. */
interface Written<T> {
  readonly result: T;
  readonly revised?: Revised | undefined;
}

/** A piece of work that waits for the turn's commit. */
interface Work {
  readonly run: () => Done;
  readonly reject: (error: Error) => void;
}

interface Done {
  readonly revised?: Revised | undefined;
  readonly settle: () => void;
}

/** A refusal is one's own and leaves the others of the group alone: it came before anything was written. */
function doneOrRefused({ run, reject }: Work): Done {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof LeaseGoneError)) throw error;
    return { settle: () => reject(error) };
  }
}

interface Row {
  readonly key: string;
  readonly value: string;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly version: number;
  readonly lease: number;
}

type Statements = Readonly<
  Record<
    | 'get'
    | 'put'
    | 'remove'
    | 'range'
    | 'revision'
    | 'setRevision'
    | 'lease'
    | 'nextLease'
    | 'insertLease'
    | 'removeLease'
    | 'removeOfLease',
    StatementSync
  >
>;

function prepare(database: DatabaseSync): Statements {
  return {
    get: database.prepare('SELECT * FROM kv WHERE key = ?'),
    put: database.prepare(
      `INSERT INTO kv VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (key) DO UPDATE
       SET value = excluded.value, mod_revision = excluded.mod_revision, version = version + 1, lease = excluded.lease
       RETURNING *`,
    ),
    remove: database.prepare('DELETE FROM kv WHERE key = ?'),
    range: database.prepare('SELECT * FROM kv WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?'),
    revision: database.prepare("SELECT value FROM meta WHERE name = 'revision'"),
    setRevision: database.prepare("UPDATE meta SET value = ? WHERE name = 'revision'"),
    lease: database.prepare('SELECT id FROM leases WHERE id = ?'),
    nextLease: database.prepare("UPDATE meta SET value = value + 1 WHERE name = 'lease' RETURNING value"),
    insertLease: database.prepare('INSERT INTO leases VALUES (?, ?)'),
    removeLease: database.prepare('DELETE FROM leases WHERE id = ?'),
    removeOfLease: database.prepare('DELETE FROM kv WHERE lease = ? AND lease != 0 RETURNING key'),
  };
}

function keyValueOf(row: Row): KeyValue {
  return {
    key: row.key,
    value: row.value,
    createRevision: revision(row.create_revision),
    modRevision: revision(row.mod_revision),
    version: row.version,
    ...(row.lease === 0 ? {} : { lease: leaseId(row.lease) }),
  };
}

/** The first string behind all that begin with the prefix. No key has a character above this one. */
function prefixEnd(prefix: string): string {
  return `${prefix}\u{10FFFF}`;
}
