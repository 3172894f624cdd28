import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What every metric has. Names begin with `weir_` and end in their base unit, or in `_total` for counters. */
export interface MetricSpec<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly Label[];
}

/** Where the metrics of one service are registered. */
export function newRegistry(): Registry {
  return new Registry();
}

/** A metric whose values are settled when somebody looks. */
interface Collected<Metric> {
  readonly collect?: (metric: Metric) => void;
}

/** A number that only grows. */
export function counter<Label extends string = never>(
  registry: Registry,
  spec: MetricSpec<Label> & Collected<Counter<Label>>,
): Counter<Label> {
  return new Counter<Label>({ ...common(spec), ...collected(spec), registers: [registry] });
}

/** A number as it is now; `collect` sets it when somebody looks. */
export function gauge<Label extends string = never>(
  registry: Registry,
  spec: MetricSpec<Label> & Collected<Gauge<Label>>,
): Gauge<Label> {
  return new Gauge<Label>({ ...common(spec), ...collected(spec), registers: [registry] });
}

/**
 * A number that only grows, by label, from plain numbers that others count in. For what happens often: a labelled
 * counter of prom-client makes a string of its labels each time that it is incremented, and looks that up.
 *
 * @param totals what has been counted since the process started, by value of the label
 */
export function counterOf<Label extends string>(
  registry: Registry,
  spec: MetricSpec<Label> & { readonly labelNames: readonly [Label] },
  totals: () => Iterable<readonly [string, number]>,
): void {
  counter(registry, {
    ...spec,
    collect(metric) {
      metric.reset();
      for (const [value, total] of totals()) metric.labels(value).inc(total);
    },
  });
}

/** How often values fell below each bucket's bound. */
export function histogram<Label extends string = never>(
  registry: Registry,
  spec: MetricSpec<Label> & { readonly buckets: readonly number[] },
): Histogram<Label> {
  return new Histogram<Label>({ ...common(spec), buckets: [...spec.buckets], registers: [registry] });
}

/** Bounds for latencies, in seconds: 0.1 ms to 10 s. */
export const LATENCY_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** prom-client hands the metric over as `this`. */
function collected<Metric>({ collect }: Collected<Metric>): { collect?: (this: Metric) => void } {
  if (collect === undefined) return {};
  return {
    collect() {
      collect(this);
    },
  };
}

function common<Label extends string>(spec: MetricSpec<Label>): { name: string; help: string; labelNames: Label[] } {
  return { name: spec.name, help: spec.help, labelNames: [...(spec.labelNames ?? [])] };
}
