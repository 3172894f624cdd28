import { trace } from '@opentelemetry/api';
import type { Tracer } from '@opentelemetry/api';

/** Where spans go, and how to get rid of those that wait. */
export interface Tracing {
  tracer(service: string): Tracer;
  stop(): Promise<void>;
}

/** Tracing as the standard variables say: on when an OTLP endpoint is set, and not even loaded when none is. */
export async function startTracing(environment: NodeJS.ProcessEnv): Promise<Tracing> {
  const endpoint = environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? environment['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (endpoint === undefined || endpoint === '' || environment['OTEL_SDK_DISABLED'] === 'true') {
    return { tracer: (service) => trace.getTracer(service), stop: () => Promise.resolve() };
  }
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-proto'),
      import('@opentelemetry/resources'),
    ]);
  // One provider a service: in `weir dev` three of them share the process and keep their names.
  const providers = new Map<string, InstanceType<typeof BasicTracerProvider>>();
  return {
    tracer(service) {
      let provider = providers.get(service);
      if (provider === undefined) {
        const name = environment['OTEL_SERVICE_NAME'] ?? `weir-${service}`;
        provider = new BasicTracerProvider({
          resource: resourceFromAttributes({ 'service.name': name, 'service.namespace': 'weir' }),
          spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
        });
        providers.set(service, provider);
      }
      return provider.getTracer('weir');
    },
    async stop() {
      await Promise.allSettled([...providers.values()].map((provider) => provider.shutdown()));
    },
  };
}
