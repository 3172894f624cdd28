import { afterAll, beforeAll, expect, test } from 'vitest';
import { STREAM_CREDIT_BYTES } from '@weir/base/limits.ts';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

interface Event {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: any;
}

/** Reads events one by one, as an EventSource does. */
class Reader {
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array>;
  readonly #abort: AbortController;
  readonly status: number;
  #text = '';

  private constructor(response: Response, abort: AbortController) {
    this.status = response.status;
    this.#chunks = response.body!.getReader();
    this.#abort = abort;
  }

  static async open(path: string, headers: Record<string, string> = {}): Promise<Reader> {
    const abort = new AbortController();
    const response = await fetch(`${gateway.url}/v1/topics/${path}`, { headers, signal: abort.signal });
    return new Reader(response, abort);
  }

  /** The next block, comments included; undefined at the end. */
  async block(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end !== -1) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return block;
      }
      const { done, value } = await this.#chunks.read();
      if (done) return undefined;
      this.#text += Buffer.from(value).toString();
    }
  }

  async next(): Promise<Event> {
    for (;;) {
      const block = await this.block();
      if (block === undefined) throw new Error('the stream ended');
      const field = (name: string): string | undefined =>
        block
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      const data = field('data');
      if (data !== undefined) return { id: field('id'), event: field('event'), data: JSON.parse(data) };
    }
  }

  close(): void {
    this.#abort.abort();
  }
}

async function produce(topic: string, body: string, query = ''): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${gateway.url}/v1/topics/${topic}/records${query}`, { method: 'POST', body, headers });
}

test('a stream brings what is produced after it began, live', async () => {
  await produce('orders', '"before"');
  const reader = await Reader.open('orders/stream');
  await produce('orders', '{"n": 12345678901234567890}', '?key=k');
  const block = async (): Promise<string> => {
    const next = (await reader.block())!;
    return next.includes('data: ') ? next : block();
  };
  expect(await block()).toMatch(
    /^id: 1\.00000000\.0-2\ndata: \{"partition":0,"offset":1,"timestamp":\d+,"key":"k","value":\{"n": 12345678901234567890\},"headers":\[\]\}$/,
  );
  reader.close();
  await expect.poll(() => gateway.client.followers.size).toBe(0);
});

test('a stream goes on after the event that was seen last', async () => {
  gateway.client.addTopic('resume', 3);
  for (let i = 0; i < 9; i++) await produce('resume', String(i), `?partition=${i % 3}`);
  const first = await Reader.open('resume/stream?from=earliest');
  const seen = [await first.next(), await first.next(), await first.next(), await first.next()];
  first.close();
  const second = await Reader.open('resume/stream', { 'last-event-id': seen.at(-1)!.id! });
  for (let i = 0; i < 5; i++) seen.push(await second.next());
  second.close();
  expect(seen.map(({ data }) => Number(data.value)).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('a tombstone is a delete event, and one partition can be followed alone', async () => {
  gateway.client.addTopic('deletes', 2);
  const reader = await Reader.open('deletes/stream?partition=1');
  await produce('deletes', '1', '?partition=0');
  await produce('deletes', 'null', '?partition=1&key=gone');
  expect(await reader.next()).toMatchObject({ event: 'delete', data: { partition: 1, key: 'gone', value: null } });
  reader.close();
});

test('a value with line breaks is still one event', async () => {
  gateway.client.addTopic('breaks', 1);
  const reader = await Reader.open('breaks/stream');
  await produce('breaks', '{\n"a":\r\n1}');
  expect((await reader.next()).data.value).toEqual({ a: 1 });
  reader.close();
});

test('a reader that stops reading stops the brokers, and gets everything once it goes on', async () => {
  gateway.client.addTopic('flood', 1);
  const count = 200;
  const value = JSON.stringify('x'.repeat(100_000));
  for (let i = 0; i < count; i++) await produce('flood', value);
  const reader = await Reader.open('flood/stream?from=earliest');
  const [follower] = gateway.client.followers;
  await expect.poll(() => follower!.credit, { timeout: 20_000 }).toBeLessThanOrEqual(0);
  expect(follower!.next).toBeLessThan(count);
  expect(follower!.credit).toBeGreaterThan(-STREAM_CREDIT_BYTES);
  for (let i = 0; i < count; i++) expect((await reader.next()).data.offset).toBe(i);
  reader.close();
});

test('a cursor to records that are gone says so and goes on with the first one there is', async () => {
  gateway.client.addTopic('gap', 1);
  await produce('gap', '[0,1,2,3]');
  gateway.client.startOffset = 2;
  const reader = await Reader.open('gap/stream', { 'last-event-id': '1.00000000.0-1' });
  expect(await reader.next()).toMatchObject({ event: 'gap', data: { partition: 0, from: 1, to: 2 } });
  expect((await reader.next()).data.value).toBe(2);
  gateway.client.startOffset = 0;
  reader.close();
});

test('a refusal ends the stream with its reason', async () => {
  gateway.client.addTopic('ends', 1);
  const reader = await Reader.open('ends/stream');
  const [follower] = [...gateway.client.followers].filter(({ topic }) => topic === 'ends');
  follower!.handlers.ended({ code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'deleted' });
  expect(await reader.next()).toMatchObject({ event: 'refused', data: { error_code: 404, message: 'deleted' } });
  expect(await reader.block()).toBeUndefined();
});

test.each(['nope/stream', 'orders/stream?from=middle', 'orders/stream?partition=3', 'orders/stream?x=1'])(
  '%s is refused',
  async (path) => {
    const response = await fetch(`${gateway.url}/v1/topics/${path}`);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await response.json()).toHaveProperty('code');
  },
);
