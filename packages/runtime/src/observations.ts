import { Histogram } from 'prom-client';
import type { MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client';

/** What is observed, and the bounds, which ascend. */
interface ObservationsSpec {
  readonly name: string;
  readonly help: string;
  readonly buckets: readonly number[];
}

/**
 * How often values fell below each bound, counted in plain numbers, as a Prometheus histogram without labels. For what
 * happens with every request: prom-client's own makes text of a bound each time that a value falls below it.
 */
export class Observations {
  readonly #bounds: readonly number[];
  /** By the first bound that the value does not exceed; those that exceed all are in the last place. */
  readonly #counts: Float64Array;
  #sum = 0;
  #count = 0;

  constructor(registry: Registry, spec: ObservationsSpec) {
    this.#bounds = spec.buckets;
    this.#counts = new Float64Array(spec.buckets.length + 1);
    registry.registerMetric(new CountedElsewhere(spec, () => this.#valuesOf(spec.name)));
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > this.#bounds[at]!) at++;
    this.#counts[at]!++;
    this.#sum += value;
    this.#count++;
  }

  #valuesOf(name: string): MetricValueWithName<string>[] {
    let below = 0;
    const buckets = this.#bounds.map((bound, i) => {
      below += this.#counts[i]!;
      return { metricName: `${name}_bucket`, labels: { le: bound }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: this.#count },
      { metricName: `${name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, value: this.#count },
    ];
  }
}

type Told = MetricObjectWithValues<MetricValueWithName<string>>;

/** prom-client's histogram, which is told its values when somebody looks. */
class CountedElsewhere extends Histogram {
  readonly #told: Told;
  readonly #values: () => MetricValueWithName<string>[];

  constructor(spec: ObservationsSpec, values: () => MetricValueWithName<string>[]) {
    super({ ...spec, buckets: [...spec.buckets], registers: [] });
    const { name, help } = spec;
    // The type as a name: the number that prom-client's declarations have for it is nowhere in its code.
    this.#told = { name, help, type: 'histogram', aggregator: 'sum' } as unknown as Told;
    this.#values = values;
  }

  override get(): Promise<Told> {
    return Promise.resolve({ ...this.#told, values: this.#values() });
  }

  /** What the text for Prometheus is made of; it is not among prom-client's types. */
  getForPromString(): Promise<Told> {
    return this.get();
  }
}
