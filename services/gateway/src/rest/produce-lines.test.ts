import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HTTP_UPLOAD_IN_FLIGHT_BYTES } from '@weir/base/limits.ts';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

function upload(topic: string, query = ''): ClientRequest {
  return request(`${gateway.url}/v1/topics/${topic}/records${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
  });
}

async function receipts(sent: ClientRequest): Promise<unknown[]> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

test('each line gets a receipt, in the order of the lines, and a bad one fails alone', async () => {
  gateway.client.addTopic('lines', 4);
  const sent = upload('lines', '?keyField=k');
  sent.end('{"k":1,"v":12345678901234567890}\n\n{"k":\n{"k":2}\r\n{}\n{"k":3}');
  const answers = await receipts(sent);
  expect(answers).toMatchObject([
    { offset: 0 },
    { error_code: 400, code: 'MALFORMED_JSON', message: expect.stringContaining('line 3: ') },
    { offset: 0 },
    { error_code: 400, code: 'INVALID_RECORD', message: expect.stringContaining('line 5: ') },
    { offset: 0 },
  ]);
  const { partition } = answers[0] as { partition: number };
  expect(gateway.client.records('lines', partition)[0]!.value!.toString()).toBe('{"k":1,"v":12345678901234567890}');
});

test('receipts come while the body is still being sent', async () => {
  gateway.client.addTopic('slow', 1);
  const sent = upload('slow');
  sent.write('1\n2');
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const pieces = response[Symbol.asyncIterator]();
  expect(String((await pieces.next()).value)).toBe('{"partition":0,"offset":0}\n');
  sent.end('3\n');
  expect(String((await pieces.next()).value)).toBe('{"partition":0,"offset":1}\n');
  expect((await pieces.next()).done).toBe(true);
  expect(gateway.client.records('slow', 0)[1]!.value!.toString()).toBe('23');
});

test('a long body is taken whole, and no more of it is read than may be in flight', async () => {
  gateway.client.addTopic('long', 1);
  gateway.client.holdAcks = true;
  let taken = 0;
  gateway.client.onSend = (records) => {
    for (const { value } of records) taken += value!.length;
  };
  const line = `"${'x'.repeat(1_021)}"\n`;
  const count = 4 * (HTTP_UPLOAD_IN_FLIGHT_BYTES / 1_024);
  const sent = upload('long');
  const answers = receipts(sent);
  for (let i = 0; i < count; i += 64) sent.write(line.repeat(64));
  sent.end();
  // The socket has been readable all the time: once nothing has come for 100 ms, nothing more is being read.
  let before = -1;
  await expect
    .poll(
      () => {
        const still = taken === before && taken > HTTP_UPLOAD_IN_FLIGHT_BYTES - 128 * 1_024;
        before = taken;
        return still;
      },
      { timeout: 10_000, interval: 100 },
    )
    .toBe(true);
  expect(taken).toBeLessThan(HTTP_UPLOAD_IN_FLIGHT_BYTES + 256 * 1_024);
  gateway.client.releaseAcks();
  expect(await answers).toHaveLength(count);
  expect(gateway.client.records('long', 0)).toHaveLength(count);
});

test('a body that breaks off is answered up to there, and its torn line is no record', async () => {
  gateway.client.addTopic('torn', 1);
  const sent = upload('torn');
  sent.on('error', () => {});
  sent.write('1\n{"tor');
  await once(sent, 'response');
  await expect.poll(() => gateway.client.records('torn', 0)).toHaveLength(1);
  sent.destroy();
  await expect
    .poll(async () => (await (await fetch(`${gateway.url}/metrics`)).text()).includes('weir_gateway_streams 0'))
    .toBe(true);
  expect(gateway.client.records('torn', 0)).toHaveLength(1);
});

test('what is wrong with the request as a whole is told before a line is read', async () => {
  const sent = upload('orders', '?partition=4');
  sent.end('1\n');
  expect(await receipts(sent)).toMatchObject([{ error_code: 404 }]);
});
