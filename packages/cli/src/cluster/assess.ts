import type { BrokerInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { minInSyncOf, stateOf } from '../partition/partition-state.ts';
import type { PartitionState } from '../partition/partition-state.ts';
import { counted } from '../table.ts';

/** What a cluster's metadata says of how it is. */
export interface Health {
  /**
   * `down`: some partition takes no records, as nobody leads it or too few are in sync, or there is no broker. `degraded`:
   * everything is served, but something that should be there is not.
   */
  readonly status: 'healthy' | 'degraded' | 'down';
  /** For people, one a line; those that take something down come first. */
  readonly problems: readonly string[];
}

/** So many partitions of a topic are named. */
const NAMED_MAX = 10;

/**
 * Judges a cluster by its metadata: brokers that are away, partitions without a leader or with replicas out of sync.
 *
 * @param clusterWide - configs of all brokers
 */
export function assess(
  brokers: readonly BrokerInfo[],
  topics: readonly TopicInfo[],
  clusterWide: Readonly<Record<string, string>>,
): Health {
  const down: string[] = [];
  const degraded: string[] = [];
  if (brokers.length === 0) down.push('no broker has registered');
  else if (brokers.every(({ active }) => !active)) down.push('no broker is active');
  for (const { id, active, grpcAddress } of brokers) {
    if (!active) degraded.push(`broker ${id} is away (it was at ${grpcAddress})`);
  }
  for (const topic of topics.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name, partitions } = topic;
    const states = Map.groupBy(partitions, (one) => stateOf(one, minInSyncOf(topic, one, clusterWide)));
    const tell = (problems: string[], state: PartitionState, what: string): void => {
      const found = states.get(state)?.map(({ index }) => index);
      if (found !== undefined) problems.push(`${name}: ${ofAll(found, partitions.length)} ${what}`);
    };
    tell(down, 'offline', 'without a leader');
    tell(down, 'under_min_isr', 'with fewer replicas in sync than min.insync.replicas');
    tell(degraded, 'under_replicated', 'with replicas out of sync');
  }
  const status = down.length > 0 ? 'down' : degraded.length > 0 ? 'degraded' : 'healthy';
  return { status, problems: [...down, ...degraded] };
}

function ofAll(indexes: readonly number[], all: number): string {
  const named = indexes.slice(0, NAMED_MAX).join(', ');
  const more = indexes.length > NAMED_MAX ? ', …' : '';
  return `${indexes.length.toLocaleString('en-US')} of ${counted(all, 'partition')} (${named}${more})`;
}
