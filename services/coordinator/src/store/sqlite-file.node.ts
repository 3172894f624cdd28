import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '@weir/base/errors.ts';
import { makeDirectory } from '@weir/runtime/make-directory.ts';

/** Version of the tables below. 2 added leases; a file of version 1 is brought up to it when it is opened. */
const FORMAT_VERSION = 2;
/** "WEIR": tells our database from another program's. */
const APPLICATION_ID = 0x57454952;
/** SQLite's primary result codes. */
export const SQLITE_BUSY = 5;
export const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
const SQLITE_CORRUPT = 11;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS kv (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    lease INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS kv_lease ON kv (lease) WHERE lease != 0;
  CREATE TABLE IF NOT EXISTS leases (id INTEGER PRIMARY KEY, ttl_ms INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO meta VALUES ('format', ${FORMAT_VERSION}), ('revision', 0), ('lease', 0);
`;

/** What has to happen to a file of a version before SCHEMA, by that version. */
const UPGRADES: Readonly<Record<number, string>> = {
  1: `ALTER TABLE kv ADD COLUMN lease INTEGER NOT NULL DEFAULT 0; UPDATE meta SET value = 2 WHERE name = 'format'`,
};

/**
 * Opens a database, and makes it, with its directory, when there is none. The file stays locked until it is closed or
 * the process ends.
 *
 * @throws Error that names the file when another process has it, or when something else or something newer wrote it
 */
export function openDatabase(path: string): DatabaseSync {
  const directory = dirname(path);
  makeDirectory(directory);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // The locking mode comes first: in WAL mode it is taken with the first access, and then kept.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec('BEGIN EXCLUSIVE');
    upgrade(database, path);
    database.exec(SCHEMA);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; COMMIT`);
    syncDirectory(directory);
    return database;
  } catch (error) {
    database?.close();
    throw new Error(openProblem(error, path), { cause: error });
  }
}

/** Sees that the file is ours, and brings it up to today's format. */
function upgrade(database: DatabaseSync, path: string): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  if (tables.length === 0) return;
  const { application_id: owner } = database.prepare('PRAGMA application_id').get() as { application_id: number };
  if (owner !== APPLICATION_ID) throw new Error(`${path} is a SQLite database of another program`);
  const row = database.prepare("SELECT value FROM meta WHERE name = 'format'").get() as { value: number } | undefined;
  const format = row?.value ?? 0;
  if (format === FORMAT_VERSION) return;
  const statements = UPGRADES[format];
  if (statements === undefined) {
    throw new Error(
      `${path} has format version ${format}, and this Weir knows ${FORMAT_VERSION}: run the Weir that wrote it, or a newer one`,
    );
  }
  database.exec(statements);
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
export function primaryCode(error: unknown): number | undefined {
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
