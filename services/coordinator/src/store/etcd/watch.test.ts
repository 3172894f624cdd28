import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import { ETCD_PROGRESS_MS, ETCD_SILENCE_MS, RETRY_BACKOFF_MS_MAX } from '@weir/base/limits.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { Event_EventType } from '@weir/proto/etcd/kv_pb.js';
import type { WatchRequest as EtcdWatchRequest } from '@weir/proto/etcd/rpc_pb.js';
import { WatchResponseSchema } from '@weir/proto/etcd/rpc_pb.js';
import type { WatchLoss } from '../metadata-store.ts';
import { EtcdError } from './failure.ts';
import type { EtcdFailure } from './failure.ts';
import { EtcdMessages } from './messages.ts';
import { EtcdWatch } from './watch.ts';
import type { WatchedEtcd, WatchStream } from './watch.ts';

const UNREACHABLE: EtcdFailure = { kind: 'unreachable', message: 'nobody is there' };
const BROKEN: EtcdFailure = { kind: 'unknown', message: 'the connection broke' };

/** A stream as etcd has it, from etcd's side. */
class FakeStream implements WatchStream {
  readonly requests: EtcdWatchRequest[] = [];
  /** How this side left it. */
  left: 'closed' | 'given up' | undefined;
  readonly #handlers: Parameters<WatchedEtcd['open']>[0];

  constructor(handlers: Parameters<WatchedEtcd['open']>[0]) {
    this.#handlers = handlers;
  }

  break(failure: EtcdFailure): void {
    this.#handlers.closed(failure);
  }

  send(request: EtcdWatchRequest): void {
    this.requests.push(request);
  }

  close(): void {
    this.left = 'closed';
  }

  giveUp(): void {
    this.left = 'given up';
  }

  get startRevision(): bigint {
    const { requestUnion } = this.requests[0]!;
    return requestUnion.case === 'createRequest' ? requestUnion.value.startRevision : -1n;
  }

  answer(at: number, response: object = {}): void {
    const init: MessageInitShape<typeof WatchResponseSchema> = { header: { revision: BigInt(at) }, ...response };
    this.#handlers.message(create(WatchResponseSchema, init));
  }

  created(at: number): void {
    this.answer(at, { created: true });
  }

  put(at: number, ...keys: string[]): void {
    this.answer(at, { events: keys.map((key) => putEvent(at, key)) });
  }
}

const putEvent = (at: number, key: string) => ({
  type: Event_EventType.PUT,
  kv: { key: Buffer.from(`/p${key}`), modRevision: BigInt(at), createRevision: BigInt(at), version: 1n },
});

function setUp(after: number) {
  const clock = new ManualClock();
  const streams: FakeStream[] = [];
  const etcd = { failure: undefined as EtcdFailure | undefined, newest: 1_000 };
  const told: string[] = [];
  const lost: WatchLoss[] = [];
  const watch = new EtcdWatch(
    {
      async open(handlers) {
        if (etcd.failure !== undefined) throw new EtcdError(etcd.failure);
        const stream = new FakeStream(handlers);
        streams.push(stream);
        return stream;
      },
      revision: async () => revision(etcd.newest),
    },
    {
      request: { prefix: '/', after: revision(after) },
      messages: new EtcdMessages('/p'),
      clock,
      handlers: {
        revised: ({ revision: at, events }) =>
          void told.push(`${at}:${events.map((event) => (event.kind === 'put' ? event.item.key : '')).join()}`),
        lost: (loss) => void lost.push(loss),
      },
    },
  );
  /** The stream that is open now. */
  const current = async (): Promise<FakeStream> => {
    await clock.settle();
    return streams.at(-1)!;
  };
  return { clock, streams, etcd, told, lost, watch, current };
}

test('it begins behind its revision, and again behind what it has told after a stream broke', async () => {
  const { clock, streams, told, current } = setUp(7);
  const first = await current();
  expect(first.startRevision).toBe(8n);
  first.created(7);
  first.put(9, '/a', '/b');
  first.break(BROKEN);
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  const second = await current();
  expect(streams).toHaveLength(2);
  expect(second.startRevision).toBe(10n);
  // What is left of the first one does not count, and what comes twice is told once.
  first.put(10, '/late');
  second.created(12);
  second.put(9, '/a');
  second.put(10, '/c');
  expect(told).toEqual(['9:/a,/b', '10:/c']);
});

test('a revision that broke off in its fragments is told once, as a whole', async () => {
  const { clock, told, current } = setUp(0);
  const first = await current();
  first.created(5);
  first.answer(5, { events: [putEvent(1, '/a'), putEvent(2, '/b')], fragment: true });
  expect(told).toEqual(['1:/a']);
  first.break(BROKEN);
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  const second = await current();
  expect(second.startRevision).toBe(2n);
  second.answer(5, { events: [putEvent(2, '/b'), putEvent(2, '/c')] });
  expect(told).toEqual(['1:/a', '2:/b,/c']);
});

test('progress moves the position where nothing changes, and the answer to its creation does not', async () => {
  const { clock, current } = setUp(3);
  const first = await current();
  first.created(50);
  first.break(BROKEN);
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  const second = await current();
  expect(second.startRevision).toBe(4n);
  second.created(50);
  await clock.advance(ETCD_PROGRESS_MS);
  expect(second.requests.at(-1)!.requestUnion.case).toBe('progressRequest');
  second.answer(60);
  second.break(BROKEN);
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  expect((await current()).startRevision).toBe(61n);
});

test('a member that is silent is given up, and one that answers is kept', async () => {
  const { clock, streams, current } = setUp(0);
  const first = await current();
  first.created(1);
  for (let i = 0; i < 20; i++) {
    await clock.advance(ETCD_PROGRESS_MS);
    first.answer(1);
  }
  expect(streams).toHaveLength(1);
  await clock.advance(ETCD_SILENCE_MS + 2 * ETCD_PROGRESS_MS);
  expect(first.left).toBe('given up');
  expect(streams.length).toBeGreaterThan(1);
});

test('it tries again for as long as no member can be had', async () => {
  const { clock, etcd, streams, lost, current } = setUp(0);
  etcd.failure = UNREACHABLE;
  const first = await current();
  first?.break(BROKEN);
  await clock.advance(60_000);
  expect(lost).toEqual([]);
  etcd.failure = undefined;
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  expect(streams.at(-1)!.left).toBeUndefined();
});

test('a compacted start is a loss, and nothing comes behind it', async () => {
  const { clock, streams, told, lost, current } = setUp(3);
  const first = await current();
  first.answer(90, { canceled: true, compactRevision: 80n });
  first.put(91, '/a');
  await clock.advance(60_000);
  expect(lost).toEqual([{ kind: 'compacted' }]);
  expect(told).toEqual([]);
  expect(streams).toHaveLength(1);
});

test('a member that lags is none that was put back, and a store that was is a loss', async () => {
  const { clock, etcd, lost, current } = setUp(100);
  const first = await current();
  first.created(90);
  await clock.settle();
  expect(lost).toEqual([]);
  etcd.newest = 90;
  first.break(BROKEN);
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  (await current()).created(90);
  await clock.settle();
  expect(lost).toEqual([{ kind: 'rewound' }]);
});

test('who may not watch is told, and a token that is no longer good is none of that', async () => {
  const { clock, streams, lost, current } = setUp(1);
  (await current()).answer(1, { created: true, canceled: true, cancelReason: 'etcdserver: invalid auth token' });
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  expect(streams).toHaveLength(2);
  (await current()).answer(1, { created: true, canceled: true, cancelReason: 'etcdserver: permission denied' });
  await clock.settle();
  expect(lost).toMatchObject([{ kind: 'fault', fault: { retriable: false } }]);
});

test('events that are out of order are not told: it begins again where it was', async () => {
  const { clock, told, current } = setUp(0);
  const first = await current();
  first.answer(9, { events: [putEvent(1, '/a'), putEvent(4, '/b'), putEvent(3, '/c')] });
  expect(first.left).toBe('given up');
  await clock.advance(RETRY_BACKOFF_MS_MAX);
  const second = await current();
  expect(second.startRevision).toBe(1n);
  second.answer(9, { events: [putEvent(1, '/a'), putEvent(3, '/c'), putEvent(4, '/b')] });
  expect(told).toEqual(['1:/a', '3:/c', '4:/b']);
});

test('once it is closed nothing is told, asked or tried', async () => {
  const { clock, streams, told, watch, current } = setUp(0);
  const first = await current();
  watch.close();
  expect(first.left).toBe('closed');
  first.put(1, '/a');
  first.break(BROKEN);
  await clock.advance(60_000);
  expect(told).toEqual([]);
  expect(streams).toHaveLength(1);
});
