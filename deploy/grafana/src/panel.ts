/** How numbers are written: Grafana's names of units. */
type Unit = 'short' | 's' | 'bytes' | 'Bps' | 'cps' | 'reqps' | 'ops' | 'percentunit' | 'dateTimeFromNow' | 'none';

/** One query of a panel. */
export interface Target {
  readonly expr: string;
  /** What its lines are called, as `{{topic}}`. */
  readonly legend: string;
}

/** From this value on, the colour. The first one has no value. */
export interface Threshold {
  readonly value: number | null;
  readonly color: 'green' | 'yellow' | 'orange' | 'red' | 'blue';
}

/** What is to be drawn. */
export interface PanelSpec {
  readonly title: string;
  /** What it shows, and what to make of it. */
  readonly description: string;
  readonly unit: Unit;
  readonly targets: readonly Target[];
  /** Of 24 columns; a third when left out, a sixth for a number. */
  readonly width?: number;
  readonly thresholds?: readonly Threshold[];
}

/** A panel with its kind. */
export interface Panel extends PanelSpec {
  readonly kind: 'timeseries' | 'stat';
}

/** Panels under a heading. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** Lines over time. */
export function graph(spec: PanelSpec): Panel {
  return { kind: 'timeseries', ...spec };
}

/** One number. */
export function stat(spec: PanelSpec): Panel {
  return { kind: 'stat', ...spec };
}

/** Good while it is nothing. */
export const ZERO_IS_GOOD: readonly Threshold[] = [
  { value: null, color: 'green' },
  { value: 1, color: 'red' },
];

/** Labels that every query narrows down by; each also fits targets that do not have them. */
export const HERE = 'namespace=~"$namespace",instance=~"$instance"';

/** The same, for queries that are about a whole cluster. */
export const CLUSTER = 'namespace=~"$namespace"';

/** How much a counter grows in a second, summed up by labels. */
export function rate(metric: string, options: { by?: string; where?: string; scope?: string } = {}): string {
  const { by, where, scope = HERE } = options;
  const selector = where === undefined ? scope : `${scope},${where}`;
  return `sum${by === undefined ? '' : ` by (${by})`} (rate(${metric}{${selector}}[$__rate_interval]))`;
}

/** Two quantiles of a histogram, the usual value and the bad one. */
export function quantiles(metric: string, options: { by?: string; scope?: string } = {}): Target[] {
  const { by, scope = HERE } = options;
  const labels = by === undefined ? 'le' : `le, ${by}`;
  return [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${labels}) (rate(${metric}_bucket{${scope}}[$__rate_interval])))`,
    legend: `p${quantile * 100}${by === undefined ? '' : ` {{${by}}}`}`,
  }));
}
