import { counter, gauge, histogram, LATENCY_BUCKETS_SECONDS } from '@weir/runtime/metrics.ts';
import type { Counter, Histogram, Registry } from '@weir/runtime/world.ts';

/** What is asked when somebody looks at the metrics. */
export interface MeasuredNow {
  streams(): number;
  consumers(): number;
  inFlightBytes(): number;
}

/** One route's numbers, with their labels looked up once. */
export interface RouteMetrics {
  count(method: string, status: number): void;
  readonly duration: Histogram.Internal<string>;
}

/** What a gateway counts. Labels are routes, methods and statuses: never topics, paths or clients. */
export class GatewayMetrics {
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  readonly recordsIn: Counter;
  readonly recordsOut: Counter;
  readonly consumerRecords: Counter;
  readonly #requests: Counter<'route' | 'method' | 'status'>;
  readonly #duration: Histogram<'route'>;

  constructor(registry: Registry, now: MeasuredNow) {
    this.#requests = counter(registry, {
      name: 'weir_gateway_requests_total',
      help: 'Requests answered.',
      labelNames: ['route', 'method', 'status'],
    });
    this.#duration = histogram(registry, {
      name: 'weir_gateway_request_duration_seconds',
      help: 'From a request to the end of its answer; streams are left out.',
      labelNames: ['route'],
      buckets: LATENCY_BUCKETS_SECONDS,
    });
    this.bytesIn = counter(registry, { name: 'weir_gateway_bytes_in_total', help: 'Bytes of request bodies.' });
    this.bytesOut = counter(registry, { name: 'weir_gateway_bytes_out_total', help: 'Bytes of answers.' });
    this.recordsIn = counter(registry, {
      name: 'weir_gateway_records_in_total',
      help: 'Records acknowledged by brokers.',
    });
    this.recordsOut = counter(registry, { name: 'weir_gateway_records_out_total', help: 'Records handed out.' });
    this.consumerRecords = counter(registry, {
      name: 'weir_gateway_consumer_records_total',
      help: 'Records handed out to consumers over HTTP; they are in weir_gateway_records_out_total as well.',
    });
    gauge(registry, {
      name: 'weir_gateway_consumers',
      help: 'Consumers over HTTP that this gateway has.',
      collect: (self) => self.set(now.consumers()),
    });
    gauge(registry, {
      name: 'weir_gateway_streams',
      help: 'Streams under way, of both directions.',
      collect: (self) => self.set(now.streams()),
    });
    gauge(registry, {
      name: 'weir_gateway_in_flight_bytes',
      help: 'Bytes of bodies being read or answered.',
      collect: (self) => self.set(now.inFlightBytes()),
    });
  }

  /** The numbers of a route; for what has none, call it "none". */
  ofRoute(route: string): RouteMetrics {
    const requests = this.#requests;
    const children = new Map<string, Counter.Internal>();
    return {
      duration: this.#duration.labels({ route }),
      count(method, status) {
        const label = `${method} ${status}`;
        let child = children.get(label);
        if (child === undefined) {
          child = requests.labels({ route, method, status: String(status) });
          children.set(label, child);
        }
        child.inc();
      },
    };
  }
}
