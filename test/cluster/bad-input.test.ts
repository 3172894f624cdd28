import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DevCluster } from './dev-cluster.ts';
import { http, RawConnection } from './http-client.ts';

const cluster = new DevCluster();
beforeAll(async () => {
  await cluster.start();
  await http(`${cluster.url}/v1/topics`, { body: { name: 'good', partitions: 2 } });
});
afterAll(() => cluster.remove());
afterEach(async () => {
  // Whatever was thrown at it, everyone else is unaffected.
  const { status, text } = await http(records(), { body: { fine: true } });
  if (status !== 200) throw new Error(`a good request was answered with ${status} ${text}`);
});

const records = (query = ''): string => `${cluster.url}/v1/topics/good/records${query}`;

test('malformed JSON is refused with the place where it breaks', async () => {
  const answer = await http(records(), { body: '{"a":', headers: { 'content-type': 'application/json' } });
  expect(answer.status).toBe(400);
  expect(answer.json.message).toMatch(/JSON/);
});

test('an unknown media type is refused by name', async () => {
  const answer = await http(records(), {
    body: 'x=1',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(answer.status).toBe(415);
  expect(answer.json.message).toContain('application/x-www-form-urlencoded');
});

test('unknown topics, partitions and routes are 404 and say which', async () => {
  for (const path of [
    '/v1/topics/nowhere/records?partition=0&offset=0',
    '/v1/topics/good/records?partition=9&offset=0',
    '/topics/nowhere',
    '/v1/nonsense',
  ]) {
    const answer = await http(cluster.url + path);
    expect(answer.status, path).toBe(404);
    expect(answer.json.message, path).toBeTypeOf('string');
  }
  expect((await http(records('?partition=9'), { body: 1 })).status).toBe(404);
});

test('names outside of the rule are refused, path tricks among them', async () => {
  for (const name of ['a b', 'x'.repeat(250), '..', '.', 'a/b', '__secret', '']) {
    const answer = await http(`${cluster.url}/v1/topics`, { body: { name, partitions: 1 } });
    expect(answer.status, name).toBe(400);
  }
  for (const path of [
    '/v1/topics/%2e%2e/records',
    '/v1/topics/a%00b/records',
    '/v1/topics/a%2Fb/records',
    '/v1/topics/../../etc/passwd',
  ]) {
    const connection = new RawConnection(cluster.url);
    connection.write(
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1`,
    );
    expect(await connection.until(/^HTTP\/1.1 \d+/), path).toMatch(/^HTTP\/1.1 40[04]/);
    connection.socket.destroy();
  }
});

test('an oversize record is refused, alone', async () => {
  const answer = await http(records(), { body: ['small', 'x'.repeat(1_100_000), 'small too'] });
  const offsets = answer.json.offsets as { offset?: number; code?: string }[];
  expect(offsets.map((at) => at.offset !== undefined)).toEqual([true, false, true]);
  expect(offsets[1]).toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
  const alone = await http(records(), { body: 'x'.repeat(1_100_000), headers: { 'content-type': 'text/plain' } });
  expect(alone.status).toBe(413);
});

test('a body over the limit is refused before it is taken in', async () => {
  const connection = new RawConnection(cluster.url);
  connection.write(
    'POST /v1/topics/good/records HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n[',
  );
  expect(await connection.until(/^HTTP\/1.1 \d+/)).toMatch(/^HTTP\/1.1 413/);
  connection.socket.destroy();
});

test('negative, future and senseless offsets are told apart', async () => {
  expect((await http(records('?partition=0&offset=-1'))).status).toBe(400);
  expect((await http(records('?partition=0&offset=abc'))).status).toBe(400);
  expect((await http(records('?partition=-1&offset=0'))).status).toBe(400);
  const future = await http(records('?partition=0&offset=999999999'));
  expect(future.status).toBe(404);
  expect(future.json.code).toBe('OFFSET_OUT_OF_RANGE');
});

test('an offset without a partition, a day that no month has and a key that is not UTF-8 are refused, not guessed', async () => {
  expect((await http(records('?offset=3'))).json.message).toContain('partition=0');
  expect((await http(records('?timestamp=2026-02-31T00:00:00Z'))).status).toBe(400);
  expect((await http(records('?key=%ff%fe'), { body: 1 })).status).toBe(400);
});

test('a foreign Origin and a foreign Host are refused', async () => {
  const foreign = await http(records(), { body: { a: 1 }, headers: { origin: 'https://evil.example' } });
  expect(foreign.status).toBe(403);
  const connection = new RawConnection(cluster.url);
  connection.write('GET /v1/topics HTTP/1.1\r\nHost: evil.example\r\n\r\n');
  expect(await connection.until(/^HTTP\/1.1 \d+/)).toMatch(/^HTTP\/1.1 (403|421)/);
  connection.socket.destroy();
});

test('a request that is never finished is closed, and meanwhile others are served', async () => {
  const headers = new RawConnection(cluster.url);
  headers.write('POST /v1/topics/good/records HTTP/1.1\r\nHost: 127.0.0.1\r\n');
  const body = new RawConnection(cluster.url);
  body.write(
    'POST /v1/topics/good/records HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
  );
  expect((await http(records(), { body: 1 })).status).toBe(200);
  await Promise.all([headers.closed, body.closed]);
  expect(headers.received + body.received).toMatch(/^(HTTP\/1.1 408[^]*)*$/);
}, 60_000);

test('a reader that stops reading costs a bounded amount of memory', async () => {
  const value = 'x'.repeat(500_000);
  for (let i = 0; i < 40; i++)
    await http(records('?partition=1'), { body: [value, value], headers: { 'content-type': 'application/json' } });
  const resident = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${cluster.pid}/status`, 'utf8'))?.[1]) / 1024;
  const before = resident();
  const stalled = Array.from({ length: 20 }, () => {
    const connection = new RawConnection(cluster.url);
    connection.socket.pause();
    connection.write('GET /v1/topics/good/stream?partition=1&from=earliest HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    return connection;
  });
  for (let i = 0; i < 50; i++) expect((await http(records('?partition=0'), { body: { i } })).status).toBe(200);
  // Twenty readers with 40 MB before each would be 800 MB.
  expect(resident() - before).toBeLessThan(300);
  for (const connection of stalled) connection.socket.destroy();
}, 60_000);
