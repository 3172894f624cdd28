import { counter, gauge, histogram, LATENCY_BUCKETS_SECONDS } from '@weir/runtime/metrics.ts';
import type { Counter, Histogram, Registry } from '@weir/runtime/world.ts';
import { METRIC_TOPICS_MAX } from '@weir/base/limits.ts';
import { NO_LEADER } from './controller/image.ts';
import type { ClusterImage } from './controller/image.ts';

/** What the coordinator counts by itself; the rest is read from it when somebody looks. */
export interface CoordinatorMetrics {
  readonly txnSeconds: Histogram;
  readonly txnRetries: Counter;
  readonly sessionsExpired: Counter<'reason'>;
  readonly clientSessionsExpired: Counter<'reason'>;
  readonly snapshots: Counter;
  readonly elections: Counter;
  readonly uncleanElections: Counter;
  readonly commands: Counter<'command'>;
}

/** What the gauges look at. */
export interface Observed {
  readonly image: ClusterImage;
  readonly sessions: () => number;
  readonly streams: () => number;
  readonly queued: () => number;
  readonly watches: () => number;
  /** Why it decides nothing at the moment, or undefined. */
  readonly problem: () => string | undefined;
}

/** Registers the coordinator's metrics. */
export function coordinatorMetrics(registry: Registry, observed: Observed): CoordinatorMetrics {
  const { image } = observed;
  const watch = (name: string, help: string, read: () => number): void => {
    gauge(registry, { name: `weir_coordinator_${name}`, help, collect: (it) => it.set(read()) });
  };
  watch('active', '1: this coordinator decides; 0: its store cannot be written, or it stops.', () =>
    observed.problem() === undefined ? 1 : 0,
  );
  watch('sessions', 'Broker sessions that live.', observed.sessions);
  watch('streams', 'Clients that follow the metadata, brokers included.', observed.streams);
  watch('queued_commands', 'Commands that wait in the controller.', observed.queued);
  watch('metadata_revision', 'Newest revision of the metadata.', () => image.revision);
  watch(
    'brokers',
    'Brokers that are or were registered; those beyond weir_coordinator_sessions are away.',
    () => image.brokers.size,
  );
  watch('topics', 'Topics.', () => image.topics.size);
  watch(
    'deleted_topics',
    'Deleted topics that are remembered, for brokers that are away.',
    () => image.deletedTopics.size,
  );
  watch('partitions', 'Partitions of all topics.', () => image.partitionCount);
  watch('leaderless_partitions', 'Partitions that nobody leads: they take and give no records.', () =>
    leaderless(image),
  );
  watch('client_sessions', 'Sessions of clients of the namespace.', () => image.namespace.sessions.size);
  watch('namespace_nodes', 'Nodes that users have.', () => image.namespace.size);
  watch('namespace_bytes', "Bytes of users' nodes' data.", () => image.namespace.bytes);
  watch(
    'namespace_stale_nodes',
    'Nodes of ended sessions that are still to be removed from the store. Nobody sees them.',
    () => image.namespace.stale.size,
  );
  watch('watches', 'Watches of nodes.', observed.watches);
  likeKafkaExporter(registry, observed);
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
    elections: counter(registry, {
      name: 'weir_coordinator_elections_total',
      help: 'Partitions that got another leader than they had, a broker that came back included.',
    }),
    uncleanElections: counter(registry, {
      name: 'weir_coordinator_unclean_elections_total',
      help: 'Leaders elected that may lack records: acknowledged ones may be lost.',
    }),
    commands: counter(registry, {
      name: 'weir_coordinator_commands_total',
      help: 'Commands that the controller has taken.',
      labelNames: ['command'],
    }),
  };
}

/** Under the names of kafka_exporter, for dashboards and alerts that are there already. */
function likeKafkaExporter(registry: Registry, { image, sessions }: Observed): void {
  gauge(registry, { name: 'kafka_brokers', help: 'Brokers that live.', collect: (it) => it.set(sessions()) });
  gauge(registry, {
    name: 'kafka_topic_partitions',
    help: `Partitions of a topic, for the first ${METRIC_TOPICS_MAX} topics.`,
    labelNames: ['topic'],
    collect(metric) {
      metric.reset();
      for (const topic of image.topics.values().take(METRIC_TOPICS_MAX))
        metric.labels(topic.name).set(topic.partitionCount);
    },
  });
}

function leaderless(image: ClusterImage): number {
  let count = 0;
  for (const { leader } of image.partitions()) if (leader === NO_LEADER) count++;
  return count;
}
