import fc from 'fast-check';
import { expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import { WATCH_BYTES_KEPT, WATCH_REVISIONS_KEPT } from '@weir/base/limits.ts';
import type { Revised, WatchLoss } from './metadata-store.ts';
import { WatchHub } from './watch-hub.ts';

interface Watched {
  readonly after: number;
  readonly prefix: string;
  readonly told: number[];
  lost: WatchLoss['kind'] | undefined;
}

const revised = (at: number, ...keys: string[]): Revised => ({
  revision: revision(at),
  events: keys.map((key) => ({ kind: 'delete', key })),
});

function watchOn(hub: WatchHub, { after, prefix }: Pick<Watched, 'after' | 'prefix'>): Watched {
  const watched: Watched = { after, prefix, told: [], lost: undefined };
  hub.watch(
    { prefix, after: revision(after) },
    {
      revised: ({ revision: at, events }) => {
        expect(events.every((event) => event.kind === 'delete' && event.key.startsWith(prefix))).toBe(true);
        watched.told.push(at);
      },
      lost: ({ kind }) => (watched.lost = kind),
    },
  );
  return watched;
}

test('a watcher is told all of its prefix behind its revision, or that it is lost, and never a part', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), key: fc.constantFrom('/a/1', '/b/1') }) },
    fc.record({ do: fc.constant('watch' as const), back: fc.nat(8), prefix: fc.constantFrom('/', '/a/') }),
    fc.record({ do: fc.constant('compact' as const), back: fc.nat(4) }),
    fc.constant({ do: 'deliver' as const }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(3), (steps, first) => {
      const hub = new WatchHub(revision(first));
      const written: { at: number; key: string }[] = [];
      const watched: (Watched & { readonly begunAt: number })[] = [];
      let now = first;
      let kept = first;
      for (const one of steps) {
        switch (one.do) {
          case 'write':
            // Others' writes take revisions as well.
            now += 1 + (now % 2);
            written.push({ at: now, key: one.key });
            hub.publish(revised(now, one.key));
            break;
          case 'watch': {
            const request = { after: Math.max(0, now + 2 - one.back), prefix: one.prefix };
            watched.push(Object.assign(watchOn(hub, request), { begunAt: now }));
            break;
          }
          case 'compact':
            kept = Math.max(kept, Math.min(now, now - one.back - 1));
            hub.compact(revision(Math.max(0, now - one.back)));
            break;
          case 'deliver':
            hub.deliver();
            break;
        }
      }
      hub.deliver();
      for (const { after, prefix, told, lost, begunAt } of watched) {
        const all = written.filter(({ at, key }) => at > after && key.startsWith(prefix)).map(({ at }) => at);
        // What was told is a beginning of what there was, without a gap.
        expect(told).toEqual(all.slice(0, told.length));
        const why = lost ?? 'not lost';
        const isTrue = {
          'not lost': told.length === all.length,
          compacted: after < kept,
          rewound: after > begunAt,
          fault: false,
        };
        expect({ why, isTrue: isTrue[why] }).toEqual({ why, isTrue: true });
      }
    }),
    { numRuns: 300 },
  );
});

test('what is kept is bounded by revisions and by bytes, and who comes from before is told', () => {
  const hub = new WatchHub(revision(0));
  for (let at = 1; at <= WATCH_REVISIONS_KEPT + 1; at++) hub.publish(revised(at, '/a'));
  const early = watchOn(hub, { after: 1, prefix: '/' });
  const late = watchOn(hub, { after: WATCH_REVISIONS_KEPT - 1_000, prefix: '/' });
  hub.deliver();
  expect(early).toMatchObject({ told: [], lost: 'compacted' });
  expect(late).toMatchObject({ lost: undefined });
  expect(late.told).toHaveLength(1_001);

  const large = new WatchHub(revision(0));
  const key = `/${'x'.repeat(WATCH_BYTES_KEPT / 8)}`;
  for (let at = 1; at <= 20; at++) large.publish(revised(at, key));
  const tooEarly = watchOn(large, { after: 1, prefix: '/' });
  large.deliver();
  expect(tooEarly.lost).toBe('compacted');
});

test('a handler may close its own watch and another one', () => {
  const hub = new WatchHub(revision(0));
  const told: string[] = [];
  const first = hub.watch(
    { prefix: '/', after: revision(0) },
    {
      revised() {
        told.push('first');
        first.close();
        second.close();
      },
      lost: () => told.push('lost'),
    },
  );
  const second = hub.watch(
    { prefix: '/', after: revision(0) },
    { revised: () => told.push('second'), lost: () => told.push('lost') },
  );
  hub.publish(revised(1, '/a'));
  hub.publish(revised(2, '/a'));
  hub.deliver();
  expect(told).toEqual(['first']);
});
