import { afterEach, describe, expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { CompactedError, readAll } from '../metadata-store.ts';
import type { MetadataStore } from '../metadata-store.ts';
import { currentRevision, put, Recorder, remove, StoreFixture, write } from './store-test-kit.ts';
import type { EngineUnderTest } from './store-test-kit.ts';

async function writeSome(store: MetadataStore): Promise<Revision[]> {
  const revisions: Revision[] = [];
  for (let i = 0; i < 10; i++) revisions.push(await write(store, put('/c/a', String(i)), put(`/c/${i}`, '')));
  return revisions;
}

/** What every engine holds of watches and compaction. */
export function describeWatches(engine: EngineUnderTest): void {
  const fixture = new StoreFixture(engine);
  afterEach(() => fixture.release());

  describe(`watches on ${engine.name}`, () => {
    test('a watch tells what changed behind its revision, a revision at a time, and then what changes', async () => {
      const store = await fixture.open();
      const base = await write(store, put('/w/old', '0'));
      await write(store, put('/w/a', '1'), put('/w/b', '2'));
      await write(store, put('/other', '1'));
      const recorder = new Recorder(store, { prefix: '/w/', after: base });
      expect(recorder.told, 'nothing is told before watch has returned').toEqual([]);
      await recorder.untilRevision(revision(base + 1));
      await write(store, put('/w/a', '3'), remove('/w/b'), put('/other', '2'), remove('/w/none'));
      const last = await write(store, remove('/w/old'));
      await recorder.untilRevision(last);
      expect(recorder.short).toEqual([
        [base + 1, '+/w/a=1', '+/w/b=2'],
        [base + 3, '+/w/a=3', '-/w/b'],
        [base + 4, '-/w/old'],
      ]);
    });

    test('what is put is told as a range would give it', async () => {
      const store = await fixture.open();
      const lease = await fixture.grant(store);
      const recorder = new Recorder(store, { prefix: '/', after: await currentRevision(store) });
      await write(store, put('/a', '1'));
      const last = await write(store, put('/a', '2', lease.id));
      await recorder.untilRevision(last);
      const { items } = await store.range({ prefix: '/' });
      expect(recorder.told.at(-1)!.events).toEqual([{ kind: 'put', item: items[0] }]);
      expect(items[0]).toMatchObject({ version: 2, createRevision: last - 1, lease: lease.id });
    });

    test('a watch that is closed tells nothing more, also from within', async () => {
      const store = await fixture.open();
      const after = await currentRevision(store);
      await write(store, put('/a', '1'));
      await write(store, put('/a', '2'));
      const told: number[] = [];
      const first = Promise.withResolvers<void>();
      const watch = store.watch(
        { prefix: '/', after },
        {
          revised({ revision: at }) {
            told.push(at);
            watch.close();
            first.resolve();
          },
          lost: () => told.push(-1),
        },
      );
      const witness = new Recorder(store, { prefix: '/', after });
      // Which of two watches is told first is not said.
      await first.promise;
      const last = await write(store, put('/a', '3'));
      await witness.untilRevision(last);
      expect(told).toEqual([after + 1]);
    });

    test('a watch may be begun at a revision that is still to come only as rewound', async () => {
      const store = await fixture.open();
      const recorder = new Recorder(store, { prefix: '/', after: revision((await currentRevision(store)) + 1_000) });
      await recorder.until(({ lost }) => lost !== undefined);
      expect(recorder.lost).toEqual({ kind: 'rewound' });
    });

    test('watches from everywhere over a busy store tell exactly what was done, in order', async () => {
      const store = await fixture.open();
      const base = await currentRevision(store);
      const done: { at: Revision; changes: string[] }[] = [];
      const watched: { recorder: Recorder; prefix: string; after: Revision }[] = [];
      const watch = (prefix: string, after: Revision): void => {
        watched.push({ recorder: new Recorder(store, { prefix, after }), prefix, after });
      };
      watch('/', base);
      for (let i = 0; i < 300; i++) {
        const key = `/${i % 3}/${i % 7}`;
        const gone = `/${(i + 1) % 3}/${(i * 3) % 7}`;
        const { responses, revision: at } = await store.txn({
          compare: [],
          success: [{ kind: 'get', key: gone }, put(key, String(i)), ...(key === gone ? [] : [remove(gone)])],
        });
        const changes = [`+${key}=${i}`, ...(key === gone || responses[0] === undefined ? [] : [`-${gone}`])];
        done.push({ at, changes });
        if (i % 50 === 25) {
          watch(`/${i % 3}/`, at);
          watch('/', revision(base + Math.floor(i / 2)));
        }
      }
      for (const { recorder, prefix, after } of watched) {
        const expected = done
          .filter(({ at }) => at > after)
          .map(({ at, changes }) => [at, ...changes.filter((change) => change.slice(1).startsWith(prefix))])
          .filter(({ length }) => length > 1);
        await recorder.until(({ told }) => told.length >= expected.length);
        expect(recorder.short).toEqual(expected);
        expect(recorder.lost).toBeUndefined();
      }
    });

    test('one revision of 128 large keys is told as one', async () => {
      const store = await fixture.open();
      const after = await currentRevision(store);
      const value = 'x'.repeat(7_000);
      const puts = Array.from({ length: 128 }, (_, i) => put(`/l/${i}`, value));
      for (let i = 0; i < 6; i++) await write(store, ...puts);
      // More than etcd has in one message.
      const recorder = new Recorder(store, { prefix: '/l/', after: revision(after + 2) });
      await recorder.untilRevision(revision(after + 6));
      expect(recorder.told.map(({ events }) => events.length)).toEqual([128, 128, 128, 128]);
    });
  });

  describe(`compaction on ${engine.name}`, () => {
    test('who watches from before it is told so, and who watches from it misses nothing', async () => {
      const store = await fixture.open();
      const revisions = await writeSome(store);
      const at = revisions[5]!;
      await store.compact(at);
      const early = new Recorder(store, { prefix: '/c/', after: revisions[2]! });
      await early.until(({ lost }) => lost !== undefined);
      expect(early).toMatchObject({ told: [], lost: { kind: 'compacted' } });
      const late = new Recorder(store, { prefix: '/c/', after: at });
      await late.untilRevision(revisions[9]!);
      expect(late.told.map((told) => told.revision)).toEqual(revisions.slice(6));
    });

    test('keys stay as they are, and earlier revisions cannot be read', async () => {
      const store = await fixture.open();
      const revisions = await writeSome(store);
      const before = await readAll(store, '/');
      await store.compact(revisions[9]!);
      expect(await readAll(store, '/')).toEqual(before);
      await expect(store.range({ prefix: '/c/', at: revisions[3]! })).rejects.toThrow(CompactedError);
    });

    test('what was compacted can be compacted again', async () => {
      const store = await fixture.open();
      const revisions = await writeSome(store);
      for (const before of [revisions[5]!, revisions[5]!, revisions[2]!]) {
        await expect(store.compact(before)).resolves.toBeUndefined();
      }
    });

    test('a watch that has told everything goes on over a compaction', async () => {
      const store = await fixture.open();
      const after = await currentRevision(store);
      const recorder = new Recorder(store, { prefix: '/c/a', after });
      const revisions = await writeSome(store);
      await recorder.untilRevision(revisions[9]!);
      await store.compact(revisions[9]!);
      const more = await writeSome(store);
      await recorder.untilRevision(more[9]!);
      expect(recorder.told.map((told) => told.revision)).toEqual([...revisions, ...more]);
      expect(recorder.lost).toBeUndefined();
    });
  });
}
