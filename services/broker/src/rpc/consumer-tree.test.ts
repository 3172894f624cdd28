import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { CONSUMER_TREE_PAGE_BYTES } from '@weir/base/group-limits.ts';
import { METADATA_WAIT_MS, RECONNECT_MS_MAX, WATCH_PROGRESS_MS } from '@weir/base/limits.ts';
import type { TransportFailure } from '@weir/base/transport.ts';
import type { Client } from '@weir/client/client.ts';
import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import type { LogEvents, NamespaceWatch, RevisionLog, WatchOptions } from '@weir/client/namespace/watch-link.ts';
import { FakeCluster } from '@weir/client/test-kit/fake-cluster.ts';
import {
  ConsumerTreeService,
  ConsumerWatchKind,
  ListConsumerNodesRequestSchema,
  WatchConsumersRequestSchema,
} from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type { WatchConsumersResponse } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { expect, test } from 'vitest';
import { ConsumerWatchStreams } from './consumer-watch-stream.ts';
import { NativeGroups } from './test-native-groups.ts';

const LIST = protobufMethod(ConsumerTreeService.method.listConsumerNodes);
const WATCH = protobufMethod(ConsumerTreeService.method.watchConsumers);

async function begin(): Promise<{ native: NativeGroups; client: Client }> {
  const native = await NativeGroups.start();
  const client = await native.cluster.client();
  return { native, client };
}

/** What becomes of a promise while time passes. */
async function settled<T>(native: NativeGroups, promise: Promise<T>, ms = 100): Promise<T> {
  promise.catch(() => undefined);
  await native.cluster.clock.advance(ms);
  return promise;
}

function commit(native: NativeGroups, client: Client, offset: number, group = 'g'): Promise<unknown> {
  return settled(native, client.groups.commit(group, [{ topic: 'orders', partition: 0, offset }]));
}

const failsWith = (code: string): object => ({ failure: { kind: 'refused', code } });

interface Told {
  readonly revision: number;
  readonly events: readonly TreeEvent[];
  readonly log: LogEvents | undefined;
}

class Watching {
  readonly told: Told[] = [];
  readonly progress: [number, RevisionLog | undefined][] = [];
  started: [number, RevisionLog | undefined] | undefined;
  ended: string | undefined;
  readonly #watch: NamespaceWatch;

  constructor(client: Client, options: WatchOptions) {
    this.#watch = client.namespace.watch(options, {
      started: (revision, log) => void (this.started = [revision, log]),
      progress: (revision, log) => void this.progress.push([revision, log]),
      events: (revision, events, log) => void this.told.push({ revision, events, log }),
      ended: ({ code }) => void (this.ended = code),
    });
  }

  close(): void {
    this.#watch.close();
  }

  get offsets(): number[] {
    const offsets: number[] = [];
    for (const { events } of this.told) {
      for (const event of events) {
        const said = event.kind === 'deleted' ? {} : JSON.parse(Buffer.from(event.node.data).toString() || '{}');
        if (said.offset !== undefined) offsets.push(said.offset);
      }
    }
    return offsets;
  }
}

test('a watch goes on in the next leader epoch behind the last revision, and is told of progress', async () => {
  const { native, client } = await begin();
  const { clock } = native.cluster;
  await commit(native, client, 1);
  const read = await settled(native, client.namespace.get('/consumers/g/offsets/orders/0'));
  expect(read).toMatchObject({ revision: 1, leaderEpoch: 0, node: { modRevision: 1 } });
  const from = { from: read.revision + 1, fromEpoch: read.leaderEpoch! };
  const watching = new Watching(client, { path: '/consumers/g', kind: 'recursive', ...from });
  await clock.advance(10);
  expect(watching.started).toEqual([1, { partition: 0, leaderEpoch: 0 }]);
  await commit(native, client, 2);
  await clock.advance(WATCH_PROGRESS_MS);
  expect(watching.progress).toEqual([[2, { partition: 0, leaderEpoch: 0 }]]);
  native.reload();
  await clock.advance(RECONNECT_MS_MAX);
  await commit(native, client, 3);
  expect(watching.offsets).toEqual([2, 3]);
  expect(watching.told.map(({ revision, log }) => [revision, log])).toEqual([
    [2, { partition: 0, leaderEpoch: 0, reset: false }],
    [3, { partition: 0, leaderEpoch: 1, reset: false }],
  ]);
  // What the leader before has told counts here, and in its epoch.
  const again = new Watching(client, { path: '/consumers/g', kind: 'recursive', ...from });
  await clock.advance(10);
  expect(again.offsets).toEqual([2, 3]);
  watching.close();
  again.close();
});

test('what nobody has told is answered with all that there is, marked so: another epoch, or a revision that is to come', async () => {
  const { native, client } = await begin();
  await commit(native, client, 1);
  await commit(native, client, 2);
  native.reload();
  await commit(native, client, 3);
  const told = async (options: Pick<WatchOptions, 'from' | 'fromEpoch'>): Promise<[boolean, number[]]> => {
    const watching = new Watching(client, { path: '/consumers/g', kind: 'recursive', ...options });
    await native.cluster.clock.advance(10);
    watching.close();
    return [watching.told[0]!.log!.reset, watching.offsets];
  };
  expect(await told({ from: 3, fromEpoch: 0 })).toEqual([false, [3]]);
  expect(await told({ from: 3, fromEpoch: 1 })).toEqual([false, [3]]);
  expect(await told({ from: 3 })).toEqual([false, [3]]);
  // Epoch 0 ended at revision 2: three offsets of it are another log's.
  expect(await told({ from: 4, fromEpoch: 0 })).toEqual([true, [3]]);
  expect(await told({ from: 3, fromEpoch: 7 })).toEqual([true, [3]]);
  expect(await told({ from: 5, fromEpoch: 1 })).toEqual([true, [3]]);
});

test('whoever is not there is told so, and a coordinator that is not there is waited for and then told of', async () => {
  const { native, client } = await begin();
  await commit(native, client, 1, 'a/b');
  const { namespace } = client;
  await expect(settled(native, namespace.get('/consumers/nobody'))).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' });
  await expect(settled(native, namespace.children('/consumers/g/x'))).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' });
  expect((await settled(native, namespace.exists('/consumers/nobody'))).node).toBeUndefined();
  expect((await settled(native, namespace.children('/%63onsumers'))).names).toEqual(['a%2Fb']);
  expect((await settled(native, namespace.get('/consumers'))).node.childCount).toBe(1);
  const { transport, clock } = native.cluster;
  transport.stop('broker:1');
  const late = namespace.get('/consumers/a%2Fb');
  void clock.advance(METADATA_WAIT_MS / 2).then(() => native.listen());
  await clock.advance(METADATA_WAIT_MS / 2);
  expect((await settled(native, late, METADATA_WAIT_MS)).node.path).toBe('/consumers/a%2Fb');
  transport.stop('broker:1');
  const never = namespace.children('/consumers');
  never.catch(() => undefined);
  await clock.advance(METADATA_WAIT_MS);
  await expect(never).rejects.toMatchObject({
    code: 'COORDINATOR_NOT_AVAILABLE',
    message: expect.stringContaining('nobody answers for'),
  });
});

test('before there is a log of groups a watch stands, and nobody is listed', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client();
  const watching = new Watching(client, { path: '/consumers/g', kind: 'recursive' });
  const root = new Watching(client, { path: '/consumers', kind: 'children' });
  await cluster.clock.advance(1_000);
  expect([watching.started, root.started]).toEqual([
    [0, undefined],
    [0, undefined],
  ]);
  const listing = client.namespace.children('/consumers');
  await cluster.clock.advance(100);
  expect(await listing).toEqual({ revision: 0, names: [] });
});

test('a broker does not answer for what it does not lead, and pages have bounds in names and in bytes', async () => {
  const { native, client } = await begin();
  for (const group of ['c', 'a', 'b']) await commit(native, client, 1, group);
  const connection = native.cluster.transport.connect('broker:1');
  const list = (request: MessageInitShape<typeof ListConsumerNodesRequestSchema>) =>
    settled(native, connection.call(LIST, create(ListConsumerNodesRequestSchema, request), { deadlineMs: 1_000 }));
  expect(await list({ path: '/consumers', partitions: [0], limit: 2 })).toMatchObject({
    names: ['a', 'b'],
    more: true,
  });
  expect(await list({ path: '/consumers', partitions: [0, 0], after: 'b' })).toMatchObject({
    names: ['c'],
    more: false,
  });
  await expect(list({ path: '/consumers', partitions: [0, 1] })).rejects.toMatchObject(failsWith('NOT_COORDINATOR'));
  await expect(list({ path: '/brokers' })).rejects.toMatchObject(failsWith('INVALID_REQUEST'));
  await expect(list({ path: '/consumers/' })).rejects.toMatchObject(failsWith('INVALID_PATH'));
  const long = 'x'.repeat(30_000);
  const count = Math.ceil(CONSUMER_TREE_PAGE_BYTES / long.length) + 1;
  for (let i = 0; i < count; i++) await commit(native, client, 1, `${long}${i}`);
  const page = await list({ path: '/consumers', partitions: [0] });
  expect([page.more, page.names.length < count + 3]).toEqual([true, true]);
  expect((await settled(native, client.namespace.children('/consumers'))).names).toHaveLength(count + 3);
});

test('a stream of watches that asks for what cannot be is told why', async () => {
  const { native, client } = await begin();
  await commit(native, client, 1);
  const said: WatchConsumersResponse['response'][] = [];
  let closed: TransportFailure | undefined;
  const stream = native.cluster.transport.connect('broker:1').open(WATCH, {
    message: ({ response }) => void said.push(response),
    drained: () => {},
    closed: (failure) => void (closed = failure),
  });
  const start = (value: object): void =>
    void stream.send(
      create(WatchConsumersRequestSchema, {
        request: { case: 'start', value: { watchId: 1, path: '/consumers/g', kind: ConsumerWatchKind.DATA, ...value } },
      }),
    );
  start({ watchId: 1, kind: ConsumerWatchKind.UNSPECIFIED });
  start({ watchId: 2, path: '/brokers' });
  start({ watchId: 3, path: '/consumers', partition: 9 });
  start({ watchId: 4 });
  await native.cluster.clock.advance(10);
  expect(said.map(({ case: kind, value }) => [kind, kind === 'ended' ? value.code : ''])).toEqual([
    ['ended', 'INVALID_REQUEST'],
    ['ended', 'INVALID_REQUEST'],
    ['ended', 'NOT_COORDINATOR'],
    ['started', ''],
  ]);
  start({ watchId: 4 });
  await native.cluster.clock.advance(10);
  expect(closed).toMatchObject({ kind: 'refused', code: 'INVALID_REQUEST' });
});

test('a broker that stops lets go of its watches, which go on where the next leader is', async () => {
  const { native, client } = await begin();
  await commit(native, client, 1);
  const watching = new Watching(client, { path: '/consumers', kind: 'recursive' });
  await native.cluster.clock.advance(10);
  expect([watching.started, native.consumerWatches.watches]).toEqual([[0, undefined], 1]);
  native.consumerWatches.stop({ code: 'SHUTTING_DOWN', message: 'this broker is shutting down' });
  expect(native.consumerWatches.watches).toBe(0);
  await commit(native, client, 2);
  await native.cluster.clock.advance(RECONNECT_MS_MAX);
  expect([watching.ended, native.consumerWatches.watches]).toEqual([undefined, 0]);
  native.consumerWatches = new ConsumerWatchStreams();
  await native.listen();
  await native.cluster.clock.advance(2 * RECONNECT_MS_MAX);
  expect(watching.offsets).toEqual([2]);
  watching.close();
  await native.cluster.clock.advance(10);
  expect(native.consumerWatches.watches).toBe(0);
});
