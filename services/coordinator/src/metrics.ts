import { counter, gauge, histogram, LATENCY_BUCKETS_SECONDS } from '@weir/runtime/metrics.ts';
import type { Counter, Gauge, Histogram, Registry } from '@weir/runtime/world.ts';
import { METRIC_TOPICS_MAX } from '@weir/base/limits.ts';
import type { BrokerState } from './controller/broker-life.ts';
import type { Command } from './controller/controller.ts';
import type { ClusterImage } from './controller/image.ts';
import { countPartitions } from './controller/partition-counts.ts';
import type { PartitionCounts } from './controller/partition-counts.ts';

/** What the coordinator counts by itself; the rest is read from it when somebody looks. */
export interface CoordinatorMetrics {
  readonly txnSeconds: Histogram;
  readonly txnRetries: Counter;
  readonly sessionsExpired: Counter<'reason'>;
  readonly clientSessionsExpired: Counter<'reason'>;
  readonly snapshots: Counter;
  readonly elections: Counter<'command'>;
  readonly uncleanElections: Counter;
  readonly isrShrinks: Counter;
  readonly isrExpansions: Counter;
  readonly leadersBalanced: Counter;
  readonly commands: Counter<'command'>;
  readonly takeOvers: Counter;
}

/** What the gauges look at. */
export interface Observed {
  /** What this process knows of the metadata, active or standing by. */
  readonly image: ClusterImage | undefined;
  /** Undefined while it is not the active one. */
  readonly active: ObservedActive | undefined;
}

/** The active coordinator, as the gauges look at it. */
export interface ObservedActive {
  readonly image: ClusterImage;
  readonly sessions: number;
  readonly streams: number;
  readonly queued: number;
  readonly namespace: { readonly watches: number };
  /** Why it decides nothing at the moment, or undefined. */
  notReady(): string | undefined;
}

/**
 * Registers the coordinator's metrics. Of several coordinators the active one alone describes the cluster, and the others say
 * 0: a sum over all of them is right, and so is the largest.
 *
 * @param observe - called when somebody looks; undefined before there is anything to look at
 */
export function coordinatorMetrics(registry: Registry, observe: () => Observed | undefined): CoordinatorMetrics {
  const active = (): ObservedActive | undefined => observe()?.active;
  const watch = (name: string, help: string, read: (active: ObservedActive) => number): void => {
    const collect = (it: Gauge): void => {
      const observed = active();
      it.set(observed === undefined ? 0 : read(observed));
    };
    gauge(registry, { name: `weir_coordinator_${name}`, help, collect });
  };
  watch('active', '1: this coordinator decides; 0: it stands by, its store cannot be written, or it stops.', (one) =>
    one.notReady() === undefined ? 1 : 0,
  );
  watch('sessions', 'Broker sessions that live.', ({ sessions }) => sessions);
  watch('streams', 'Clients that follow the metadata, brokers included.', ({ streams }) => streams);
  watch('queued_commands', 'Commands that wait in the controller.', ({ queued }) => queued);
  gauge(registry, {
    name: 'weir_coordinator_metadata_revision',
    help: 'Newest revision of the metadata that this coordinator knows, active or standing by.',
    collect: (it) => it.set(observe()?.image?.revision ?? 0),
  });
  watch(
    'brokers',
    'Brokers that are or were registered; those beyond weir_coordinator_sessions are away.',
    ({ image }) => image.brokers.size,
  );
  gauge(registry, {
    name: 'weir_coordinator_brokers_by_state',
    help: 'Brokers by where they stand. registered: the session lives, the broker has not said yet that it knows the metadata.',
    labelNames: ['state'],
    collect(metric) {
      const counts: Record<BrokerState, number> = { registered: 0, active: 0, draining: 0, fenced: 0, gone: 0 };
      const image = active()?.image;
      for (const id of image?.brokers.keys() ?? []) counts[image!.stateOf(id)]++;
      for (const state of STATES_COUNTED) metric.labels(state).set(counts[state]);
    },
  });
  watch('topics', 'Topics.', ({ image }) => image.topics.size);
  watch(
    'deleted_topics',
    'Deleted topics that are remembered, for brokers that are away.',
    ({ image }) => image.deletedTopics.size,
  );
  watch('partitions', 'Partitions of all topics.', ({ image }) => image.partitionCount);
  watchPartitions(watch);
  watch('client_sessions', 'Sessions of clients of the namespace.', ({ image }) => image.namespace.sessions.size);
  watch('namespace_nodes', 'Nodes that users have.', ({ image }) => image.namespace.size);
  watch('namespace_bytes', "Bytes of users' nodes' data.", ({ image }) => image.namespace.bytes);
  watch(
    'namespace_stale_nodes',
    'Nodes of ended sessions that are still to be removed from the store. Nobody sees them.',
    ({ image }) => image.namespace.stale.size,
  );
  watch('watches', 'Watches of nodes.', ({ namespace }) => namespace.watches);
  likeKafkaExporter(registry, active);
  const sessionsExpired = counter(registry, {
    name: 'weir_coordinator_sessions_expired_total',
    help: 'Sessions that ended because their broker was silent or did not come back.',
    labelNames: ['reason'],
  });
  const clientSessionsExpired = counter(registry, {
    name: 'weir_coordinator_client_sessions_expired_total',
    help: 'Sessions that ended because their client was silent or did not come back.',
    labelNames: ['reason'],
  });
  for (const reason of ['silent', 'disconnected'] as const) {
    sessionsExpired.labels(reason).inc(0);
    clientSessionsExpired.labels(reason).inc(0);
  }
  const elections = counter(registry, {
    name: 'weir_coordinator_elections_total',
    help:
      'Partitions that got another leader than they had, by the command that had it so. ' +
      'endSession: a broker is away; registerBroker: one is back; alterIsr: a leader resigned; ' +
      'reportDoubtfulReplicas: a leader found damage; reconcile: a new coordinator.',
    labelNames: ['command'],
  });
  for (const command of ELECTING) elections.labels(command).inc(0);
  return {
    txnSeconds: histogram(registry, {
      name: 'weir_coordinator_txn_duration_seconds',
      help: 'Time until a transaction of the metadata store was durable.',
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
    txnRetries: counter(registry, {
      name: 'weir_coordinator_txn_retries_total',
      help: 'Transactions that were sent again because the store had failed.',
    }),
    sessionsExpired,
    clientSessionsExpired,
    snapshots: counter(registry, {
      name: 'weir_coordinator_snapshots_total',
      help: 'Snapshots of the metadata that were sent; more than one a stream means slow readers.',
    }),
    elections,
    uncleanElections: counter(registry, {
      name: 'weir_coordinator_unclean_elections_total',
      help: 'Leaders elected that may lack records: acknowledged ones may be lost.',
    }),
    isrShrinks: counter(registry, {
      name: 'weir_coordinator_isr_shrinks_total',
      help: 'Changes of partitions by which a replica was not in sync any more.',
    }),
    isrExpansions: counter(registry, {
      name: 'weir_coordinator_isr_expansions_total',
      help: 'Changes of partitions by which a replica was in sync that had not been.',
    }),
    leadersBalanced: counter(registry, {
      name: 'weir_coordinator_leaders_balanced_total',
      help: 'Partitions that went back to their preferred replica by themselves.',
    }),
    commands: counter(registry, {
      name: 'weir_coordinator_commands_total',
      help: 'Commands that the controller has taken.',
      labelNames: ['command'],
    }),
    takeOvers: counter(registry, {
      name: 'weir_coordinator_take_overs_total',
      help: 'Times that this coordinator became the active one.',
    }),
  };
}

const STATES_COUNTED = ['registered', 'active', 'draining', 'fenced'] as const satisfies readonly BrokerState[];

/** What partitions get other leaders by. */
const ELECTING = [
  'endSession',
  'registerBroker',
  'drainBroker',
  'alterIsr',
  'reportDoubtfulReplicas',
  'electLeaders',
  'alterConfigs',
  'reconcile',
] as const satisfies readonly Command['kind'][];

/** Partitions that are short of something. They are counted once a revision, however many gauges show them. */
function watchPartitions(watch: (name: string, help: string, read: (active: ObservedActive) => number) => void): void {
  let counted:
    | { readonly image: ClusterImage; readonly revision: number; readonly counts: PartitionCounts }
    | undefined;
  const counts = (image: ClusterImage): PartitionCounts => {
    const { revision } = image;
    if (counted?.image !== image || counted.revision !== revision) {
      counted = { image, revision, counts: countPartitions(image) };
    }
    return counted.counts;
  };
  watch(
    'leaderless_partitions',
    'Partitions that nobody leads: they take and give no records.',
    ({ image }) => counts(image).leaderless,
  );
  watch(
    'under_replicated_partitions',
    'Partitions with a replica that is not in sync.',
    ({ image }) => counts(image).underReplicated,
  );
  watch(
    'under_min_isr_partitions',
    'Partitions with fewer replicas in sync than min.insync.replicas: acks=all is refused.',
    ({ image }) => counts(image).underMinIsr,
  );
  watch(
    'at_min_isr_partitions',
    'Partitions with just as many replicas in sync as min.insync.replicas: with one less acks=all is refused.',
    ({ image }) => counts(image).atMinIsr,
  );
}

/** Under the names of kafka_exporter, for dashboards and alerts that are there already. */
function likeKafkaExporter(registry: Registry, active: () => ObservedActive | undefined): void {
  gauge(registry, {
    name: 'kafka_brokers',
    help: 'Brokers that live.',
    collect: (it) => it.set(active()?.sessions ?? 0),
  });
  gauge(registry, {
    name: 'kafka_topic_partitions',
    help: `Partitions of a topic, for the first ${METRIC_TOPICS_MAX} topics.`,
    labelNames: ['topic'],
    collect(metric) {
      metric.reset();
      for (const topic of active()?.image.topics.values().take(METRIC_TOPICS_MAX) ?? [])
        metric.labels(topic.name).set(topic.partitionCount);
    },
  });
}
