import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { DevCluster } from './dev-cluster.ts';
import { http } from './http-client.ts';

// Each gateway is a process of its own.
const cluster = new DevCluster('--gateways', '2', '--separate');
beforeAll(() => cluster.start());
afterAll(() => cluster.remove());

function twoGateways(): [string, string] {
  const gateways = cluster.services.filter(({ kind }) => kind === 'gateway');
  expect(new Set(gateways.map(({ pid }) => pid)).size).toBe(2);
  return gateways.map((one) => `http://${one.http}`) as [string, string];
}

test('a session over HTTP lives by heartbeats through whichever gateway, and ends in time without them', async () => {
  const gateways = twoGateways();
  const [first, second] = gateways;
  const opened = await http(`${first}/v1/sessions`, { method: 'POST' });
  expect(opened).toMatchObject({ status: 201, json: { timeout_ms: SESSION_TIMEOUT_MS } });
  const headers = { 'weir-session': opened.json.session as string };
  const created = await http(`${second}/v1/tree/held?ephemeral=true`, { method: 'POST', body: 'x', headers });
  expect(created).toMatchObject({ status: 201, json: { ephemeral_owner: opened.json.owner } });

  const isThere = async (): Promise<boolean> => (await http(`${first}/v1/tree/held`)).status === 200;
  let beats = 0;
  for (const untilMs = performance.now() + SESSION_TIMEOUT_MS + 1_000; performance.now() < untilMs; beats++) {
    const beat = await http(`${gateways[beats % 2]}/v1/sessions/heartbeat`, { method: 'POST', headers });
    expect(beat.status).toBe(200);
    await sleep(SESSION_TIMEOUT_MS / 6);
  }
  expect(await isThere()).toBe(true);

  const leftMs = performance.now();
  await expect.poll(isThere, { timeout: 2 * SESSION_TIMEOUT_MS, interval: 50 }).toBe(false);
  const lived = performance.now() - leftMs;
  expect(lived).toBeGreaterThan((SESSION_TIMEOUT_MS * 4) / 6);
  expect(lived).toBeLessThan(SESSION_TIMEOUT_MS + 1_000);
  const late = await http(`${second}/v1/sessions/heartbeat`, { method: 'POST', headers });
  expect(late).toMatchObject({ status: 410, json: { code: 'SESSION_EXPIRED' } });
}, 40_000);

test('several operations over HTTP are all done, or none when one has another version', async () => {
  const [first, second] = twoGateways();
  expect(await http(`${first}/v1/tree/jobs`, { method: 'POST', body: 'ready' })).toMatchObject({ status: 201 });
  const write = (version: number) =>
    http(`${first}/v1/tree`, {
      body: [
        { kind: 'create', path: '/jobs/import', data: 'AP8=', encoding: 'base64' },
        { kind: 'set', path: '/jobs', data: 'taken', version },
      ],
    });
  expect(await write(7)).toMatchObject({ status: 409, json: { code: 'BAD_VERSION', operation: 1 } });
  expect((await http(`${second}/v1/tree/jobs/import`)).status).toBe(404);
  expect(await http(`${second}/v1/tree/jobs`)).toMatchObject({ json: { data: 'ready', version: 0 } });

  const { status, json } = await write(0);
  expect([status, json.nodes.map(({ path }: { path: string }) => path)]).toEqual([200, ['/jobs/import', '/jobs']]);
  expect(await http(`${second}/v1/tree/jobs/import`)).toMatchObject({ json: { data: 'AP8=', encoding: 'base64' } });
  expect(await http(`${second}/v1/tree/jobs`)).toMatchObject({ json: { data: 'taken', version: 1 } });
});

test('what is written with a session is done only while that lives, and ending it takes its nodes at once', async () => {
  const [first, second] = twoGateways();
  const opened = await http(`${first}/v1/sessions`, { body: { name: 'a test' } });
  const headers = { 'weir-session': opened.json.session as string };
  const claim = () =>
    http(`${second}/v1/tree`, { headers, body: [{ kind: 'create', path: '/claimed', ephemeral: true }] });
  expect(await claim()).toMatchObject({ status: 200, json: { nodes: [{ ephemeral_owner: opened.json.owner }] } });
  const ended = await http(`${second}/v1/sessions`, { method: 'DELETE', headers });
  expect([ended.status, (await http(`${first}/v1/tree/claimed`)).status]).toEqual([204, 404]);
  expect(await claim()).toMatchObject({ status: 410, json: { code: 'SESSION_EXPIRED' } });
  expect((await http(`${first}/v1/sessions`, { method: 'DELETE', headers })).status).toBe(204);
});
