import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test, vi } from 'vitest';
import { STOP_GRACE_MS } from '@weir/base/limits.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { startTestGateway } from '../testing/test-gateway.ts';

/** Longer than any of these tests: who waits for it in vain has failed. */
const DRAIN = { 'drain-time-ms': '60000' };

interface Sent {
  readonly status: number;
  readonly connection: string | undefined;
}

/** One request that is not tried again. @throws Error (as a rejection) when the connection breaks */
function send(url: string, agent: Agent): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}/v1/topics/orders/records`, { method: 'POST', agent }, (response: IncomingMessage) => {
      response.resume().once('end', () => {
        resolve({ status: response.statusCode!, connection: response.headers.connection });
      });
    });
    call.once('error', reject);
    call.end('value');
  });
}

test('a request on a kept connection is answered while the gateway drains, and ends the connection', async () => {
  const gateway = await startTestGateway(DRAIN);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect((await send(gateway.url, agent)).connection).toBe('keep-alive');
  const stopped = gateway.stop();
  expect(gateway.notReady()).toBe('stopping');
  expect(await send(gateway.url, agent)).toEqual({ status: 200, connection: 'close' });
  // With its last connection gone it does not wait any longer.
  await stopped;
});

test('who connects while it drains is served', async () => {
  const gateway = await startTestGateway(DRAIN);
  const { hostname, port } = new URL(gateway.url);
  const idle = connect(Number(port), hostname);
  await once(idle, 'connect');
  const stopped = gateway.stop();
  expect(await send(gateway.url, new Agent())).toEqual({ status: 200, connection: 'close' });
  idle.destroy();
  await stopped;
});

test('lines that are sent while it drains are taken, those of an upload under way as well', async () => {
  const gateway = await startTestGateway(DRAIN);
  const path = `${gateway.url}/v1/topics/orders/records`;
  const lines = { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } };
  const underWay = request(path, lines);
  const answered = once(underWay, 'response') as Promise<[IncomingMessage]>;
  underWay.write('{"n":1}\n');
  const [early] = await answered;
  const stopped = gateway.stop();
  const late = await fetch(path, { ...lines, body: '{"n":3}\n{"n":4}\n' });
  expect((await late.text()).trim().split('\n')).toEqual([
    expect.stringContaining('"offset"'),
    expect.stringContaining('"offset"'),
  ]);
  underWay.end('{"n":2}\n');
  expect((await text(early)).trim().split('\n')).toEqual([
    expect.stringContaining('"offset"'),
    expect.stringContaining('"offset"'),
  ]);
  await stopped;
});

test('a connection on which nothing comes holds it for the time of the drain, and no longer', async () => {
  const gateway = await startTestGateway({ 'drain-time-ms': '100' });
  const { hostname, port } = new URL(gateway.url);
  const idle = connect(Number(port), hostname);
  await once(idle, 'connect');
  const closed = once(idle, 'close');
  const startMs = performance.now();
  await gateway.stop();
  await closed;
  // What is given to requests under way is not waited for.
  expect(performance.now() - startMs).toBeLessThan(STOP_GRACE_MS / 2);
});

test('a stop has one grace for requests under way and for records on their way', async () => {
  let elapsedMs = 0;
  const clock = { ...machineClock, monotonicMs: () => elapsedMs };
  const gateway = await startTestGateway({}, { clock });
  gateway.client.holdAcks = true;
  const sent = new Promise<void>((resolve) => (gateway.client.onSend = () => resolve()));
  const producing = send(gateway.url, new Agent());
  await sent;
  const stopped = gateway.stop();
  // It takes no more connections: the grace has begun.
  await vi.waitFor(() => expect(fetch(`${gateway.url}/healthy`)).rejects.toThrow('fetch failed'));
  elapsedMs = STOP_GRACE_MS - 1_000;
  gateway.client.releaseAcks();
  expect((await producing).status).toBe(200);
  await stopped;
  expect(gateway.client.closeGraceMs).toBe(1_000);
});

test('a gateway is replaced under clients that keep their connections and never try again', async () => {
  const [old, young] = await Promise.all([startTestGateway(DRAIN), startTestGateway(DRAIN)]);
  /** Where new connections go, as a Service has it. */
  let current = new URL(old.url);
  class ServiceAgent extends Agent {
    override createConnection(): ReturnType<typeof connect> {
      return connect(Number(current.port), current.hostname);
    }
  }
  const agent = new ServiceAgent({ keepAlive: true, maxSockets: 8 });
  const load = { over: false };
  const statuses: number[] = [];
  const workers = Array.from({ length: 8 }, async () => {
    while (!load.over) statuses.push((await send('http://localhost', agent)).status);
  });
  const until = async (count: number): Promise<void> => {
    while (statuses.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  await until(100);
  current = new URL(young.url);
  await old.stop();
  await until(statuses.length + 100);
  load.over = true;
  await Promise.all(workers);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  agent.destroy();
  await young.stop();
});
