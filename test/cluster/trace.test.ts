import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WeirChild } from '../harness/weir-child.ts';
import { DevCluster } from './dev-cluster.ts';
import { http } from './http-client.ts';
import { OtlpReceiver } from './otlp-receiver.ts';
import type { ReceivedSpan } from './otlp-receiver.ts';

const KIND = { server: 2, client: 3, producer: 4 };
const ERROR = 2;
/** Longer than any answer takes, shorter than a test may. */
const STOP_MS_MAX = 5_000;

const collector = new OtlpReceiver();
const cluster = new DevCluster();

/** A traceparent of a client; traces are told apart by a digit. */
function clientTrace(digit: string, sampled = true): { readonly id: string; readonly headers: Record<string, string> } {
  const id = `0af7651916cd43dd8448eb211c8031${digit}${digit}`;
  return { id, headers: { traceparent: `00-${id}-b7ad6b7169203331-0${sampled ? 1 : 0}` } };
}

function named(traceId: string, name: string): (span: ReceivedSpan) => boolean {
  return (span) => span.traceId === traceId && span.name === name;
}

beforeAll(async () => {
  cluster.environment['OTEL_EXPORTER_OTLP_ENDPOINT'] = await collector.start();
  cluster.environment['OTEL_BSP_SCHEDULE_DELAY'] = '50';
  cluster.environment['OTEL_RESOURCE_ATTRIBUTES'] = 'k8s.pod.name=weir-0,deployment.environment=test';
  await cluster.start();
});
afterAll(async () => {
  await cluster.remove();
  collector.stop();
});

describe('with a collector', () => {
  test('one trace leads from the request through the gateway to the acknowledgement of the append', async () => {
    const { id, headers } = clientTrace('1');
    const answer = await http(`${cluster.url}/v1/topics/traced/records?partition=0`, {
      body: [{ n: 1 }, { n: 2 }, { n: 3 }],
      headers,
    });
    expect(answer.status).toBe(200);
    const request = await collector.span(named(id, 'POST /v1/topics/{topic}/records'));
    const send = await collector.span(named(id, 'send traced'));
    const append = await collector.span(named(id, 'append traced'));
    expect(request).toMatchObject({
      kind: KIND.server,
      parentSpanId: 'b7ad6b7169203331',
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/topics/{topic}/records',
        'http.response.status_code': 200,
        'url.path': '/v1/topics/traced/records',
      },
      resource: {
        'service.name': 'weir-gateway',
        'service.instance.id': 'gw-1',
        'k8s.pod.name': 'weir-0',
        'deployment.environment': 'test',
      },
    });
    expect(send).toMatchObject({
      kind: KIND.producer,
      parentSpanId: request.spanId,
      attributes: { 'messaging.system': 'weir', 'messaging.destination.name': 'traced' },
    });
    expect(append).toMatchObject({
      kind: KIND.server,
      parentSpanId: send.spanId,
      status: 0,
      attributes: {
        'messaging.destination.name': 'traced',
        'messaging.destination.partition.id': '0',
        'messaging.batch.message_count': 3,
        'messaging.kafka.offset': 0,
      },
      resource: { 'service.name': 'weir-broker', 'service.instance.id': '1' },
    });
    // The acknowledgement is inside of what waits for it.
    expect(append.endNs).toBeLessThanOrEqual(send.endNs);
    expect(send.endNs).toBeLessThanOrEqual(request.endNs);
  });

  test('a read is linked to the sends of what it hands out, and records show where they come from', async () => {
    const [first, second, reader] = [clientTrace('2'), clientTrace('3'), clientTrace('4')];
    for (const { headers } of [first, second]) {
      await http(`${cluster.url}/v1/topics/linked/records`, { body: [{ n: 1 }, { n: 2 }], headers });
    }
    const sends = await Promise.all([first, second].map(({ id }) => collector.span(named(id, 'send linked'))));
    const read = await http(`${cluster.url}/v1/topics/linked/records`, { headers: reader.headers });
    const traceparents = (read.json.records as { headers: { key: string; value: string }[] }[]).map(
      ({ headers }) => headers.find(({ key }) => key === 'traceparent')?.value,
    );
    expect(traceparents).toEqual(sends.flatMap(({ traceId, spanId }) => Array(2).fill(`00-${traceId}-${spanId}-01`)));
    const poll = await collector.span(named(reader.id, 'poll linked'));
    expect(poll.kind).toBe(KIND.client);
    expect(poll.attributes['messaging.batch.message_count']).toBe(4);
    expect(poll.links).toEqual(sends.map(({ traceId, spanId }) => ({ traceId, spanId })));
    const request = await collector.span(named(reader.id, 'GET /v1/topics/{topic}/records'));
    expect(poll.parentSpanId).toBe(request.spanId);
  });

  test('the span of a stream ends with the stream, linked to what it brought', async () => {
    const [producer, reader] = [clientTrace('5'), clientTrace('6')];
    await http(`${cluster.url}/v1/topics/streamed/records`, { body: { n: 1 }, headers: producer.headers });
    const send = await collector.span(named(producer.id, 'send streamed'));
    const gone = new AbortController();
    const response = await fetch(`${cluster.url}/v1/topics/streamed/stream?from=earliest`, {
      headers: reader.headers,
      signal: gone.signal,
    });
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('"n":1')) break;
    }
    gone.abort();
    const poll = await collector.span(named(reader.id, 'poll streamed'));
    expect(poll.links).toEqual([{ traceId: send.traceId, spanId: send.spanId }]);
    // That its reader leaves is how a stream ends.
    const request = await collector.span(named(reader.id, 'GET /v1/topics/{topic}/stream'));
    expect(request).toMatchObject({ status: 0, attributes: { 'http.response.status_code': 200 } });
  });

  test('a header that the client gave stays', async () => {
    const { headers } = clientTrace('7');
    await http(`${cluster.url}/v1/topics/own/records`, {
      body: { n: 1 },
      headers: { ...headers, 'weir-header-traceparent': 'mine' },
    });
    const { json } = await http(`${cluster.url}/v1/topics/own/records`);
    expect(json.records[0].headers).toEqual([{ key: 'traceparent', value: 'mine' }]);
  });

  test('what is refused is an error in the spans', async () => {
    const { id, headers } = clientTrace('8');
    await http(`${cluster.url}/v1/topics`, { body: { name: 'small', configs: { 'max.message.bytes': '200' } } });
    const answer = await http(`${cluster.url}/v1/topics/small/records`, { body: { n: 'x'.repeat(300) }, headers });
    expect(answer.status).toBe(413);
    const send = await collector.span(named(id, 'send small'));
    expect(send).toMatchObject({ status: ERROR, attributes: { 'error.type': 'MESSAGE_TOO_LARGE' } });
    const request = await collector.span(named(id, 'POST /v1/topics/{topic}/records'));
    // A client's mistake is no error of the server.
    expect(request).toMatchObject({ status: 0, attributes: { 'http.response.status_code': 413 } });
    // A record that only just fits is taken as it is, without a header that would make it too large.
    const fits = { body: { n: 'x'.repeat(80) }, headers };
    expect((await http(`${cluster.url}/v1/topics/small/records`, fits)).status).toBe(200);
  });

  test('what the client does not sample is not recorded, here or further on', async () => {
    const { id, headers } = clientTrace('9', false);
    await http(`${cluster.url}/v1/topics/unsampled/records`, { body: { n: 1 }, headers });
    const { json } = await http(`${cluster.url}/v1/topics/unsampled/records`, { headers });
    expect(json.records[0].headers).toEqual([]);
    // Spans are sent in order: with this one there, those before it would be.
    const after = clientTrace('a');
    await http(`${cluster.url}/v1/topics/unsampled/records`, { body: { n: 2 }, headers: after.headers });
    await collector.span(named(after.id, 'append unsampled'));
    expect(collector.spans.filter(({ traceId }) => traceId === id)).toEqual([]);
  });

  test('probes and scrapes have no spans', async () => {
    for (const path of ['/ready', '/healthy', '/metrics', '/openapi']) await http(`${cluster.url}${path}`);
    const { id, headers } = clientTrace('b');
    await http(`${cluster.url}/v1/topics/probed/records`, { body: { n: 1 }, headers });
    await collector.span(named(id, 'append probed'));
    expect(collector.spans.filter(({ name }) => /ready|healthy|metrics|openapi/.test(name))).toEqual([]);
  });
});

describe('without one', () => {
  test('records have no header, and a collector that is away neither stops anything nor is forgotten', async () => {
    const lonely = new DevCluster();
    try {
      await lonely.start();
      await http(`${lonely.url}/v1/topics/plain/records`, { body: { n: 1 }, headers: clientTrace('c').headers });
      const { json } = await http(`${lonely.url}/v1/topics/plain/records`);
      expect(json.records[0].headers).toEqual([]);
      await lonely.stop();

      // Nobody listens there.
      lonely.environment['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:9';
      lonely.environment['OTEL_BSP_SCHEDULE_DELAY'] = '50';
      lonely.environment['OTEL_EXPORTER_OTLP_TIMEOUT'] = '200';
      await lonely.start();
      const answer = await http(`${lonely.url}/v1/topics/plain/records`, { body: { n: 2 } });
      expect(answer.status).toBe(200);
      await expect.poll(() => lonely.output).toContain('spans cannot be sent to http://127.0.0.1:9');
      const startMs = performance.now();
      await lonely.stop();
      expect(performance.now() - startMs).toBeLessThan(STOP_MS_MAX);
    } finally {
      await lonely.remove();
    }
  });

  test('a protocol that is not spoken stops the start with the name of the variable', async () => {
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    const child = new WeirChild(['gateway', '--http-listen', '127.0.0.1:0', '--ops-listen', '127.0.0.1:0'], {
      environment,
    });
    expect(await child.ending).toEqual({ code: 1, signal: null });
    expect(child.output).toContain('OTEL_EXPORTER_OTLP_PROTOCOL is grpc: spans are sent over http/protobuf only');
  });
});
