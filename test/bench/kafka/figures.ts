import type { BrokerName } from './cluster.ts';

/** What is wanted of a figure: of Weir's beside Kafka's, or of Weir's alone. */
export type Target =
  | { readonly kind: 'ratio-at-least'; readonly value: number }
  | { readonly kind: 'ratio-at-most'; readonly value: number }
  | { readonly kind: 'at-least'; readonly value: number }
  | { readonly kind: 'at-most'; readonly value: number };

/** One thing that is measured in a row. */
export interface Figure {
  /** As "records/s". */
  readonly name: string;
  /** Digits behind the point. */
  readonly digits: number;
  readonly target?: Target;
}

/** What a row measured: of each figure a value a round, in the order of the rounds. */
export interface RowResult {
  readonly id: string;
  readonly title: string;
  readonly values: readonly {
    readonly figure: Figure;
    readonly values: Readonly<Record<BrokerName, readonly number[]>>;
  }[];
  /** Why rounds are missing. */
  readonly failures: readonly { readonly broker: BrokerName; readonly message: string }[];
}

/** Values of several rounds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** A figure as it is told. */
export interface Line {
  readonly row: string;
  readonly title: string;
  readonly figure: string;
  readonly digits: number;
  readonly weir: Spread | undefined;
  readonly kafka: Spread | undefined;
  /** Weir's median in units of Kafka's. */
  readonly ratio: number | undefined;
  /** As "≥ 1 × Kafka" or "≤ 98". */
  readonly target: string;
  /** `open`: there is no target, or nothing to compare. */
  readonly verdict: 'met' | 'missed' | 'open';
}

/** Median and ends; undefined of nothing. */
export function spread(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const least = sorted[0];
  const most = sorted.at(-1);
  if (least === undefined || most === undefined) return undefined;
  const median = Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
  return { median, least, most };
}

/** The lines of a row, one a figure. */
export function linesOf(row: RowResult): readonly Line[] {
  return row.values.map(({ figure, values }) => {
    const weir = spread(values.Weir);
    const kafka = spread(values.Kafka);
    const ratio =
      weir === undefined || kafka === undefined || kafka.median === 0 ? undefined : weir.median / kafka.median;
    return {
      row: row.id,
      title: row.title,
      figure: figure.name,
      digits: figure.digits,
      weir,
      kafka,
      ratio,
      target: figure.target === undefined ? '' : toldTarget(figure.target),
      verdict: verdictOf(figure.target, weir?.median, ratio),
    };
  });
}

function toldTarget(target: Target): string {
  switch (target.kind) {
    case 'ratio-at-least':
      return `≥ ${target.value} × Kafka`;
    case 'ratio-at-most':
      return `≤ ${target.value} × Kafka`;
    case 'at-least':
      return `≥ ${told(target.value)}`;
    case 'at-most':
      return `≤ ${told(target.value)}`;
  }
}

function told(value: number): string {
  return value.toLocaleString('en-US');
}

function verdictOf(target: Target | undefined, weir: number | undefined, ratio: number | undefined): Line['verdict'] {
  if (target === undefined) return 'open';
  switch (target.kind) {
    case 'ratio-at-least':
      return verdict(ratio, (value) => value >= target.value);
    case 'ratio-at-most':
      return verdict(ratio, (value) => value <= target.value);
    case 'at-least':
      return verdict(weir, (value) => value >= target.value);
    case 'at-most':
      return verdict(weir, (value) => value <= target.value);
  }
}

function verdict(measured: number | undefined, isEnough: (value: number) => boolean): Line['verdict'] {
  if (measured === undefined) return 'open';
  return isEnough(measured) ? 'met' : 'missed';
}
