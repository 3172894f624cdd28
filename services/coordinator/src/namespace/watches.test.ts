import fc from 'fast-check';
import { expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import { WATCH_MESSAGE_BYTES, WATCH_MESSAGE_EVENTS_MAX } from '@weir/base/limits.ts';
import type { NodeEvent, NodeView } from './node.ts';
import { matches, Watches } from './watches.ts';
import type { Watch, WatchKind, WatchOutput, WatchRequest } from './watches.ts';

const NO_STAT = { createRevision: 0, modRevision: 0, version: 0, childrenVersion: 0, childCount: 0, ephemeralOwner: 0 };
const view = (path: string): NodeView => ({ path, stat: NO_STAT, data: () => Buffer.from('data') });
const event = (kind: NodeEvent['kind'], path: string): NodeEvent =>
  kind === 'deleted' ? { kind, path } : { kind, path, node: view(path) };

/** A reader that takes what it is given, or nothing while it is full. */
class Reader implements WatchOutput {
  full = false;
  readonly got: { revision: number; path: string; kind: string }[] = [];
  readonly completed: number[] = [];
  readonly sizes: number[] = [];
  end: string | undefined;

  events(_watch: Watch, batch: { revision: number; events: readonly NodeEvent[]; complete: boolean }): void {
    for (const { path, kind } of batch.events) this.got.push({ revision: batch.revision, path, kind });
    this.sizes.push(batch.events.length);
    if (batch.complete) this.completed.push(batch.revision);
  }

  ended(_watch: Watch, why: { code: string }): void {
    this.end = why.code;
  }
}

function started(watches: Watches, request: WatchRequest, reader = new Reader()): { watch: Watch; reader: Reader } {
  const watch = watches.start(request, reader);
  if ('code' in watch) throw new Error(watch.code);
  watches.pump(watch);
  return { watch, reader };
}

test('each kind of watch is told of its changes and of no others', () => {
  const all = ['created', 'changed', 'deleted'].flatMap((kind) =>
    ['/a', '/a/b', '/a/b/c', '/ab', '/'].map((path) => event(kind as NodeEvent['kind'], path)),
  );
  const told = (kind: WatchKind, path: string): string[] =>
    all.filter((one) => matches({ kind, path }, one)).map((one) => `${one.kind} ${one.path}`);
  expect(told('data', '/a')).toEqual(['created /a', 'changed /a', 'deleted /a']);
  expect(told('children', '/a')).toEqual(['created /a', 'created /a/b', 'deleted /a', 'deleted /a/b']);
  expect(told('recursive', '/a').filter((one) => one.startsWith('changed'))).toEqual([
    'changed /a',
    'changed /a/b',
    'changed /a/b/c',
  ]);
  expect(told('recursive', '/')).toHaveLength(all.length);
});

test('a watch begins at any revision that is kept, and one that is older is told so', () => {
  const watches = new Watches({ since: revision(10), countsData: true, limits: { events: 3, bytes: 1_000 } });
  for (let at = 11; at <= 15; at++) watches.publish(revision(at), [event('changed', '/a')]);
  expect(watches.oldest).toBe(13);
  expect(watches.start({ path: '/a', kind: 'data', from: 12 }, new Reader())).toMatchObject({ code: 'COMPACTED' });
  const { reader } = started(watches, { path: '/a', kind: 'data', from: 13 });
  expect(reader.got.map((one) => one.revision)).toEqual([13, 14, 15]);
  const { reader: fresh } = started(watches, { path: '/a', kind: 'data', from: undefined });
  expect(fresh.got).toEqual([]);
});

test('nothing is known of what was before the history began, unless nothing was', () => {
  const watches = new Watches({ since: revision(10), countsData: true });
  expect(watches.start({ path: '/', kind: 'recursive', from: 10 }, new Reader())).toMatchObject({ code: 'COMPACTED' });
  expect(watches.start({ path: '/', kind: 'recursive', from: 11 }, new Reader())).toHaveProperty('request');
});

test('the history is bounded by the bytes of its data as well', () => {
  const watches = new Watches({ since: revision(0), countsData: true, limits: { events: 1_000, bytes: 10 } });
  for (let at = 1; at <= 5; at++) watches.publish(revision(at), [event('changed', '/a')]);
  expect(watches.oldest).toBe(4);
});

test('a reader that is slow gets everything while it is kept, and is ended when it is not', () => {
  const watches = new Watches({ since: revision(0), countsData: true, limits: { events: 10, bytes: 1_000 } });
  const { watch, reader } = started(watches, { path: '/a', kind: 'data', from: undefined });
  reader.full = true;
  for (let at = 1; at <= 8; at++) watches.publish(revision(at), [event('changed', '/a')]);
  expect(reader.got).toEqual([]);
  reader.full = false;
  watches.pump(watch);
  expect(reader.got.map((one) => one.revision)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  reader.full = true;
  for (let at = 9; at <= 20; at++) watches.publish(revision(at), [event('changed', '/a')]);
  reader.full = false;
  watches.pump(watch);
  expect(reader.end).toBe('SLOW_READER');
  expect(watches.size).toBe(0);
});

test('a watch that nothing happened to is not behind, however much happens to others', () => {
  const watches = new Watches({ since: revision(0), countsData: true, limits: { events: 5, bytes: 1_000 } });
  const { reader } = started(watches, { path: '/quiet', kind: 'recursive', from: undefined });
  for (let at = 1; at <= 50; at++) watches.publish(revision(at), [event('changed', '/loud')]);
  watches.publish(revision(51), [event('created', '/quiet/x')]);
  expect(reader.end).toBeUndefined();
  expect(reader.got).toEqual([{ revision: 51, path: '/quiet/x', kind: 'created' }]);
});

test('what one transaction did comes in several messages when it is much, of which the last says so', () => {
  const watches = new Watches({ since: revision(0), countsData: true });
  const { reader } = started(watches, { path: '/', kind: 'recursive', from: undefined });
  const count = 2 * WATCH_MESSAGE_EVENTS_MAX + 1;
  watches.publish(
    revision(1),
    Array.from({ length: count }, (_, i) => event('deleted', `/n${i}`)),
  );
  expect(reader.sizes).toEqual([WATCH_MESSAGE_EVENTS_MAX, WATCH_MESSAGE_EVENTS_MAX, 1]);
  expect(reader.completed).toEqual([1]);
  expect(reader.got).toHaveLength(count);
});

test('so does what has many bytes, however few events those are', () => {
  const watches = new Watches({ since: revision(0), countsData: true });
  const { reader } = started(watches, { path: '/', kind: 'recursive', from: undefined });
  const data = Buffer.alloc(WATCH_MESSAGE_BYTES / 2);
  const large = (path: string): NodeEvent => ({ kind: 'created', path, node: { ...view(path), data: () => data } });
  watches.publish(revision(1), [large('/a'), large('/b'), large('/c')]);
  expect([reader.sizes, reader.completed]).toEqual([[2, 1], [1]]);
});

test('whenever it begins and however often it pauses, a watch gets each change once and in order, or its end', () => {
  const path = fc.constantFrom('/a', '/a/b', '/a/b/c', '/d', '/d/e');
  const batch = fc.array(fc.record({ kind: fc.constantFrom('created', 'changed', 'deleted'), path }), { maxLength: 4 });
  const action = fc.oneof(
    { weight: 4, arbitrary: batch.map((events) => ({ kind: 'publish' as const, events })) },
    { weight: 1, arbitrary: fc.constant({ kind: 'pause' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'resume' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'again' as const }) },
  );
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60, size: 'max' }),
      path,
      fc.constantFrom<WatchKind>('data', 'children', 'recursive'),
      (actions, watched, kind) => {
        const watches = new Watches({ since: revision(0), countsData: true, limits: { events: 12, bytes: 1_000 } });
        const expected: { revision: number; path: string; kind: string }[] = [];
        let { watch, reader } = started(watches, { path: watched, kind, from: 1 });
        let earlier: Reader['got'] = [];
        const got = (): Reader['got'] => [...earlier, ...reader.got];
        let at = 0;
        for (const one of actions) {
          if (reader.end !== undefined) break;
          if (one.kind === 'publish') {
            at++;
            const events = one.events.map((each) => event(each.kind, each.path));
            watches.publish(revision(at), events);
            for (const each of events) {
              if (matches({ path: watched, kind }, each))
                expected.push({ revision: at, path: each.path, kind: each.kind });
            }
          }
          if (one.kind === 'pause') reader.full = true;
          if (one.kind === 'resume') {
            reader.full = false;
            watches.pump(watch);
          }
          if (one.kind === 'again') {
            // The stream broke: a new one goes on behind the last revision that was complete.
            watches.stop(watch);
            earlier = got();
            const from = (earlier.at(-1)?.revision ?? 0) + 1;
            if (from < watches.oldest) return;
            ({ watch, reader } = started(watches, { path: watched, kind, from }));
          }
        }
        reader.full = false;
        watches.pump(watch);
        // One that was too slow has what came before its end.
        expect(got()).toEqual(reader.end === undefined ? expected : expected.slice(0, got().length));
      },
    ),
    { numRuns: 500 },
  );
});
