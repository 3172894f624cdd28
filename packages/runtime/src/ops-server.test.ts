import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { counter } from './metrics.ts';
import { startOpsServer } from './ops-server.ts';

test('the probes tell starting, ready and not ready apart, and say why', async () => {
  const registry = new Registry();
  counter(registry, { name: 'weir_test_total', help: 'A test.' }).inc(2);
  let notStarted: string | undefined = 'starting';
  let notReady: string | undefined = 'no metadata yet';
  const server = await startOpsServer('127.0.0.1:0', {
    registry,
    notStarted: () => notStarted,
    notReady: () => notReady,
  });
  const get = async (path: string): Promise<string> => {
    const response = await fetch(`http://${server.address}${path}`);
    return `${response.status} ${(await response.text()).trim()}`;
  };
  expect(await get('/livez')).toBe('200 ok');
  expect(await get('/startupz')).toBe('503 starting');
  expect(await get('/readyz')).toBe('503 starting');
  notStarted = undefined;
  expect(await get('/startupz')).toBe('200 ok');
  expect(await get('/readyz')).toBe('503 no metadata yet');
  notReady = undefined;
  expect(await get('/readyz')).toBe('200 ok');
  expect(await get('/metrics')).toContain('weir_test_total 2');
  expect(await get('/nothing')).toMatch(/^404 /);
  expect((await fetch(`http://${server.address}/livez`, { method: 'POST' })).status).toBe(405);
  await expect(
    startOpsServer(server.address, { registry, notStarted: () => undefined, notReady: () => undefined }),
  ).rejects.toThrow(`cannot listen on ${server.address}: the port is taken by another process`);
  await server.close();
});
