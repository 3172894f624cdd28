import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import { WATCH_HISTORY_EVENTS_MAX, WATCHES_PER_STREAM_MAX } from '@weir/base/limits.ts';
import type { Stream, TransportFailure } from '@weir/base/transport.ts';
import { WatchKind, WatchRequestSchema } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { WatchResponse } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { TestController } from '../controller/test-controller.ts';
import type { Coordinator } from '../coordinator.ts';
import { coordinatorMetrics } from '../metrics.ts';
import { namespaceWatches } from '../namespace/watches.ts';
import { NamespaceHost } from '../namespace-host.ts';
import { acceptWatches } from './watch-stream.ts';

/** A client that reads, or does not. */
function setting() {
  const world = testWorld({ clock: new ManualClock() });
  const { controller, image } = new TestController();
  const metrics = coordinatorMetrics(world.registry, () => undefined);
  const { systemView } = controller;
  const watches = namespaceWatches(image);
  const holds = (): boolean => true;
  const namespace = new NamespaceHost({ image, systemView, world, metrics, watches, holds, submit: () => {} });
  const sent: WatchResponse[] = [];
  const client = { reads: true, aborted: undefined as TransportFailure | undefined };
  const stream: Stream<WatchResponse> = {
    send(message) {
      sent.push(message);
      return client.reads;
    },
    end() {},
    abort: (failure) => (client.aborted = failure),
  };
  const handlers = acceptWatches({ namespace } as unknown as Coordinator, world.clock, stream);
  let at = 100;
  return {
    sent,
    client,
    namespace,
    handlers,
    start: (watchId: number, path = '/a', fromRevision = 0n): void => {
      const value = { watchId, path, kind: WatchKind.DATA, fromRevision, withData: false };
      handlers.message(create(WatchRequestSchema, { request: { case: 'start', value } }));
    },
    stop: (watchId: number) =>
      handlers.message(create(WatchRequestSchema, { request: { case: 'stop', value: { watchId } } })),
    happen: (path: string) =>
      namespace.changed({
        kind: 'nodesChanged',
        revision: revision(++at),
        users: [{ kind: 'deleted', path }],
        system: [],
      }),
    kinds: () => sent.map(({ watchId, response }) => `${watchId} ${response.case}`),
  };
}

test('several watches share a stream, and one that is stopped is told nothing more', () => {
  const { start, stop, happen, kinds } = setting();
  start(1, '/a');
  start(2, '/b');
  happen('/a');
  happen('/b');
  stop(1);
  happen('/a');
  happen('/b');
  expect(kinds()).toEqual(['1 started', '2 started', '1 events', '2 events', '2 events']);
});

test('nothing is sent to a client that does not read, and everything when it reads again', () => {
  const { start, happen, kinds, client, handlers, sent } = setting();
  start(1, '/a');
  start(2, '/b');
  client.reads = false;
  happen('/a');
  happen('/b');
  happen('/a');
  expect(kinds()).toEqual(['1 started', '2 started', '1 events']);
  client.reads = true;
  handlers.drained();
  expect(kinds().slice(3)).toEqual(['1 events', '2 events']);
  expect(sent.slice(2).map(({ response }) => (response.case === 'events' ? response.value.complete : ''))).toEqual([
    true,
    true,
    true,
  ]);
});

test('a client that does not read for too long is told when it does, by the watch that lacks something', () => {
  const { start, happen, kinds, client, handlers, namespace } = setting();
  start(1, '/a');
  start(2, '/b');
  client.reads = false;
  for (let i = 0; i <= WATCH_HISTORY_EVENTS_MAX + 2; i++) happen('/a');
  expect(kinds()).toEqual(['1 started', '2 started', '1 events']);
  client.reads = true;
  handlers.drained();
  expect(kinds().slice(3)).toEqual(['1 ended']);
  expect(namespace.watches).toBe(1);
  happen('/b');
  expect(kinds().at(-1)).toBe('2 events');
});

test('a client that asks on and on and does not read is cut off', () => {
  const { start, stop, client, namespace } = setting();
  client.reads = false;
  for (let i = 1; i <= WATCHES_PER_STREAM_MAX + 1; i++) {
    start(i);
    stop(i);
  }
  expect(client.aborted).toMatchObject({ code: 'SLOW_READER' });
  expect(namespace.watches).toBe(0);
});

test('watches end with their stream', () => {
  const { start, handlers, namespace } = setting();
  start(1);
  start(2);
  expect(namespace.watches).toBe(2);
  handlers.closed(undefined);
  expect(namespace.watches).toBe(0);
});

test('a stream has so many watches and no more, and none twice', () => {
  const { start, kinds, client } = setting();
  for (let i = 1; i <= WATCHES_PER_STREAM_MAX + 1; i++) start(i);
  expect(kinds().at(-1)).toBe(`${WATCHES_PER_STREAM_MAX + 1} ended`);
  start(5);
  expect(client.aborted).toMatchObject({ code: 'INVALID_REQUEST' });
});

test('a beginning that is too old is refused with the oldest that is kept', () => {
  const { start, sent } = setting();
  start(1, '/controller', 1n);
  const { response } = sent[0]!;
  expect(response.case).toBe('ended');
  expect(response.value).toMatchObject({ code: 'COMPACTED', oldestRevision: expect.any(BigInt) });
});
