import type { ErrorCode } from '@weir/base/errors.ts';
import { METRIC_PARTITIONS_MAX, METRIC_TOPICS_MAX } from '@weir/base/limits.ts';
import type { RecoveryReport } from '@weir/log/recovery.ts';
import { counter, counterOf, gauge, LATENCY_BUCKETS_SECONDS } from '@weir/runtime/metrics.ts';
import { Observations } from '@weir/runtime/observations.ts';
import type { CompactionDone } from './partition/compactor.ts';
import type { Counter, Gauge, Registry } from '@weir/runtime/world.ts';

const JOURNAL_GROUP_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/** What is counted of one topic since the start: whoever counts keeps this, so that a batch costs a few additions. */
export interface TopicCounters {
  bytesIn: number;
  batchesIn: number;
  recordsIn: number;
  bytesOut: number;
}

/** What is measured at the front door for Kafka clients. */
export interface KafkaGauges {
  readonly connections: number;
  readonly fetchesWaiting: number;
  readonly requestBytes: number;
  readonly ended: Readonly<Record<string, number>>;
}

/** What the gauges ask when somebody looks. */
export interface BrokerGauges {
  partitions(): { leader: number; follower: number; unassigned: number; offline: number };
  pendingBytes(): number;
  logBytes(): number;
  tailCacheBytes(): number;
  slabBytes(): number;
  slabUsedBytes(): number;
  readAheadBytes(): number;
  dirtyRatioMax(): number;
  journalBytes(): number;
  openFiles(): number;
  /** One entry a topic. */
  topicLogBytes(): ReadonlyMap<string, number>;
  /** Partitions that this broker leads, as many as may be in the metrics. */
  leading(): Iterable<LeadPartition>;
  diskFreeBytes(): number;
  diskTotalBytes(): number;
  diskReserveBytes(): number;
  longestSyncMs(): number;
  subscriptions(): number;
  readyForced(): boolean;
  readonly kafka: KafkaGauges;
}

/** A partition that this broker leads, as it is when somebody looks. */
export interface LeadPartition {
  readonly topic: string;
  readonly partition: number;
  /** This broker's id. */
  readonly leader: number;
  readonly startOffset: number;
  readonly highWatermark: number;
  readonly replicas: number;
  readonly inSync: number;
  /** Its preferred replica is this broker's. */
  readonly isPreferred: boolean;
}

/** The broker's metrics. */
export class BrokerMetrics {
  readonly appendSeconds: Observations;
  readonly syncSeconds: Observations;
  readonly journalGroups: Observations;
  /** Reads for readers, by where they found it. */
  readonly reads = { cache: 0, disk: 0 };
  readonly refusals: Counter<'code'>;
  readonly fetchRefusals: Counter<'code'>;
  readonly #registry: Registry;
  readonly #recovered: Counter<'kind'>;
  readonly #retentionSegments: Counter;
  readonly #retentionBytes: Counter;
  readonly #compactions: Counter<'outcome'>;
  readonly #compactionBytes: Counter<'kind'>;
  readonly #compactionSeconds: Counter;
  readonly #topics = new Map<string, TopicCounters>();
  /** By API. */
  readonly #kafkaRequests = new Map<string, { count: number; seconds: number }>();

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#ofTopics('bytes_in', 'Bytes of batches that were appended.', (topic) => topic.bytesIn);
    this.#ofTopics('batches_in', 'Batches that were appended.', (topic) => topic.batchesIn);
    this.#ofTopics('records_in', 'Records of those batches.', (topic) => topic.recordsIn);
    this.#ofTopics('bytes_out', 'Bytes of batches that were sent to readers.', (topic) => topic.bytesOut);
    this.refusals = counter(registry, {
      name: 'weir_broker_refused_batches_total',
      help: 'Batches that were not appended, by error code.',
      labelNames: ['code'],
    });
    this.fetchRefusals = counter(registry, {
      name: 'weir_broker_refused_fetches_total',
      help: 'Subscriptions that were refused or ended by an error, by error code.',
      labelNames: ['code'],
    });
    this.appendSeconds = new Observations(registry, {
      name: 'weir_broker_append_seconds',
      help: 'From a produce request to its answer.',
      buckets: LATENCY_BUCKETS_SECONDS,
    });
    this.syncSeconds = new Observations(registry, {
      name: 'weir_broker_sync_seconds',
      help: 'How long one sync took, of a log or of the journal.',
      buckets: LATENCY_BUCKETS_SECONDS,
    });
    this.journalGroups = new Observations(registry, {
      name: 'weir_broker_journal_round_groups',
      help: 'Groups of different logs that one sync of the journal made durable.',
      buckets: JOURNAL_GROUP_BUCKETS,
    });
    counterOf(
      registry,
      {
        name: 'weir_broker_reads_total',
        help: 'Reads for readers: a frame from the tail cache, or a few frames from disk.',
        labelNames: ['source'],
      },
      () => Object.entries(this.reads),
    );
    const ofKafka = (pick: (api: { count: number; seconds: number }) => number) => () =>
      this.#kafkaRequests.entries().map(([api, measured]) => [api, pick(measured)] as const);
    counterOf(
      registry,
      {
        name: 'weir_broker_kafka_requests_total',
        help: "Requests in Kafka's protocol that were answered.",
        labelNames: ['api'],
      },
      ofKafka(({ count }) => count),
    );
    counterOf(
      registry,
      {
        name: 'weir_broker_kafka_request_seconds_total',
        help: 'Time from their arrival to their answers; that of Fetch has the wait for records in it.',
        labelNames: ['api'],
      },
      ofKafka(({ seconds }) => seconds),
    );
    this.#retentionSegments = counter(registry, {
      name: 'weir_broker_retention_removed_segments_total',
      help: 'Segments that were removed because their records were too old or too many.',
    });
    this.#retentionBytes = counter(registry, {
      name: 'weir_broker_retention_removed_bytes_total',
      help: 'Bytes of those segments.',
    });
    this.#compactions = counter(registry, {
      name: 'weir_broker_compactions_total',
      help: 'Passes of compaction over a log, by how they ended.',
      labelNames: ['outcome'],
    });
    this.#compactionBytes = counter(registry, {
      name: 'weir_broker_compaction_bytes_total',
      help: 'Bytes that compaction has read, has written in their place, and by which logs have become smaller.',
      labelNames: ['kind'],
    });
    this.#compactionSeconds = counter(registry, {
      name: 'weir_broker_compaction_seconds_total',
      help: 'How long passes of compaction took that came to their end, pauses among them.',
    });
    for (const outcome of ['cleaned', 'failed']) this.#compactions.labels(outcome).inc(0);
    for (const kind of ['read', 'written', 'freed']) this.#compactionBytes.labels(kind).inc(0);
    this.#recovered = counter(registry, {
      name: 'weir_broker_recovery_total',
      help:
        'What opening the logs found: bytes scanned and cut, files rebuilt, logs cut and damaged, groups restored. ' +
        'Logs in which a read finds damage later are among the damaged ones.',
      labelNames: ['kind'],
    });
    for (const kind of [
      'scanned_bytes',
      'cut_bytes',
      'cut_logs',
      'damaged_logs',
      'rebuilt_files',
      'missing_logs',
      'journal_groups',
      'damaged_journals',
    ]) {
      this.#recovered.labels(kind).inc(0);
    }
    // From the start: of a counter that appears with its first number, the rate of that number is never seen.
    for (const code of USUAL_REFUSALS.batches) this.refusals.labels(code).inc(0);
    for (const code of USUAL_REFUSALS.fetches) this.fetchRefusals.labels(code).inc(0);
  }

  /** A topic's counters. Past METRIC_TOPICS_MAX topics the rest share the label "other". */
  forTopic(topic: string): TopicCounters {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    if (this.#topics.size >= METRIC_TOPICS_MAX && topic !== OTHER_TOPICS) return this.forTopic(OTHER_TOPICS);
    const counters: TopicCounters = { bytesIn: 0, batchesIn: 0, recordsIn: 0, bytesOut: 0 };
    this.#topics.set(topic, counters);
    return counters;
  }

  /** A topic is gone: its label is free for another. */
  forgetTopic(topic: string): void {
    // Those that share a label go on counting there, also when one of them has its name.
    if (topic !== OTHER_TOPICS) this.#topics.delete(topic);
  }

  /** Counts a request of Kafka's protocol. */
  kafkaRequest(api: string, seconds: number): void {
    const known = this.#kafkaRequests.get(api);
    if (known === undefined) {
      this.#kafkaRequests.set(api, { count: 1, seconds });
      return;
    }
    known.count++;
    known.seconds += seconds;
  }

  /** Counts what retention removed. */
  retained(segments: number, bytes: number): void {
    this.#retentionSegments.inc(segments);
    this.#retentionBytes.inc(bytes);
  }

  /** Counts a pass of compaction. */
  compacted({ readBytes, writtenBytes, freedBytes }: CompactionDone, durationMs: number): void {
    this.#compactions.labels('cleaned').inc();
    this.#compactionSeconds.inc(durationMs / 1_000);
    this.#compactionBytes.labels('read').inc(readBytes);
    this.#compactionBytes.labels('written').inc(writtenBytes);
    this.#compactionBytes.labels('freed').inc(Math.max(0, freedBytes));
  }

  compactionFailed(): void {
    this.#compactions.labels('failed').inc();
  }

  /** Counts what opening one log found. */
  recovered(report: RecoveryReport): void {
    this.#recovered.labels('scanned_bytes').inc(report.scannedBytes);
    this.#recovered.labels('cut_bytes').inc(report.tornBytesCut);
    this.#recovered.labels('rebuilt_files').inc(report.rebuiltFiles);
    if (report.tornBytesCut > 0) this.#recovered.labels('cut_logs').inc();
    if (report.damage !== undefined) this.damaged();
  }

  /** Counts a log whose bytes are not what was written, or that cannot be opened. */
  damaged(): void {
    this.#recovered.labels('damaged_logs').inc();
  }

  /** Counts what the journal gave back. */
  replayed(restored: number, damaged: boolean): void {
    this.#recovered.labels('journal_groups').inc(restored);
    if (damaged) this.#recovered.labels('damaged_journals').inc();
  }

  /** Counts a log that should be there and is not. */
  missing(): void {
    this.#recovered.labels('missing_logs').inc();
  }

  /** Adds the gauges, once there is something to measure. */
  watch(gauges: BrokerGauges): void {
    gauge(this.#registry, {
      name: 'weir_broker_partitions',
      help: 'Replicas on this broker, by what they do. "offline" ones need somebody.',
      labelNames: ['state'],
      collect(metric) {
        for (const [state, count] of Object.entries(gauges.partitions())) metric.labels(state).set(count);
      },
    });
    gauge(this.#registry, {
      name: 'weir_broker_append_pending_bytes',
      help: 'Bytes of batches that were taken and do not count yet.',
      collect: (metric) => metric.set(gauges.pendingBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_log_bytes',
      help: 'Size of all logs.',
      collect: (metric) => metric.set(gauges.logBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_topic_log_bytes',
      help: 'Size of the logs of a topic on this broker.',
      labelNames: ['topic'],
      collect: (metric) => this.#collectTopicBytes(metric, gauges.topicLogBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_compaction_dirty_ratio_max',
      help: 'Of the logs that are compacted, the largest share that is not yet, from 0 to 1.',
      collect: (metric) => metric.set(gauges.dirtyRatioMax()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_tail_cache_bytes',
      help: 'Memory behind the recently appended batches.',
      collect: (metric) => metric.set(gauges.tailCacheBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_slab_bytes',
      help: 'Memory for payload, in use or kept for the next use.',
      collect: (metric) => metric.set(gauges.slabBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_slab_used_bytes',
      help: 'Of that, what somebody refers to.',
      collect: (metric) => metric.set(gauges.slabUsedBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_read_ahead_bytes',
      help: 'Memory with what was read from disk before somebody asked for it.',
      collect: (metric) => metric.set(gauges.readAheadBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_journal_bytes',
      help: "Size of the journal's files.",
      collect: (metric) => metric.set(gauges.journalBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_open_segment_files',
      help: 'Segment files that are open.',
      collect: (metric) => metric.set(gauges.openFiles()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_longest_sync_seconds',
      help: 'For how long the oldest sync that is under way has not come back; looked at every second.',
      collect: (metric) => metric.set(gauges.longestSyncMs() / 1_000),
    });
    gauge(this.#registry, {
      name: 'weir_broker_disk_free_bytes',
      help: 'What the file system of the data directory has room for. Below a reserve batches are refused.',
      collect: (metric) => metric.set(gauges.diskFreeBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_disk_total_bytes',
      help: 'Size of that file system.',
      collect: (metric) => metric.set(gauges.diskTotalBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_disk_reserve_bytes',
      help: 'What is kept free: with less, batches are refused.',
      collect: (metric) => metric.set(gauges.diskReserveBytes()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_subscriptions',
      help: 'Partitions that are being read, over all streams.',
      collect: (metric) => metric.set(gauges.subscriptions()),
    });
    gauge(this.#registry, {
      name: 'weir_broker_kafka_connections',
      help: "Connections of clients that speak Kafka's protocol.",
      collect: (metric) => metric.set(gauges.kafka.connections),
    });
    gauge(this.#registry, {
      name: 'weir_broker_kafka_fetches_waiting',
      help: 'Fetches of them that wait for records.',
      collect: (metric) => metric.set(gauges.kafka.fetchesWaiting),
    });
    gauge(this.#registry, {
      name: 'weir_broker_kafka_request_bytes',
      help: 'Memory of their requests that are arriving or wait to be begun.',
      collect: (metric) => metric.set(gauges.kafka.requestBytes),
    });
    counterOf(
      this.#registry,
      {
        name: 'weir_broker_kafka_ended_connections_total',
        help: 'Connections of them that this broker ended or did not take, by reason.',
        labelNames: ['reason'],
      },
      () => Object.entries(gauges.kafka.ended),
    );
    gauge(this.#registry, {
      name: 'weir_ready_forced',
      help: '1 while a broker is ready although it could not take up or catch up with all its partitions in time.',
      collect: (metric) => metric.set(gauges.readyForced() ? 1 : 0),
    });
    this.#likeKafkaExporter(gauges);
  }

  #ofTopics(what: string, help: string, pick: (topic: TopicCounters) => number): void {
    counterOf(this.#registry, { name: `weir_broker_${what}_total`, help, labelNames: ['topic'] }, () =>
      this.#topics.entries().map(([topic, counters]) => [topic, pick(counters)] as const),
    );
  }

  #collectTopicBytes(metric: Gauge<'topic'>, bytes: ReadonlyMap<string, number>): void {
    metric.reset();
    for (const [topic, size] of bytes) metric.labels(this.#topics.has(topic) ? topic : OTHER_TOPICS).inc(size);
  }

  /** Under the names of kafka_exporter, for dashboards and alerts that are there already. */
  #likeKafkaExporter(gauges: BrokerGauges): void {
    const labelNames = ['topic', 'partition'] as const;
    const ofPartitions = (name: string, help: string, pick: (partition: LeadPartition) => number): void => {
      gauge(this.#registry, {
        name: `kafka_topic_partition_${name}`,
        help: `${help}, for the first ${METRIC_PARTITIONS_MAX} partitions that this broker leads.`,
        labelNames,
        collect(metric) {
          metric.reset();
          for (const lead of gauges.leading()) metric.labels(lead.topic, String(lead.partition)).set(pick(lead));
        },
      });
    };
    ofPartitions(
      'current_offset',
      'The high watermark: the offset that the next committed record gets',
      (lead) => lead.highWatermark,
    );
    ofPartitions('leader', 'Id of the broker that leads the partition', (lead) => lead.leader);
    ofPartitions('oldest_offset', 'The first offset that there is', (lead) => lead.startOffset);
    ofPartitions('replicas', 'Replicas of the partition', (lead) => lead.replicas);
    ofPartitions('in_sync_replica', 'Replicas of it that are in sync', (lead) => lead.inSync);
    ofPartitions('under_replicated_partition', '1: a replica of it is not in sync', (lead) =>
      lead.inSync < lead.replicas ? 1 : 0,
    );
    ofPartitions('leader_is_preferred', '1: its first replica leads', (lead) => (lead.isPreferred ? 1 : 0));
  }
}

/** What partitions refuse with when something is wrong. */
const USUAL_REFUSALS = {
  batches: ['NOT_LEADER_OR_FOLLOWER', 'KAFKA_STORAGE_ERROR', 'THROTTLING_QUOTA_EXCEEDED'],
  fetches: ['NOT_LEADER_OR_FOLLOWER', 'KAFKA_STORAGE_ERROR', 'OFFSET_OUT_OF_RANGE'],
} as const satisfies Record<string, readonly ErrorCode[]>;

/** Under this all topics past the most are counted. Not a topic's name by accident: a topic of that name joins them. */
const OTHER_TOPICS = 'other';
