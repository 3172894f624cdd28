import { expect, test } from 'vitest';
import { tracesEndpoint } from './otel-variables.ts';

const ENDPOINT = 'http://collector:4318';

function endpointWith(variables: Record<string, string>): string | undefined {
  return tracesEndpoint({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, ...variables });
}

test('spans go to the endpoint of traces before that of everything, and nowhere when it is told so', () => {
  expect(tracesEndpoint({})).toBeUndefined();
  expect(endpointWith({})).toBe(ENDPOINT);
  expect(endpointWith({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces/v1/traces' })).toBe(
    'https://traces/v1/traces',
  );
  // Empty is the same as not set.
  expect(endpointWith({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '', OTEL_EXPORTER_OTLP_PROTOCOL: '' })).toBe(ENDPOINT);
  expect(endpointWith({ OTEL_TRACES_EXPORTER: 'otlp' })).toBe(ENDPOINT);
  expect(endpointWith({ OTEL_TRACES_EXPORTER: 'none' })).toBeUndefined();
  expect(endpointWith({ OTEL_SDK_DISABLED: 'True' })).toBeUndefined();
});

test.for([
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL is grpc: spans are sent over http/protobuf'],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'OTEL_EXPORTER_OTLP_PROTOCOL is http/json'],
  [
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc' },
    'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is grpc',
  ],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT is collector:4318: expected a URL'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://' }, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is http://: expected a URL'],
  [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER is zipkin: expected otlp, or none'],
  [{ OTEL_TRACES_SAMPLER: 'some' }, 'OTEL_TRACES_SAMPLER is some: expected one of always_on, always_off, traceidratio'],
  [
    { OTEL_TRACES_SAMPLER: 'traceidratio' },
    'OTEL_TRACES_SAMPLER_ARG is not set: with traceidratio, expected the share',
  ],
  [
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '10' },
    'OTEL_TRACES_SAMPLER_ARG is 10: with parentbased_traceidratio, expected the share of traces to keep, as 0.1',
  ],
] as const)('%j refuses with the name of the variable and what is expected', ([variables, message]) => {
  expect(() => endpointWith(variables)).toThrow(message);
});

test('every sampler of the specification is taken, and the share only with those that have one', () => {
  for (const sampler of ['always_on', 'always_off', 'parentbased_always_on', 'parentbased_always_off']) {
    expect(endpointWith({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: 'ignored' })).toBe(ENDPOINT);
  }
  for (const sampler of ['traceidratio', 'parentbased_traceidratio']) {
    expect(endpointWith({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: '0.1' })).toBe(ENDPOINT);
  }
});
