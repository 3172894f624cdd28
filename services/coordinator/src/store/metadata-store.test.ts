import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execFileSync } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
import fc from 'fast-check';
import { revision } from '@weir/base/ids.ts';
import { LEASE_TTL_MS_MIN, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { describeLeases } from './testing/contract-lease.ts';
import { describeTransactions } from './testing/contract-txn.ts';
import { describeWatches } from './testing/contract-watch.ts';
import { MemoryStore } from './memory-store.ts';
import type { MetadataStore } from './metadata-store.ts';
import { openSqliteStore } from './sqlite.node.ts';
import { put, Recorder, write } from './testing/store-test-kit.ts';
import type { EngineUnderTest } from './testing/store-test-kit.ts';

const temporaryDirectory = (): string => mkdtempSync(join(tmpdir(), 'weir-test-'));

const opened: MetadataStore[] = [];

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});

/** etcd joins them in test/etcd. */
const ENGINES: readonly EngineUnderTest[] = [
  { name: 'sqlite', open: async () => openSqliteStore(join(temporaryDirectory(), 'metadata.db')) },
  { name: 'memory', open: async () => new MemoryStore({ clock: machineClock }) },
];

for (const engine of ENGINES) {
  describeTransactions(engine);
  describeWatches(engine);
  describeLeases(engine);
}

test('SQLite and memory answer every sequence of transactions alike', async () => {
  const key = fc.constantFrom('/a', '/b', '/c');
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), key, value: fc.string() }),
    fc.record({ kind: fc.constant('delete' as const), key }),
    fc.record({ kind: fc.constant('get' as const), key }),
  );
  const operations = fc.uniqueArray(operation, { maxLength: 3, selector: ({ key: name }) => name });
  const compare = fc.record({
    key,
    target: fc.constantFrom('version' as const, 'modRevision' as const, 'createRevision' as const),
    equals: fc.nat(4),
  });
  const txn = fc.record({ compare: fc.array(compare, { maxLength: 2 }), success: operations, failure: operations });
  await fc.assert(
    fc.asyncProperty(fc.array(txn, { maxLength: 12 }), async (txns) => {
      const sqlite = openSqliteStore(':memory:');
      const memory = new MemoryStore();
      for (const request of txns) expect(await sqlite.txn(request)).toEqual(await memory.txn(request));
      expect(await sqlite.range({ prefix: '/' })).toEqual(await memory.range({ prefix: '/' }));
      await sqlite.close();
    }),
    { numRuns: 60 },
  );
});

test('what was written is there after the store was closed and opened again, and leases live their whole time again', async () => {
  const path = join(temporaryDirectory(), 'new', 'metadata.db');
  const before = openSqliteStore(path);
  const lease = await before.grantLease(LEASE_TTL_MS_MIN);
  const ended = await before.grantLease(LEASE_TTL_MS_MIN);
  await write(before, put('/a', '1'), put('/b', '1', lease.id));
  await before.revokeLease(ended.id);
  await before.close();
  const clock = new ManualClock();
  const after = openSqliteStore(path, clock);
  opened.push(after);
  expect(await after.range({ prefix: '/' })).toMatchObject({ items: [{ key: '/a', value: '1' }, {}], revision: 1 });
  expect(await after.keepLeaseAlive(ended.id)).toBe(false);
  expect((await after.grantLease(LEASE_TTL_MS_MIN)).id).not.toBe(ended.id);
  const old = new Recorder(after, { prefix: '/', after: revision(0) });
  const recorder = new Recorder(after, { prefix: '/', after: revision(1) });
  await clock.advance(LEASE_TTL_MS_MIN - 1);
  await old.until(({ lost }) => lost !== undefined);
  expect(old.lost).toEqual({ kind: 'compacted' });
  expect(recorder.told).toEqual([]);
  await clock.advance(1);
  await recorder.untilRevision(revision(2));
  expect(recorder.short).toEqual([[2, '-/b']]);
});

test('a lease that is kept alive while its end is being written lives on', async () => {
  let nowMs = 0;
  const timers: (() => void)[] = [];
  const after = (_delayMs: number, callback: () => void): (() => void) => {
    timers.push(callback);
    return () => {};
  };
  const store = openSqliteStore(':memory:', { ...machineClock, monotonicMs: () => nowMs, after });
  opened.push(store);
  const { id, ttlMs } = await store.grantLease(LEASE_TTL_MS_MIN);
  await write(store, put('/a', '1', id));
  const passUntil = (untilMs: number): void => {
    nowMs = untilMs;
    for (const timer of timers.splice(0)) timer();
  };
  passUntil(ttlMs);
  expect(await store.keepLeaseAlive(id)).toBe(true);
  await write(store, put('/b', '1'));
  expect((await store.range({ prefix: '/' })).items.map(({ key }) => key)).toEqual(['/a', '/b']);
  passUntil(ttlMs + WRITE_RETRY_MS);
  passUntil(2 * ttlMs);
  await write(store, put('/c', '1'));
  expect((await store.range({ prefix: '/' })).items.map(({ key }) => key)).toEqual(['/b', '/c']);
});

test('a store of format 1 is opened, and has leases from then on', async () => {
  const path = join(temporaryDirectory(), 'metadata.db');
  const old = new DatabaseSync(path);
  old.exec(`
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL, create_revision INTEGER NOT NULL,
      mod_revision INTEGER NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('format', 1), ('revision', 7);
    INSERT INTO kv VALUES ('/a', 'old', 3, 7, 2);
    PRAGMA application_id = 0x57454952;
  `);
  old.close();
  const store = openSqliteStore(path);
  opened.push(store);
  expect((await store.range({ prefix: '/' })).items).toEqual([
    { key: '/a', value: 'old', createRevision: 3, modRevision: 7, version: 2 },
  ]);
  const lease = await store.grantLease(LEASE_TTL_MS_MIN);
  expect(await write(store, put('/a', 'new', lease.id))).toBe(8);
  await store.revokeLease(lease.id);
  expect((await store.range({ prefix: '/' })).items).toEqual([]);
});

test('a second process is refused with a message that names the file', async () => {
  const path = join(temporaryDirectory(), 'metadata.db');
  const store = openSqliteStore(path);
  opened.push(store);
  expect(() => openSqliteStore(path)).toThrow(`${path} is in use by another process`);
  const module = new URL('sqlite.node.ts', import.meta.url).href;
  const script = `import { openSqliteStore } from ${JSON.stringify(module)};
    try { openSqliteStore(${JSON.stringify(path)}); console.log('opened'); } catch (error) { console.log(error.message); }`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
  expect(output).toContain(`${path} is in use by another process`);
});

test('a newer format, a foreign database and a file that is none are refused by name', async () => {
  const directory = temporaryDirectory();
  const newer = join(directory, 'newer.db');
  await openSqliteStore(newer).close();
  const raw = new DatabaseSync(newer);
  raw.exec("UPDATE meta SET value = 7 WHERE name = 'format'");
  raw.close();
  expect(() => openSqliteStore(newer)).toThrow('format version 7');
  const foreign = join(directory, 'foreign.db');
  const other = new DatabaseSync(foreign);
  other.exec('CREATE TABLE things (a)');
  other.close();
  expect(() => openSqliteStore(foreign)).toThrow('another program');
  const text = join(directory, 'text.db');
  writeFileSync(text, 'no database, but long enough to be taken for one: '.repeat(100));
  expect(() => openSqliteStore(text)).toThrow('not a SQLite database');
});
