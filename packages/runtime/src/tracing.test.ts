import { createServer } from 'node:http';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterEach, expect, test, vi } from 'vitest';
import { SpanKind, startSpan } from './trace.ts';
import { startTracing } from './tracing.ts';
import type { Tracing } from './tracing.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';
/** A port that nobody may listen on. */
const NOBODY = 'http://127.0.0.1:9';

const running: Tracing[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((tracing) => tracing.stop()));
  vi.unstubAllEnvs();
});

async function tracingWith(variables: Record<string, string>, trouble: (message: string) => void = () => {}) {
  // OpenTelemetry's own code reads those of the process.
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  const tracing = await startTracing({ environment: process.env, version: '1.2.3', trouble });
  running.push(tracing);
  return tracing;
}

/** Whether a span of a trace that the caller has sampled, has not sampled, or that begins here is recorded. */
async function recorded(variables: Record<string, string>): Promise<Record<'sampled' | 'unsampled' | 'root', boolean>> {
  const tracing = await tracingWith({ OTEL_EXPORTER_OTLP_ENDPOINT: NOBODY, ...variables });
  const tracer = tracing.tracer('gateway', 'gw-1');
  const isRecorded = (traceparent?: string): boolean =>
    startSpan(tracer, 'test', { kind: SpanKind.SERVER, traceparent }).isRecording();
  return { sampled: isRecorded(`00-${TRACE}-01`), unsampled: isRecorded(`00-${TRACE}-00`), root: isRecorded() };
}

test.for([
  [{}, { sampled: true, unsampled: false, root: true }],
  [{ OTEL_TRACES_SAMPLER: 'always_on' }, { sampled: true, unsampled: true, root: true }],
  [{ OTEL_TRACES_SAMPLER: 'always_off' }, { sampled: false, unsampled: false, root: false }],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, { sampled: true, unsampled: false, root: false }],
  [
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
    { sampled: true, unsampled: false, root: false },
  ],
  [
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
    { sampled: false, unsampled: false, root: false },
  ],
  [
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1' },
    { sampled: true, unsampled: true, root: true },
  ],
  [{ OTEL_SDK_DISABLED: 'true' }, { sampled: false, unsampled: false, root: false }],
] as const)('with %j it is recorded as %j', async ([variables, expected]) => {
  expect(await recorded(variables)).toEqual(expected);
});

test('services that share a process keep their names and ids; what the variables say comes first', async () => {
  const resourceOf = async (service: string, id: string, variables: Record<string, string> = {}) => {
    const tracing = await tracingWith({ OTEL_EXPORTER_OTLP_ENDPOINT: NOBODY, ...variables });
    const ids = ['1', id].map((each) => {
      const span = startSpan(tracing.tracer(service, each), 'test', { kind: SpanKind.SERVER });
      return (span as unknown as ReadableSpan).resource.attributes;
    });
    return ids[1];
  };
  expect(await resourceOf('broker', '2')).toEqual({
    'service.name': 'weir-broker',
    'service.namespace': 'weir',
    'service.instance.id': '2',
    'service.version': '1.2.3',
  });
  const variables = {
    OTEL_SERVICE_NAME: 'orders',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=less,service.instance.id=pod-7,k8s.node.name=node%201',
  };
  expect(await resourceOf('broker', '2', variables)).toEqual({
    'service.name': 'orders',
    'service.namespace': 'weir',
    'service.instance.id': 'pod-7',
    'service.version': '1.2.3',
    'k8s.node.name': 'node 1',
  });
});

test('a collector that refuses every batch is told of once, in words', async () => {
  let batches = 0;
  const collector = createServer((request, response) => {
    request.resume().once('end', () => {
      batches++;
      response.writeHead(404).end('there is nothing here');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as { port: number };
  const told: string[] = [];
  const tracing = await tracingWith(
    { OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:secret@127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: '5' },
    (message) => told.push(message),
  );
  const tracer = tracing.tracer('broker', '1');
  for (let sent = 1; sent <= 3; sent++) {
    startSpan(tracer, 'test', { kind: SpanKind.SERVER }).end();
    await vi.waitFor(() => expect(batches).toBe(sent), { timeout: 20_000 });
  }
  await tracing.stop();
  expect(told).toEqual([`spans cannot be sent to http://127.0.0.1:${port}: Not Found`]);
  collector.close();
});
