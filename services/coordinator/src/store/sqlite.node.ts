import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { messageOf } from '@weir/base/errors.ts';
import { revision } from '@weir/base/ids.ts';
import { checkRange, checkTxn, StoreFault } from './metadata-store.ts';
import type {
  Compare,
  KeyValue,
  MetadataStore,
  Operation,
  RangePage,
  RangeRequest,
  TxnRequest,
  TxnResult,
} from './metadata-store.ts';
import { makeDirectory } from '@weir/runtime/make-directory.ts';

/** Version of the tables below. */
const FORMAT_VERSION = 1;
/** "WEIR": tells our database from another program's. */
const APPLICATION_ID = 0x57454952;
/** SQLite's primary result codes. */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
const SQLITE_CORRUPT = 11;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS kv (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT OR IGNORE INTO meta VALUES ('format', ${FORMAT_VERSION}), ('revision', 0);
`;

/**
 * Opens the store in one SQLite file, which it makes, with its directory, when there is none. The file stays locked
 * until it is closed or the process ends.
 *
 * @throws Error that names the file when another process has it, or when something else or something newer wrote it
 */
export function openSqliteStore(path: string): MetadataStore {
  const directory = dirname(path);
  makeDirectory(directory);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // The locking mode comes first: in WAL mode it is taken with the first access, and then kept.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec('BEGIN EXCLUSIVE');
    checkOwner(database, path);
    database.exec(SCHEMA);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; COMMIT`);
    syncDirectory(directory);
    return new SqliteStore(database, path);
  } catch (error) {
    database?.close();
    throw new Error(openProblem(error, path), { cause: error });
  }
}

class SqliteStore implements MetadataStore {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #statements: Statements;
  #waiting: Waiting[] = [];
  #closed = false;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
    this.#statements = prepare(database);
  }

  txn(request: TxnRequest): Promise<TxnResult> {
    return new Promise((resolve, reject) => {
      checkTxn(request);
      this.#assertOpen();
      if (this.#waiting.length === 0) setImmediate(() => this.#commitWaiting());
      this.#waiting.push({ request, resolve, reject });
    });
  }

  range(request: RangeRequest): Promise<RangePage> {
    return new Promise((resolve) => {
      const { limit } = checkRange(request);
      this.#assertOpen();
      const { prefix, after } = request;
      const rows = this.#run(() =>
        this.#statements.range.all(after ?? '', prefix, prefixEnd(prefix), limit + 1),
      ) as unknown as Row[];
      resolve({
        items: rows.slice(0, limit).map(keyValueOf),
        more: rows.length > limit,
        revision: revision(this.#run(() => this.#readRevision())),
      });
    });
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#commitWaiting();
      this.#closed = true;
      this.#database.close();
    }
    return Promise.resolve();
  }

  /** Group commit: the transactions of one turn of the loop share one sync. */
  #commitWaiting(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length === 0) return;
    let results: TxnResult[];
    try {
      results = this.#run(() => {
        this.#database.exec('BEGIN IMMEDIATE');
        const done = group.map(({ request }) => this.#apply(request));
        this.#database.exec('COMMIT');
        return done;
      });
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      for (const { reject } of group) reject(error as Error);
      return;
    }
    group.forEach(({ resolve }, i) => resolve(results[i]!));
  }

  #apply(request: TxnRequest): TxnResult {
    const before = this.#readRevision();
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const operations = succeeded ? request.success : (request.failure ?? []);
    const responses: (KeyValue | undefined)[] = [];
    let wrote = false;
    for (const operation of operations) {
      responses.push(operation.kind === 'get' ? this.#get(operation.key) : undefined);
      wrote = this.#write(operation, before + 1) || wrote;
    }
    if (wrote) this.#statements.setRevision.run(before + 1);
    return { succeeded, revision: revision(wrote ? before + 1 : before), responses };
  }

  #holds({ key, target, equals }: Compare): boolean {
    return (this.#get(key)?.[target] ?? 0) === equals;
  }

  #get(key: string): KeyValue | undefined {
    const row = this.#statements.get.get(key) as unknown as Row | undefined;
    return row === undefined ? undefined : keyValueOf(row);
  }

  #write(operation: Operation, at: number): boolean {
    switch (operation.kind) {
      case 'get':
        return false;
      case 'put':
        this.#statements.put.run(operation.key, operation.value, at, at);
        return true;
      case 'delete':
        return this.#statements.remove.run(operation.key).changes > 0;
    }
  }

  #readRevision(): number {
    return (this.#statements.revision.get() as unknown as { value: number }).value;
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

interface Waiting {
  readonly request: TxnRequest;
  readonly resolve: (result: TxnResult) => void;
  readonly reject: (error: Error) => void;
}

interface Row {
  readonly key: string;
  readonly value: string;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly version: number;
}

type Statements = Readonly<Record<'get' | 'put' | 'remove' | 'range' | 'revision' | 'setRevision', StatementSync>>;

function prepare(database: DatabaseSync): Statements {
  return {
    get: database.prepare('SELECT * FROM kv WHERE key = ?'),
    put: database.prepare(
      `INSERT INTO kv VALUES (?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE
       SET value = excluded.value, mod_revision = excluded.mod_revision, version = version + 1`,
    ),
    remove: database.prepare('DELETE FROM kv WHERE key = ?'),
    range: database.prepare('SELECT * FROM kv WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?'),
    revision: database.prepare("SELECT value FROM meta WHERE name = 'revision'"),
    setRevision: database.prepare("UPDATE meta SET value = ? WHERE name = 'revision'"),
  };
}

function keyValueOf(row: Row): KeyValue {
  return {
    key: row.key,
    value: row.value,
    createRevision: revision(row.create_revision),
    modRevision: revision(row.mod_revision),
    version: row.version,
  };
}

/** The first string behind all that begin with the prefix. No key has a character above this one. */
function prefixEnd(prefix: string): string {
  return `${prefix}\u{10FFFF}`;
}

function checkOwner(database: DatabaseSync, path: string): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  if (tables.length === 0) return;
  const { application_id: owner } = database.prepare('PRAGMA application_id').get() as { application_id: number };
  if (owner !== APPLICATION_ID) throw new Error(`${path} is a SQLite database of another program`);
  const row = database.prepare("SELECT value FROM meta WHERE name = 'format'").get() as { value: number } | undefined;
  const format = row?.value ?? 0;
  if (format !== FORMAT_VERSION) {
    throw new Error(
      `${path} has format version ${format}, and this Weir knows ${FORMAT_VERSION}: run the Weir that wrote it, or a newer one`,
    );
  }
}

function openProblem(error: unknown, path: string): string {
  switch (primaryCode(error)) {
    case SQLITE_BUSY:
      return `the metadata store ${path} is in use by another process: stop that one, or name another file (--store sqlite:PATH)`;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return `the metadata store ${path} is not a SQLite database, or it is damaged: restore it from a backup, or name another file`;
    case undefined:
      return messageOf(error);
    default:
      return `the metadata store ${path} cannot be opened: ${messageOf(error)}`;
  }
}

/** The low byte of SQLite's extended code; undefined for errors that are not SQLite's. */
function primaryCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** SQLite syncs its files, and not the directory entry of a database that is new. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
