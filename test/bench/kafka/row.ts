import type { BrokerName, Cluster, Shape } from './cluster.ts';
import type { Figure } from './figures.ts';
import type { KafkaTools, Load } from './tools.ts';

/** What rows measure with. */
export interface Bench {
  readonly tools: KafkaTools;
  /** Factor on all counts of records, 1 for the figures that are published. */
  readonly scale: number;
  /** A cluster that has not been started, to be removed by who asks for it. */
  fresh(name: BrokerName, shape: Shape): Promise<Cluster>;
  /** A line of progress. */
  say(text: string): void;
}

/** What one round measured, by the names of the row's figures. */
export type Values = Readonly<Record<string, number>>;

interface RowBase {
  /** What selects it. */
  readonly id: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  /** It measures this one alone. */
  readonly only?: BrokerName;
}

/** A row on clusters that run already, warm, and go on running after it. */
export interface SharedRow extends RowBase {
  readonly kind: 'shared';
  /** On which cluster. */
  readonly shape: Shape;
  readonly partitions: number;
  /** Written once and read in every round; without it each round has a topic of its own. */
  readonly fill?: Load;
  measure(cluster: Cluster, topic: string, bench: Bench): Promise<Values>;
}

/** A row that starts a cluster of its own. */
export interface OwnRow extends RowBase {
  readonly kind: 'own';
  measure(name: BrokerName, bench: Bench): Promise<Values>;
}

/** One line of the table to be, or several: one a figure. */
export type Row = SharedRow | OwnRow;

/** So many records on this run. */
export function scaled(records: number, { scale }: Bench): number {
  return Math.max(1_000, Math.round(records * scale));
}
