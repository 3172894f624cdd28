import type { AssignorName } from '@weir/client/group/assignor.ts';

/** What a member's program is told, as JSON in its first word. */
export interface MemberSettings {
  /** What it calls itself. */
  readonly name: string;
  readonly group: string;
  /** Of a static member. */
  readonly instance?: string;
  /** It reads the topics whose names match. */
  readonly pattern: string;
  readonly sessionTimeoutMs: number;
  /** How long the others wait for it in a rebalance. */
  readonly rebalanceTimeoutMs: number;
  /** Of a native member. */
  readonly assignors?: readonly AssignorName[];
  /** Weir's coordinators, host:port each, of a native member. */
  readonly coordinators: readonly string[];
  /** Brokers' Kafka listeners, host:port each, of one that speaks Kafka's protocol. */
  readonly bootstrap: readonly string[];
  /** Where it writes down what happens to it. */
  readonly log: string;
}

/** How long a member may have done nothing before it takes itself for one that was asleep, and commits what it has at once. */
export const ASLEEP_MS = 2_500;
/** Between its commits. */
export const COMMIT_MS = 250;

/** The settings of this process. */
export function memberSettings(): MemberSettings {
  return JSON.parse(process.argv[2] ?? '') as MemberSettings;
}
