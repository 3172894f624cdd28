const PROTOCOL = 'http/protobuf';

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
];

/**
 * Where spans go, as OpenTelemetry's variables say; undefined: nowhere. Its SDK takes what it does not understand for
 * unset, and would send to nowhere, or record everything: here that refuses.
 *
 * @throws Error that names the variable, what was expected, and what to do
 */
export function tracesEndpoint(environment: NodeJS.ProcessEnv): string | undefined {
  const [name, endpoint] = firstSet(environment, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT');
  if (endpoint === '' || environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  const exporter = environment['OTEL_TRACES_EXPORTER'] || 'otlp';
  if (exporter === 'none') return undefined;
  if (exporter !== 'otlp') throw new Error(`OTEL_TRACES_EXPORTER is ${exporter}: expected otlp, or none`);
  if (!/^https?:\/\/[^/]/.test(endpoint) || !URL.canParse(endpoint)) {
    throw new Error(`${name} is ${endpoint}: expected a URL that begins with http:// or https://, as http://host:4318`);
  }
  checkProtocol(environment);
  checkSampler(environment);
  return endpoint;
}

/** An empty variable counts as one that is not set. */
function firstSet(environment: NodeJS.ProcessEnv, ...names: readonly string[]): [name: string, value: string] {
  for (const name of names) {
    const value = environment[name] ?? '';
    if (value !== '') return [name, value];
  }
  return ['', ''];
}

function checkProtocol(environment: NodeJS.ProcessEnv): void {
  const names = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'];
  const [name, value] = firstSet(environment, ...names);
  if (value === '' || value === PROTOCOL) return;
  throw new Error(`${name} is ${value}: spans are sent over ${PROTOCOL} only (collectors take that on port 4318)`);
}

function checkSampler(environment: NodeJS.ProcessEnv): void {
  const sampler = environment['OTEL_TRACES_SAMPLER'] ?? '';
  if (sampler !== '' && !SAMPLERS.includes(sampler)) {
    throw new Error(`OTEL_TRACES_SAMPLER is ${sampler}: expected one of ${SAMPLERS.join(', ')}`);
  }
  if (!sampler.endsWith('traceidratio')) return;
  const share = environment['OTEL_TRACES_SAMPLER_ARG'] ?? '';
  if (share === '' || !(Number(share) >= 0 && Number(share) <= 1)) {
    const is = share === '' ? 'is not set' : `is ${share}`;
    throw new Error(`OTEL_TRACES_SAMPLER_ARG ${is}: with ${sampler}, expected the share of traces to keep, as 0.1`);
  }
}
