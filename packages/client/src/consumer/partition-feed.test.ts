import { offset } from '@weir/base/ids.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { writeBaseOffset } from '@weir/records/batch-header.ts';
import { expect, test } from 'vitest';
import type { Fetcher } from './fetcher.ts';
import { PartitionFeed } from './partition-feed.ts';
import type { SubscribeRequest, SubscriptionHandlers } from './subscription.ts';

function batchAt(base: number, ...values: string[]): Buffer {
  const builder = new BatchBuilder({ maxBytes: 10_000 });
  for (const value of values) builder.append({ key: null, value: Buffer.from(value), timestampMs: 1_000 });
  const batch = builder.build();
  writeBaseOffset(batch, 0, offset(base));
  return batch;
}

/** A feed whose broker the test plays. */
class Played {
  readonly requests: SubscribeRequest[] = [];
  readonly feed: PartitionFeed;
  handlers: SubscriptionHandlers | undefined;
  credit = 0;
  ready = 0;
  ended: string[] = [];
  open = 0;

  constructor() {
    const fetcher = {
      subscribe: (request: SubscribeRequest, handlers: SubscriptionHandlers) => {
        this.requests.push(request);
        this.handlers = handlers;
        this.open++;
        return { credit: (bytes: number) => void (this.credit += bytes), close: () => void this.open-- };
      },
    } as unknown as Fetcher;
    this.feed = new PartitionFeed(
      { topic: 't', partition: 3 },
      {
        fetcher,
        creditBytes: 1_000,
        ready: () => void this.ready++,
        ended: (_feed, { code }) => void this.ended.push(code),
      },
    );
  }

  /** Batches that begin at an offset come. */
  come(base: number, ...values: string[]): Buffer {
    const batches = batchAt(base, ...values);
    const nextOffset = base + values.length;
    this.handlers!.batches(batches, {
      fromOffset: this.requests.at(-1)!.offset,
      nextOffset,
      highWatermark: nextOffset,
      logStartOffset: 0,
    });
    return batches;
  }

  take(): string | undefined {
    const record = this.feed.take();
    return record === undefined ? undefined : String(record.value);
  }
}

test('it reads nothing before it is told where, begins inside a batch, and gives credit back for what was taken', () => {
  const played = new Played();
  expect([played.feed.isLost, played.requests]).toEqual([true, []]);
  played.feed.begin(1);
  expect(played.requests).toEqual([{ topic: 't', partition: 3, offset: 1, creditBytes: 1_000 }]);
  const first = played.come(0, 'a', 'b', 'c');
  played.come(3, 'd');
  expect([played.take(), played.credit, played.feed.position]).toEqual(['b', 0, 2]);
  expect([played.take(), played.credit]).toEqual(['c', 0]);
  expect([played.take(), played.credit, played.feed.position]).toEqual(['d', first.length, 4]);
  expect([played.take(), played.feed.hasRecords]).toEqual([undefined, false]);
});

test('what was taken is processed once that is said, and a seek is where its owner is', () => {
  const played = new Played();
  const { feed } = played;
  feed.begin(0);
  expect([feed.position, feed.processed, feed.committed, played.open]).toEqual([0, 0, 0, 1]);
  feed.seek(7);
  expect([feed.position, feed.processed, feed.committed]).toEqual([7, 7, 0]);
  feed.lose();
  expect([feed.position, feed.isLost]).toEqual([undefined, true]);
});

test('a paused one gives nothing and no credit back, and tells when it is ready again', () => {
  const played = new Played();
  played.feed.begin(0);
  played.come(0, 'a', 'b');
  expect([played.take(), played.ready]).toEqual(['a', 1]);
  played.feed.confirm();
  played.feed.pause();
  played.come(2, 'c');
  expect([played.take(), played.ready, played.credit, played.feed.processed]).toEqual([undefined, 1, 0, 1]);
  played.feed.resume();
  expect([played.ready, played.take(), played.take()]).toEqual([2, 'b', 'c']);
});

test('a seek forgets what was read ahead; one that ended reads on behind what was taken', () => {
  const played = new Played();
  played.feed.begin(0);
  played.come(0, 'a', 'b', 'c');
  expect(played.take()).toBe('a');
  played.feed.seek(5);
  expect([played.take(), played.open]).toEqual([undefined, 1]);
  played.come(5, 'f', 'g');
  expect(played.take()).toBe('f');
  played.handlers!.ended({ code: 'THROTTLING_QUOTA_EXCEEDED', message: 'too many' });
  played.feed.readOn();
  expect([played.ended, played.requests.map((request) => request.offset)]).toEqual([
    ['THROTTLING_QUOTA_EXCEEDED'],
    [0, 5, 6],
  ]);
  played.come(5, 'f', 'g');
  expect(played.take()).toBe('g');
});

test('what is ahead counts until all of a batch is taken, and not while it is paused or once it is forgotten', () => {
  const played = new Played();
  const { feed } = played;
  feed.begin(0);
  const [first, second] = [played.come(0, 'a'), played.come(1, 'b', 'c')];
  expect(feed.aheadBytes).toBe(first.length + second.length);
  played.take();
  played.take();
  expect(feed.aheadBytes).toBe(second.length);
  feed.pause();
  expect(feed.aheadBytes).toBe(0);
  feed.resume();
  played.take();
  expect([played.take(), feed.aheadBytes]).toEqual([undefined, 0]);
  const third = played.come(3, 'd');
  expect(feed.aheadBytes).toBe(third.length);
  feed.seek(1);
  const again = played.come(1, 'b', 'c');
  expect(feed.aheadBytes).toBe(again.length);
});

test('a closed one gives nothing and reads nothing, and still knows how far it has come', () => {
  const played = new Played();
  played.feed.begin(0);
  played.come(0, 'a', 'b');
  played.take();
  played.feed.confirm();
  played.feed.close();
  played.feed.readOn();
  played.feed.resume();
  expect([played.take(), played.feed.processed, played.open, played.feed.isLost]).toEqual([undefined, 1, 0, false]);
});
