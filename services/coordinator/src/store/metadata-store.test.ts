import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { RANGE_PAGE_MAX, TXN_BYTES_MAX, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { MemoryStore } from './memory-store.ts';
import { readAll, StoreLimitError } from './metadata-store.ts';
import type { MetadataStore, TxnRequest } from './metadata-store.ts';
import { openSqliteStore } from './sqlite.node.ts';

const temporaryDirectory = (): string => mkdtempSync(join(tmpdir(), 'weir-test-'));

const opened: MetadataStore[] = [];

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});

const engines: Record<string, () => MetadataStore> = {
  sqlite: () => openSqliteStore(join(temporaryDirectory(), 'metadata.db')),
  memory: () => new MemoryStore(),
};

const put = (key: string, value: string) => ({ kind: 'put', key, value }) as const;

for (const [name, make] of Object.entries(engines)) {
  const open = (): MetadataStore => {
    const store = make();
    opened.push(store);
    return store;
  };

  describe(`a metadata store on ${name}`, () => {
    test('a transaction that writes has the next revision, one that does not has the last', async () => {
      const store = open();
      expect((await store.txn({ compare: [], success: [put('/a', '1'), put('/b', '2')] })).revision).toBe(1);
      expect((await store.txn({ compare: [], success: [{ kind: 'get', key: '/a' }] })).revision).toBe(1);
      expect((await store.txn({ compare: [], success: [{ kind: 'delete', key: '/none' }] })).revision).toBe(1);
      expect((await store.txn({ compare: [], success: [{ kind: 'delete', key: '/a' }] })).revision).toBe(2);
    });

    test('a key keeps its create revision, and begins anew after it was deleted', async () => {
      const store = open();
      const get = async () =>
        (await store.txn({ compare: [], success: [{ kind: 'get', key: '/a' }] })).responses[0] ?? 'absent';
      await store.txn({ compare: [], success: [put('/a', '1')] });
      await store.txn({ compare: [], success: [put('/a', '2')] });
      expect(await get()).toEqual({ key: '/a', value: '2', createRevision: 1, modRevision: 2, version: 2 });
      await store.txn({ compare: [], success: [{ kind: 'delete', key: '/a' }] });
      expect(await get()).toBe('absent');
      await store.txn({ compare: [], success: [put('/a', '3')] });
      expect(await get()).toEqual({ key: '/a', value: '3', createRevision: 4, modRevision: 4, version: 1 });
    });

    test('comparisons choose the branch, and an absent key compares as 0', async () => {
      const store = open();
      const create: TxnRequest = {
        compare: [{ key: '/a', target: 'version', equals: 0 }],
        success: [put('/a', 'mine')],
        failure: [{ kind: 'get', key: '/a' }],
      };
      expect(await store.txn(create)).toMatchObject({ succeeded: true, revision: 1 });
      expect(await store.txn(create)).toMatchObject({ succeeded: false, responses: [{ value: 'mine' }], revision: 1 });
      const second = { key: '/a', target: 'modRevision', equals: 1 } as const;
      const never = { key: '/a', target: 'createRevision', equals: 9 } as const;
      expect((await store.txn({ compare: [second, never], success: [put('/a', 'x')] })).succeeded).toBe(false);
      expect((await store.txn({ compare: [second], success: [put('/a', 'x')] })).succeeded).toBe(true);
    });

    test('of transactions at the same time that create one key, one succeeds', async () => {
      const store = open();
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          store.txn({ compare: [{ key: '/a', target: 'version', equals: 0 }], success: [put('/a', String(i))] }),
        ),
      );
      expect(results.filter(({ succeeded }) => succeeded)).toHaveLength(1);
      expect(results.at(-1)!.revision).toBe(1);
    });

    test('a range gives pages in byte order, within the prefix only', async () => {
      const store = open();
      const keys = ['/p/a', '/p/b', '/p/ä', '/p/\u{1F600}', '/p', '/q/a', '/o/z'];
      for (const key of keys) await store.txn({ compare: [], success: [put(key, key)] });
      const first = await store.range({ prefix: '/p/', limit: 3 });
      expect(first.items.map(({ key }) => key)).toEqual(['/p/a', '/p/b', '/p/ä']);
      expect(first.more).toBe(true);
      const second = await store.range({ prefix: '/p/', limit: 3, after: '/p/ä' });
      expect(second.items.map(({ key }) => key)).toEqual(['/p/\u{1F600}']);
      expect(second).toMatchObject({ more: false, revision: keys.length });
    });

    test('what is past a limit is refused and changes nothing', async () => {
      const store = open();
      const many = Array.from({ length: TXN_OPERATIONS_MAX + 1 }, (_, i) => put(`/${i}`, ''));
      const large = [put('/large', 'x'.repeat(TXN_BYTES_MAX))];
      const twice = [put('/a', '1'), { kind: 'delete', key: '/a' } as const];
      for (const success of [many, large, twice]) {
        await expect(store.txn({ compare: [], success })).rejects.toThrow(StoreLimitError);
      }
      await expect(store.range({ prefix: '/', limit: RANGE_PAGE_MAX + 1 })).rejects.toThrow(StoreLimitError);
      expect(await store.range({ prefix: '/' })).toMatchObject({ items: [], revision: 0 });
      expect((await store.txn({ compare: [], success: many.slice(1) })).succeeded).toBe(true);
    });

    test('all pages of a prefix are read at one revision', async () => {
      const store = open();
      const count = RANGE_PAGE_MAX + 50;
      for (let i = 0; i < count; i += 100) {
        const success = Array.from({ length: Math.min(100, count - i) }, (_, j) => put(`/k/${i + j}`, ''));
        await store.txn({ compare: [], success });
      }
      const { items } = await readAll(store, '/k/');
      expect(new Set(items.map(({ key }) => key)).size).toBe(count);
    });
  });
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

test('what was written is there after the store was closed and opened again', async () => {
  const path = join(temporaryDirectory(), 'new', 'metadata.db');
  const before = openSqliteStore(path);
  await before.txn({ compare: [], success: [put('/a', '1')] });
  await before.close();
  const after = openSqliteStore(path);
  opened.push(after);
  expect(await after.range({ prefix: '/' })).toMatchObject({ items: [{ key: '/a', value: '1' }], revision: 1 });
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
