import { afterEach, describe, expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import { RANGE_PAGE_MAX, TXN_BYTES_MAX, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { CompactedError, readAll, StoreLimitError } from '../metadata-store.ts';
import type { TxnRequest } from '../metadata-store.ts';
import { currentRevision, put, remove, StoreFixture, write } from './store-test-kit.ts';
import type { EngineUnderTest } from './store-test-kit.ts';

const keyOf = (i: number): string => `/k/${String(i).padStart(5, '0')}`;

/** What every engine holds of transactions and ranges. */
export function describeTransactions(engine: EngineUnderTest): void {
  const fixture = new StoreFixture(engine);
  afterEach(() => fixture.release());

  describe(`transactions and ranges on ${engine.name}`, () => {
    test('a transaction that writes has the next revision, one that does not has the last', async () => {
      const store = await fixture.open();
      const base = await currentRevision(store);
      expect(await write(store, put('/a', '1'), put('/b', '2'))).toBe(base + 1);
      expect(await write(store, { kind: 'get', key: '/a' })).toBe(base + 1);
      expect(await write(store, remove('/none'))).toBe(base + 1);
      expect(await write(store, remove('/a'))).toBe(base + 2);
    });

    test('a key keeps its create revision, and begins anew after it was deleted', async () => {
      const store = await fixture.open();
      const base = await currentRevision(store);
      const get = async () =>
        (await store.txn({ compare: [], success: [{ kind: 'get', key: '/a' }] })).responses[0] ?? 'absent';
      await write(store, put('/a', '1'));
      await write(store, put('/a', '2'));
      const [createRevision, modRevision] = [base + 1, base + 2];
      expect(await get()).toEqual({ key: '/a', value: '2', createRevision, modRevision, version: 2 });
      await write(store, remove('/a'));
      expect(await get()).toBe('absent');
      await write(store, put('/a', '3'));
      const anew = base + 4;
      expect(await get()).toEqual({ key: '/a', value: '3', createRevision: anew, modRevision: anew, version: 1 });
    });

    test('comparisons choose the branch, and an absent key compares as 0', async () => {
      const store = await fixture.open();
      const base = await currentRevision(store);
      const creation: TxnRequest = {
        compare: [{ key: '/a', target: 'version', equals: 0 }],
        success: [put('/a', 'mine')],
        failure: [{ kind: 'get', key: '/a' }],
      };
      expect(await store.txn(creation)).toMatchObject({ succeeded: true, revision: base + 1 });
      expect(await store.txn(creation)).toMatchObject({
        succeeded: false,
        responses: [{ value: 'mine' }],
        revision: base + 1,
      });
      const asRead = { key: '/a', target: 'modRevision', equals: base + 1 } as const;
      const never = { key: '/a', target: 'createRevision', equals: base + 9 } as const;
      expect((await store.txn({ compare: [asRead, never], success: [put('/a', 'x')] })).succeeded).toBe(false);
      expect((await store.txn({ compare: [asRead], success: [put('/a', 'x')] })).succeeded).toBe(true);
      expect((await store.txn({ compare: [asRead], success: [put('/a', 'y')] })).succeeded).toBe(false);
    });

    test('operations of one transaction happen in their order', async () => {
      const store = await fixture.open();
      const get = { kind: 'get', key: '/a' } as const;
      const { responses } = await store.txn({ compare: [], success: [get, put('/a', '1'), get] });
      expect(responses.map((response) => response?.value)).toEqual([undefined, undefined, '1']);
    });

    test('of transactions at the same time that create one key, one succeeds', async () => {
      const store = await fixture.open();
      const base = await currentRevision(store);
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          store.txn({ compare: [{ key: '/a', target: 'version', equals: 0 }], success: [put('/a', String(i))] }),
        ),
      );
      expect(results.filter(({ succeeded }) => succeeded)).toHaveLength(1);
      expect(await currentRevision(store)).toBe(base + 1);
    });

    test('keys and values are text of any kind', async () => {
      const store = await fixture.open();
      const values = ['', 'ü\u0000\n', '\u{1F600}', '{"v":1}'];
      await write(store, ...values.map((value, i) => put(`/v/ä/${i}`, value)));
      expect((await store.range({ prefix: '/v/ä/' })).items.map(({ value }) => value)).toEqual(values);
    });

    test('a range gives pages in byte order, within the prefix only', async () => {
      const store = await fixture.open();
      const keys = ['/p/a', '/p/b', '/p/ä', '/p/\u{1F600}', '/p', '/q/a', '/o/z'];
      for (const key of keys) await write(store, put(key, key));
      const at = await currentRevision(store);
      const first = await store.range({ prefix: '/p/', limit: 3 });
      expect(first.items.map(({ key }) => key)).toEqual(['/p/a', '/p/b', '/p/ä']);
      expect(first.more).toBe(true);
      const second = await store.range({ prefix: '/p/', limit: 3, after: '/p/ä', at: first.revision });
      expect(second.items.map(({ key }) => key)).toEqual(['/p/\u{1F600}']);
      expect(second).toMatchObject({ more: false, revision: at });
    });

    test('a later page is of the revision of the first, or is refused', async () => {
      const store = await fixture.open();
      const at = await write(store, put('/p/1', 'old'), put('/p/2', 'old'));
      await write(store, put('/p/2', 'new'), put('/p/3', 'new'));
      const page = await store.range({ prefix: '/p/', after: '/p/1', at }).catch((error: unknown) => error);
      if (page instanceof CompactedError) return;
      expect(page).toMatchObject({ items: [{ key: '/p/2', value: 'old' }], more: false, revision: at });
    });

    test('what is past a limit is refused and changes nothing', async () => {
      const store = await fixture.open();
      const base = await currentRevision(store);
      const many = Array.from({ length: TXN_OPERATIONS_MAX + 1 }, (_, i) => put(`/${i}`, ''));
      const large = [put('/large', 'x'.repeat(TXN_BYTES_MAX))];
      const twice = [put('/a', '1'), remove('/a')];
      for (const success of [many, large, twice, [put('a', '1')]]) {
        await expect(store.txn({ compare: [], success })).rejects.toThrow(StoreLimitError);
      }
      await expect(store.range({ prefix: '/', limit: RANGE_PAGE_MAX + 1 })).rejects.toThrow(StoreLimitError);
      await expect(store.range({ prefix: '' })).rejects.toThrow(StoreLimitError);
      expect(await store.range({ prefix: '/' })).toMatchObject({ items: [], revision: base });
    });

    test('what is just within the limits is taken', async () => {
      const store = await fixture.open();
      const many = Array.from({ length: TXN_OPERATIONS_MAX }, (_, i) => put(`/${i}`, ''));
      const compare = many.map(({ key }) => ({ key, target: 'version', equals: 0 }) as const);
      expect((await store.txn({ compare, success: many, failure: many })).succeeded).toBe(true);
      const key = '/large';
      await write(store, put(key, 'x'.repeat(TXN_BYTES_MAX - key.length)));
    });

    test('pages of large values are shorter, and nothing is left out', async () => {
      const store = await fixture.open();
      const value = 'x'.repeat(1_000_000);
      const keys = Array.from({ length: 80 }, (_, i) => `/large/${String(i).padStart(3, '0')}`);
      for (const key of keys) await write(store, put(key, value));
      const { items } = await readAll(store, '/large/');
      expect(items.map(({ key }) => key)).toEqual(keys);
      for (const key of keys) await write(store, remove(key));
    });

    test('ten thousand keys are read at one revision, whatever is written meanwhile', async () => {
      const store = await fixture.open();
      const count = 10_000;
      const chunk = 100;
      const writeAll = async (value: string): Promise<void> => {
        for (let i = 0; i < count; i += chunk) {
          await write(store, ...Array.from({ length: chunk }, (_, j) => put(keyOf(i + j), value)));
        }
      };
      await writeAll('first');
      const rewriting = writeAll('second');
      const { items, revision: at } = await readAll(store, '/k/');
      await rewriting;
      expect(items.map(({ key }) => key)).toEqual(Array.from({ length: count }, (_, i) => keyOf(i)));
      // What was written together is read together.
      for (let i = 0; i < count; i += chunk) {
        expect(new Set(items.slice(i, i + chunk).map(({ modRevision }) => modRevision)).size).toBe(1);
      }
      expect(Math.max(...items.map(({ modRevision }) => modRevision))).toBeLessThanOrEqual(at);
      expect((await readAll(store, '/k/')).items.every(({ value }) => value === 'second')).toBe(true);
    });

    test('a revision is never below an earlier one', async () => {
      const store = await fixture.open();
      let last = revision(0);
      for (let i = 0; i < 50; i++) {
        const at = i % 3 === 0 ? await currentRevision(store) : await write(store, put(`/${i % 5}`, String(i)));
        expect(at).toBeGreaterThanOrEqual(last);
        last = at;
      }
    });
  });
}
