import { diag, DiagLogLevel, trace } from '@opentelemetry/api';
import type { Tracer } from '@opentelemetry/api';
import { TRACES_FLUSH_MS, TRACES_TROUBLE_MS } from '@weir/base/limits.ts';
import { tracesEndpoint } from './otel-variables.ts';

/** Where spans go, and how to get rid of those that wait. */
export interface Tracing {
  /** The tracer of a service; `id` is its `service.instance.id`. */
  tracer(service: string, id: string): Tracer;
  /** Sends what waits, for TRACES_FLUSH_MS at most. */
  stop(): Promise<void>;
}

/** What the process says of itself and of trouble. */
export interface TracingOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly version: string;
  /** Told that spans cannot be sent, once in TRACES_TROUBLE_MS at most. */
  readonly trouble: (message: string) => void;
}

/**
 * Tracing as the standard variables say: on when an OTLP endpoint is set, and not even loaded when none is. Sampler,
 * limits, timeouts and headers are read by OpenTelemetry's own code.
 *
 * @throws Error (as a rejection) that names the variable when it asks for what there is not
 */
export async function startTracing({ environment, version, trouble }: TracingOptions): Promise<Tracing> {
  const endpoint = tracesEndpoint(environment);
  if (endpoint === undefined) {
    return { tracer: (service) => trace.getTracer(service), stop: () => Promise.resolve() };
  }
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, resources] = await Promise.all([
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
  ]);
  listenForTrouble(endpoint, trouble);
  // One provider a service: in `weir dev` several share the process, and each keeps its name and id.
  const providers = new Map<string, InstanceType<typeof BasicTracerProvider>>();
  return {
    tracer(service, id) {
      const key = `${service}/${id}`;
      let provider = providers.get(key);
      if (provider === undefined) {
        const ours = resources.resourceFromAttributes({
          'service.name': `weir-${service}`,
          'service.namespace': 'weir',
          'service.instance.id': id,
          'service.version': version,
        });
        // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
        const theirs = resources.detectResources({ detectors: [resources.envDetector] });
        provider = new BasicTracerProvider({
          resource: ours.merge(theirs),
          spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
        });
        providers.set(key, provider);
      }
      return provider.getTracer('weir', version);
    },
    async stop() {
      const flushed = Promise.allSettled([...providers.values()].map((provider) => provider.shutdown()));
      const { promise: late, resolve } = Promise.withResolvers<void>();
      // A collector that is away must not hold up a stop.
      const timer = setTimeout(resolve, TRACES_FLUSH_MS);
      await Promise.race([flushed, late]);
      clearTimeout(timer);
    },
  };
}

/** Of what was not told as JSON. */
const TROUBLE_CHARACTERS_MAX = 200;

const ignore = (): void => {};

/** The exporter tells of every batch that it could not send; a line now and then is enough. */
function listenForTrouble(endpoint: string, trouble: (message: string) => void): void {
  const { origin } = new URL(endpoint);
  let saidMs = Number.NEGATIVE_INFINITY;
  const tell = (message: string): void => {
    if (performance.now() - saidMs < TRACES_TROUBLE_MS) return;
    saidMs = performance.now();
    trouble(`spans cannot be sent to ${origin}: ${reasonIn(message)}`);
  };
  diag.setLogger({ error: tell, warn: ignore, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.ERROR);
}

/** The SDK tells of an error as JSON with its stack. */
function reasonIn(message: string): string {
  try {
    const { message: reason } = JSON.parse(message) as { message?: unknown };
    if (typeof reason === 'string') return reason;
  } catch {
    // Told in words.
  }
  return message.slice(0, TROUBLE_CHARACTERS_MAX);
}
