import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { DevCluster } from './dev-cluster.ts';
import { http } from './http-client.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

/** Takes what is sent over OTLP (protobuf over HTTP) as it comes. */
const received: Buffer[] = [];
let arrived = (): void => undefined;
const collector = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    received.push(Buffer.concat(chunks));
    response.end();
    arrived();
  });
});
const cluster = new DevCluster();
afterAll(async () => {
  await cluster.remove();
  collector.close();
});

test('one trace leads from the request at the gateway to the append at the broker', async () => {
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  cluster.environment['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  cluster.environment['OTEL_BSP_SCHEDULE_DELAY'] = '50';
  await cluster.start();
  const answer = await http(`${cluster.url}/v1/topics/traced/records`, {
    body: { n: 1 },
    headers: { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01` },
  });
  expect(answer.status).toBe(200);
  const id = Buffer.from(TRACE_ID, 'hex');
  const has = (name: string): boolean => received.some((payload) => payload.includes(id) && payload.includes(name));
  while (!(has('send traced') && has('append traced'))) {
    await new Promise<void>((resolve) => {
      arrived = resolve;
    });
  }
  // Both services tell who they are.
  expect(Buffer.concat(received).includes('weir-gateway')).toBe(true);
  expect(Buffer.concat(received).includes('weir-broker')).toBe(true);
});
