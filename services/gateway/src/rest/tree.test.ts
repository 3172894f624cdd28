import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NODE_DATA_BYTES_MAX } from '@weir/base/limits.ts';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

async function call(method: string, path: string, body?: string | Uint8Array, headers: Record<string, string> = {}) {
  const init = { method, headers, ...(body === undefined ? {} : { body: body as string }) };
  const response = await fetch(`${gateway.url}/v1/tree${path}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

describe('nodes over HTTP', () => {
  test('a node is created, read, replaced with its version and deleted', async () => {
    const created = await call('POST', '/config-a', 'one');
    expect(created).toMatchObject({ status: 201, body: { path: '/config-a', version: 0 } });
    expect(created.headers.get('location')).toBe('/v1/tree/config-a');
    expect(await call('POST', '/config-a', 'two')).toMatchObject({ status: 409, body: { code: 'NODE_EXISTS' } });
    expect((await call('GET', '/config-a')).body).toMatchObject({
      data: 'one',
      encoding: 'text',
      ephemeral_owner: null,
    });
    expect(await call('PUT', '/config-a?version=0', 'two')).toMatchObject({ status: 200, body: { version: 1 } });
    expect(await call('PUT', '/config-a?version=0', 'three')).toMatchObject({
      status: 409,
      body: { code: 'BAD_VERSION' },
    });
    expect(await call('DELETE', '/config-a?version=0')).toMatchObject({ status: 409 });
    expect(await call('DELETE', '/config-a?version=1')).toMatchObject({ status: 204 });
    expect(await call('GET', '/config-a')).toMatchObject({ status: 404, body: { code: 'NODE_NOT_FOUND' } });
  });

  test('a PUT without a version creates what is not there, with one it does not', async () => {
    expect(await call('PUT', '/put', 'x')).toMatchObject({ status: 201 });
    expect(await call('PUT', '/put', 'y')).toMatchObject({ status: 200, body: { version: 1 } });
    expect(await call('PUT', '/absent?version=0', 'x')).toMatchObject({ status: 404 });
  });

  test('a path is taken as it was sent: an encoded slash is none, and the root is a node', async () => {
    await call('POST', '/dir', '');
    await call('POST', '/dir/a%2Fb', 'x');
    expect((await call('GET', '/dir/a%2Fb')).body.path).toBe('/dir/a%2Fb');
    expect((await call('GET', '/dir?children=true')).body.children).toEqual(['a%2Fb']);
    expect((await call('GET', '')).body.path).toBe('/');
    expect((await call('GET', '/?children=true')).body.children).toContain('dir');
  });

  test('bytes that are no text come back in base64', async () => {
    await call('POST', '/bytes', new Uint8Array([0xff, 0x00]));
    expect((await call('GET', '/bytes')).body).toMatchObject({ data: '/wA=', encoding: 'base64' });
  });

  test('a sequential node says where it is', async () => {
    const { body, headers } = await call('POST', '/job-?sequential=true', '');
    expect(body.path).toMatch(/^\/job-\d{10}$/);
    expect(headers.get('location')).toBe(`/v1/tree${body.path}`);
  });

  test.each([
    ['GET', '/dir?from=1', 400],
    ['GET', '/dir?watch=some', 400],
    ['GET', '/dir?deep=true', 400],
    ['PUT', '/dir?version=-1', 400],
    ['PUT', '', 405],
    ['PATCH', '/dir', 405],
  ])('%s %s is refused with %i', async (method, path, status) => {
    expect((await call(method, path, method === 'GET' ? undefined : 'x')).status).toBe(status);
  });

  test('data that is too large is refused before it is sent on', async () => {
    expect(await call('PUT', '/large', 'x'.repeat(NODE_DATA_BYTES_MAX + 1))).toMatchObject({
      status: 413,
      body: { code: 'MESSAGE_TOO_LARGE' },
    });
  });
});

describe('watches over HTTP', () => {
  /** The next blocks of a stream, comments left out. */
  async function* blocks(response: Response): AsyncGenerator<Record<string, string>> {
    let text = '';
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk).toString();
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const fields = lines.filter((line) => !line.startsWith(':')).map((line) => line.split(/: (.*)/s).slice(0, 2));
        if (fields.length > 0) yield Object.fromEntries(fields) as Record<string, string>;
      }
    }
  }

  test('a change is an event of which the id is its revision, and the stream goes on behind an id', async () => {
    const stop = new AbortController();
    const response = await fetch(`${gateway.url}/v1/tree/watched?watch=recursive`, { signal: stop.signal });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = blocks(response);
    const first = await events.next();
    expect(first.value).toHaveProperty('id');
    const { body } = await call('POST', '/watched', 'x');
    const event = (await events.next()).value as Record<string, string>;
    expect(event).toMatchObject({ event: 'changes', id: String(body.mod_revision) });
    expect(JSON.parse(event['data']!)).toMatchObject({
      revision: body.mod_revision,
      events: [{ kind: 'created', path: '/watched', node: { data: 'x' } }],
    });
    const watches = gateway.client.namespace.watches.size;
    stop.abort();
    await expect.poll(() => gateway.client.namespace.watches.size).toBe(watches - 1);
    const again = await fetch(`${gateway.url}/v1/tree/watched?watch=data`, {
      headers: { 'last-event-id': event['id']! },
    });
    const [watch] = [...gateway.client.namespace.watches].slice(-1);
    expect(watch!.options).toMatchObject({ from: body.mod_revision + 1, kind: 'data' });
    await again.body!.cancel();
  });

  test('a beginning that is too old is 410, after which a browser does not try again', async () => {
    gateway.client.namespace.oldest = 100;
    const response = await fetch(`${gateway.url}/v1/tree/watched?watch=data&from=5`);
    expect(response.status).toBe(410);
    expect(await response.json()).toMatchObject({ code: 'COMPACTED' });
    gateway.client.namespace.oldest = 1;
  });

  test('below /consumers ids have the leader epoch in front, and what is told anew says so', async () => {
    const headers = { 'last-event-id': '3-17' };
    const response = await fetch(`${gateway.url}/v1/tree/consumers/g?watch=data`, { headers });
    const events = blocks(response);
    expect((await events.next()).value).toMatchObject({ id: '3-17' });
    const [watch] = [...gateway.client.namespace.watches].slice(-1);
    expect(watch!.options).toMatchObject({ from: 18, fromEpoch: 3 });
    watch!.handlers.events(2, [{ kind: 'deleted', path: '/consumers/g' }], {
      partition: 7,
      leaderEpoch: 4,
      reset: true,
    });
    const { value } = (await events.next()) as { value: Record<string, string> };
    expect(value).toMatchObject({ event: 'changes', id: '4-2' });
    expect(JSON.parse(value['data']!)).toEqual({
      revision: 2,
      leader_epoch: 4,
      partition: 7,
      reset: true,
      events: [{ revision: 2, leader_epoch: 4, kind: 'deleted', path: '/consumers/g' }],
    });
    await response.body!.cancel().catch(() => undefined);
    for (const from of ['4-', '0', '-1', '99999999999-1']) {
      const refused = await fetch(`${gateway.url}/v1/tree/consumers/g?watch=data&from=${from}`);
      expect([refused.status, await refused.json()]).toEqual([
        400,
        expect.objectContaining({ code: 'INVALID_REQUEST' }),
      ]);
    }
  });

  test('a watch that the coordinator ends says why, and ends', async () => {
    const response = await fetch(`${gateway.url}/v1/tree/watched?watch=data`);
    const events = blocks(response);
    await events.next();
    const [watch] = [...gateway.client.namespace.watches].slice(-1);
    watch!.handlers.ended({ code: 'COMPACTED', message: 'changes were missed' });
    const { value } = await events.next();
    expect(value).toMatchObject({ event: 'refused' });
    expect((await events.next()).done).toBe(true);
  });

  test('a reader that takes nothing is ended, and not waited for with ever more memory', async () => {
    const response = await fetch(`${gateway.url}/v1/tree/watched?watch=data`);
    const [watch] = [...gateway.client.namespace.watches].slice(-1);
    const stat = { createRevision: 1, version: 0, childrenVersion: 0, childCount: 0, ephemeralOwner: 0 };
    let told = 0;
    while (gateway.client.namespace.watches.has(watch!) && told < 1_000) {
      const node = { path: '/watched', ...stat, modRevision: ++told, data: Buffer.alloc(400_000, 'x') };
      watch!.handlers.events(told, [{ kind: 'changed', path: '/watched', node }]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(told).toBeLessThan(1_000);
    expect(await response.text()).toContain('SLOW_READER');
  });
});

describe('several operations over HTTP', () => {
  const write = (operations: unknown, headers: Record<string, string> = {}) =>
    call('POST', '', JSON.stringify(operations), { 'content-type': 'application/json', ...headers });

  test('all are done, and the answer has each node as it is after the whole', async () => {
    const { status, body } = await write([
      { kind: 'create', path: '/m', data: '/w==', encoding: 'base64' },
      { kind: 'create', path: '/m2', data: 'text' },
      { kind: 'set', path: '/m', data: 'one', version: 0 },
      { kind: 'check', path: '/m', version: 1 },
      { kind: 'delete', path: '/m2' },
    ]);
    expect(status).toBe(200);
    const m = { path: '/m', version: 1 };
    const m2 = { path: '/m2', deleted: true };
    expect(body.nodes).toMatchObject([m, m2, m, m, m2]);
    expect((await call('GET', '/m')).body).toMatchObject({ data: 'one' });
  });

  test('none is done when one cannot be, and the answer names it', async () => {
    const answer = await write([
      { kind: 'create', path: '/n' },
      { kind: 'set', path: '/absent', data: '' },
    ]);
    expect(answer).toMatchObject({ status: 404, body: { code: 'NODE_NOT_FOUND', operation: 1 } });
    expect((await call('GET', '/n')).status).toBe(404);
  });

  test.each([
    ['{}', 'INVALID_BODY'],
    ['[]', 'INVALID_BODY'],
    ['[', 'MALFORMED_JSON'],
    ['[{"kind":"move","path":"/a"}]', 'INVALID_BODY'],
    ['[{"kind":"create"}]', 'INVALID_BODY'],
    ['[{"kind":"set","path":"/a"}]', 'INVALID_BODY'],
    ['[{"kind":"set","path":"/a","data":"/w","encoding":"base64"}]', 'INVALID_BODY'],
    ['[{"kind":"delete","path":"/a","data":""}]', 'INVALID_BODY'],
    ['[{"kind":"check","path":"/a","version":-1}]', 'INVALID_BODY'],
    ['[{"kind":"create","path":"/a","ephemeral":"yes"}]', 'INVALID_BODY'],
    ['[{"kind":"create","path":"/a","ephemeral":true}]', 'INVALID_REQUEST'],
    [JSON.stringify(Array.from({ length: 1_000 }, () => ({ kind: 'check', path: '/' }))), 'INVALID_BODY'],
  ])('%s is %s', async (body, code) => {
    expect((await call('POST', '', body)).body).toMatchObject({ code });
  });
});

test('a parameter that a watch does not need is checked all the same', async () => {
  const { status, body } = await call('GET', '?watch=data&children=7');
  expect([status, body.code]).toEqual([400, 'INVALID_REQUEST']);
  const unwatched = await fetch(`${gateway.url}/v1/tree`, { headers: { 'last-event-id': 'x' } });
  expect(unwatched.status).toBe(400);
});

describe('sessions over HTTP', () => {
  const sessions = async (method: string, path: string, headers: Record<string, string> = {}, body?: string) => {
    const init = { method, headers, ...(body === undefined ? {} : { body }) };
    const response = await fetch(`${gateway.url}/v1/sessions${path}`, init);
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };

  test('one is opened, kept and ended, and ephemeral nodes are created with it', async () => {
    const opened = await sessions('POST', '', {}, '{"name":"a test"}');
    expect(opened).toMatchObject({ status: 201, body: { timeout_ms: 6_000 } });
    const headers = { 'weir-session': opened.body.session };
    expect(await sessions('POST', '/heartbeat', headers)).toMatchObject({ status: 200, body: { timeout_ms: 6_000 } });
    expect(await call('POST', '/e?ephemeral=true', 'x', headers)).toMatchObject({ status: 201 });
    expect(await sessions('DELETE', '', headers)).toMatchObject({ status: 204 });
    expect(await sessions('POST', '/heartbeat', headers)).toMatchObject({
      status: 410,
      body: { code: 'SESSION_EXPIRED' },
    });
  });

  test('what needs a session says how to get one', async () => {
    expect((await sessions('POST', '/heartbeat')).body.message).toContain('Weir-Session');
    expect((await sessions('DELETE', '')).status).toBe(400);
    expect((await call('POST', '/f?ephemeral=true', 'x')).body.message).toContain('POST /v1/sessions');
    expect((await sessions('POST', '', {}, `{"name":"${'x'.repeat(10_000)}"}`)).status).toBe(422);
  });
});
