import type { DashboardSpec } from './dashboard.ts';
import { graph, HERE, quantiles, rate } from './panel.ts';

/** A gauge as it is, a line an instance. */
function each(metric: string, by = 'instance'): { expr: string; legend: string } {
  return { expr: `sum by (${by}) (${metric}{${HERE}})`, legend: by === 'instance' ? '{{instance}}' : `{{${by}}}` };
}

/** How brokers append, sync, read and recover. */
export const broker: DashboardSpec = {
  name: 'broker',
  title: 'Weir / Broker and log',
  description: 'How brokers append, sync and read, what they hold in memory, and how their disk is.',
  instancesOf: 'weir_broker_log_bytes',
  rows: [
    {
      title: 'Append',
      panels: [
        graph({
          title: 'Produce latency',
          description: 'From a produce request to its answer.',
          unit: 's',
          targets: quantiles('weir_broker_append_seconds', { by: 'instance' }),
        }),
        graph({
          title: 'Waiting to count',
          description:
            'Bytes of batches that were taken and do not count yet. At a broker’s budget it refuses with THROTTLING_QUOTA_EXCEEDED.',
          unit: 'bytes',
          targets: [each('weir_broker_append_pending_bytes')],
        }),
        graph({
          title: 'Refused batches',
          description: 'Batches that were not appended, by error code.',
          unit: 'cps',
          targets: [{ expr: rate('weir_broker_refused_batches_total', { by: 'code' }), legend: '{{code}}' }],
        }),
      ],
    },
    {
      title: 'Sync',
      panels: [
        graph({
          title: 'Sync latency',
          description:
            'How long one fdatasync took, of a log or of the journal. What a disk does here, no setting makes up for.',
          unit: 's',
          targets: quantiles('weir_broker_sync_seconds', { by: 'instance' }),
        }),
        graph({
          title: 'Oldest sync under way',
          description: 'For how long a sync has not come back. Seconds of it are a disk that stalls.',
          unit: 's',
          targets: [each('weir_broker_longest_sync_seconds')],
          thresholds: [
            { value: null, color: 'green' },
            { value: 5, color: 'red' },
          ],
        }),
        graph({
          title: 'Syncs, and logs that shared one',
          description:
            'Syncs in a second, and groups of different logs that one sync of the journal made durable, on average.',
          unit: 'short',
          targets: [
            { expr: rate('weir_broker_sync_seconds_count'), legend: 'syncs a second' },
            {
              expr: `${rate('weir_broker_journal_round_groups_sum')} / (${rate('weir_broker_journal_round_groups_count')} > 0) or vector(0)`,
              legend: 'groups a journal sync',
            },
          ],
        }),
      ],
    },
    {
      title: 'Read',
      panels: [
        graph({
          title: 'Reads',
          description: 'Frames from the cache of what was appended last, and reads from disk.',
          unit: 'ops',
          targets: [{ expr: rate('weir_broker_reads_total', { by: 'source' }), legend: '{{source}}' }],
        }),
        graph({
          title: 'Subscriptions',
          description: 'Partitions that are being read, over all streams.',
          unit: 'short',
          targets: [each('weir_broker_subscriptions')],
        }),
        graph({
          title: 'Refused or ended subscriptions',
          description: 'By error code. OFFSET_OUT_OF_RANGE: a reader was behind what retention keeps.',
          unit: 'cps',
          targets: [{ expr: rate('weir_broker_refused_fetches_total', { by: 'code' }), legend: '{{code}}' }],
        }),
      ],
    },
    {
      title: 'Kafka clients',
      panels: [
        graph({
          title: 'Kafka connections',
          description:
            'Connections of clients that speak Kafka’s protocol. A broker takes 10,000, and 5,000 of one address.',
          unit: 'short',
          targets: [each('weir_broker_kafka_connections')],
        }),
        graph({
          title: 'Kafka requests',
          description: 'Requests that were answered, by API.',
          unit: 'reqps',
          targets: [{ expr: rate('weir_broker_kafka_requests_total', { by: 'api' }), legend: '{{api}}' }],
        }),
        graph({
          title: 'Time of a Kafka request',
          description:
            'From its arrival to its answer, on average, by API. That of Fetch has the wait for records in it: half a second and more is a reader with nothing to read.',
          unit: 's',
          targets: [
            {
              expr: `${rate('weir_broker_kafka_request_seconds_total', { by: 'api' })} / (${rate('weir_broker_kafka_requests_total', { by: 'api' })} > 0)`,
              legend: '{{api}}',
            },
          ],
        }),
        graph({
          title: 'Ended Kafka connections',
          description:
            'Connections that a broker ended or did not take, by reason. refused_request: an API or version that is not served, or no request at all, as of a client with TLS. too_many: above the limits. idle: nothing for ten minutes, or stuck for one. failed: a bug; the log has it.',
          unit: 'cps',
          targets: [
            { expr: rate('weir_broker_kafka_ended_connections_total', { by: 'reason' }), legend: '{{reason}}' },
          ],
        }),
        graph({
          title: 'Kafka fetches that wait',
          description: 'Fetches whose readers have everything and wait for more.',
          unit: 'short',
          targets: [each('weir_broker_kafka_fetches_waiting')],
        }),
        graph({
          title: 'Memory of Kafka requests',
          description:
            'Requests that are arriving or wait to be begun, over all connections. At a broker’s budget it reads no more for a while.',
          unit: 'bytes',
          targets: [each('weir_broker_kafka_request_bytes')],
        }),
      ],
    },
    {
      title: 'Partitions and disk',
      panels: [
        graph({
          title: 'Replicas',
          description: 'By what they do. "offline" ones need somebody.',
          unit: 'short',
          targets: [each('weir_broker_partitions', 'state')],
        }),
        graph({
          title: 'Log size',
          description: 'Size of all logs of a broker.',
          unit: 'bytes',
          targets: [each('weir_broker_log_bytes')],
        }),
        graph({
          title: 'Disk',
          description: 'What is free, and what is kept free: with less, batches are refused.',
          unit: 'bytes',
          targets: [
            { expr: `sum by (instance) (weir_broker_disk_free_bytes{${HERE}})`, legend: 'free {{instance}}' },
            { expr: `sum by (instance) (weir_broker_disk_reserve_bytes{${HERE}})`, legend: 'reserve {{instance}}' },
          ],
        }),
        graph({
          title: 'Removed by retention',
          description: 'Bytes of segments that were too old or too many.',
          unit: 'Bps',
          targets: [
            { expr: rate('weir_broker_retention_removed_bytes_total', { by: 'instance' }), legend: '{{instance}}' },
          ],
        }),
        graph({
          title: 'Open files',
          description: 'Segment files that are open, and all descriptors of the process.',
          unit: 'short',
          targets: [
            { expr: `sum by (instance) (weir_broker_open_segment_files{${HERE}})`, legend: 'segments {{instance}}' },
            {
              expr: `sum by (instance) (process_open_fds{${HERE}} and on (instance) weir_broker_log_bytes)`,
              legend: 'all {{instance}}',
            },
          ],
        }),
        graph({
          title: 'What the last start found, and reads since',
          description:
            'Since the process started: bytes that were scanned and cut, files made again, logs cut and damaged, groups from the journal. "damaged" ones are made anew where others are in sync; think of the disk.',
          unit: 'short',
          targets: [
            { expr: `sum by (kind) (weir_broker_recovery_total{${HERE},kind!~".*_bytes"})`, legend: '{{kind}}' },
          ],
        }),
      ],
    },
    {
      title: 'Memory for payload',
      panels: [
        graph({
          title: 'Slabs',
          description: 'Memory for payload: in use or kept for the next use, and what somebody refers to.',
          unit: 'bytes',
          targets: [
            { expr: `sum by (instance) (weir_broker_slab_bytes{${HERE}})`, legend: 'all {{instance}}' },
            { expr: `sum by (instance) (weir_broker_slab_used_bytes{${HERE}})`, legend: 'used {{instance}}' },
          ],
        }),
        graph({
          title: 'Tail cache and read-ahead',
          description: 'What was appended last, and what was read from disk before somebody asked for it.',
          unit: 'bytes',
          targets: [
            { expr: `sum by (instance) (weir_broker_tail_cache_bytes{${HERE}})`, legend: 'tail {{instance}}' },
            { expr: `sum by (instance) (weir_broker_read_ahead_bytes{${HERE}})`, legend: 'read-ahead {{instance}}' },
          ],
        }),
        graph({
          title: 'Journal',
          description: 'Size of the journal’s files. It empties when the logs themselves are synced.',
          unit: 'bytes',
          targets: [each('weir_broker_journal_bytes')],
        }),
      ],
    },
  ],
};
