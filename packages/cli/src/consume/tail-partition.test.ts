import type { Client } from '@weir/client/client.ts';
import type { SubscribeRequest, SubscriptionHandlers } from '@weir/client/consumer/subscription.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { expect, test } from 'vitest';
import { TestTerminal } from '../test-terminal.ts';
import { Printer } from './printer.ts';
import { textLines } from './record-text.ts';
import { tailPartition } from './tail-partition.ts';

/** A client of which only `subscribe` works; the test plays the broker. */
class FakeClient {
  handlers: SubscriptionHandlers | undefined;
  request: SubscribeRequest | undefined;
  credit = 0;
  closed = false;

  subscribe(request: SubscribeRequest, handlers: SubscriptionHandlers) {
    this.request = request;
    this.handlers = handlers;
    return {
      credit: (bytes: number) => {
        this.credit += bytes;
      },
      close: () => {
        this.closed = true;
      },
    };
  }
}

function batch(...values: string[]): Buffer {
  const builder = new BatchBuilder({ maxBytes: 10_000 });
  for (const value of values) builder.append({ key: null, value: Buffer.from(value), timestampMs: 0 });
  return builder.build();
}

function setUp(until: number | undefined, count?: number) {
  const client = new FakeClient();
  const terminal = new TestTerminal();
  const printer = new Printer(terminal, textLines(undefined), count);
  const stretch = { topic: 't', partition: 0, from: 0, until };
  const ended = tailPartition(client as unknown as Client, stretch, printer);
  return { client, terminal, printer, ended };
}

const INFO = { fromOffset: 0, nextOffset: 2, highWatermark: 3, logStartOffset: 0 };

test('it ends where the stretch ends, and gives credit back until then', async () => {
  const { client, terminal, ended } = setUp(3);
  const first = batch('a', 'b');
  client.handlers!.batches(first, INFO);
  await Promise.resolve();
  await Promise.resolve();
  expect(client.credit).toBe(first.length);
  client.handlers!.batches(batch('x', 'y', 'c', 'd'), INFO);
  await ended;
  expect(client.closed).toBe(true);
  expect(terminal.output).toBe('a\nb\nc\n');
});

test('a stretch whose last offsets hold no records ends when the partition is read to there', async () => {
  const { client, ended } = setUp(3);
  client.handlers!.caughtUp({ highWatermark: 2, logStartOffset: 0 });
  expect(client.closed).toBe(false);
  client.handlers!.caughtUp(INFO);
  await ended;
  expect(client.closed).toBe(true);
});

test('an empty stretch asks nobody', async () => {
  const { client, ended } = setUp(0);
  await ended;
  expect(client.request).toBeUndefined();
});

test('without an end it goes on until somebody has enough', async () => {
  const { client, terminal, printer, ended } = setUp(undefined);
  client.handlers!.batches(batch('a'), INFO);
  client.handlers!.caughtUp(INFO);
  expect(client.closed).toBe(false);
  printer.stop();
  await ended;
  expect(client.closed).toBe(true);
  client.handlers!.batches(batch('b'), INFO);
  expect(terminal.output).toBe('a\n');
});

test('a refusal and a malformed batch end it with a reason that names the partition', async () => {
  const refused = setUp(undefined);
  refused.client.handlers!.ended({ code: 'OFFSET_OUT_OF_RANGE', message: 'it was deleted' });
  await expect(refused.ended).rejects.toThrow('partition 0 of t: it was deleted');
  const malformed = setUp(undefined);
  malformed.client.handlers!.batches(Buffer.alloc(100, 7), INFO);
  await expect(malformed.ended).rejects.toThrow('partition 0 of t');
  expect(malformed.client.closed).toBe(true);
});
