import type { DashboardSpec } from './dashboard.ts';
import { CLUSTER, graph, HERE, quantiles, rate, stat, ZERO_IS_GOOD } from './panel.ts';

/** Is the cluster well, and what goes through it? */
export const overview: DashboardSpec = {
  name: 'overview',
  title: 'Weir / Overview',
  description: 'Is the cluster well, what goes through it, and who is short of something.',
  instancesOf: 'weir_build_info',
  rows: [
    {
      title: 'Health',
      panels: [
        stat({
          title: 'Active coordinators',
          width: 3,
          description:
            'One a cluster. With none, producing and reading go on, and nothing can be created, deleted or elected.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_active{${CLUSTER}}) or vector(0)`, legend: '' }],
          thresholds: [
            { value: null, color: 'red' },
            { value: 1, color: 'green' },
          ],
        }),
        stat({
          title: 'Brokers away',
          width: 3,
          description:
            'Registered brokers without a live session. What nobody else holds can be neither written nor read.',
          unit: 'none',
          targets: [
            {
              expr: `sum(weir_coordinator_brokers{${CLUSTER}}) - sum(weir_coordinator_sessions{${CLUSTER}})`,
              legend: '',
            },
          ],
          thresholds: ZERO_IS_GOOD,
        }),
        stat({
          title: 'Leaderless partitions',
          width: 3,
          description: 'Partitions that nobody leads: they take and give no records.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_leaderless_partitions{${CLUSTER}})`, legend: '' }],
          thresholds: ZERO_IS_GOOD,
        }),
        stat({
          title: 'Under min ISR',
          width: 3,
          description:
            'Partitions with fewer replicas in sync than min.insync.replicas, leaderless ones among them: acks=all is refused.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_under_min_isr_partitions{${CLUSTER}})`, legend: '' }],
          thresholds: ZERO_IS_GOOD,
        }),
        stat({
          title: 'Under-replicated',
          width: 3,
          description:
            'Partitions with a replica that is not in sync. It is so for a while whenever a broker restarts.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_under_replicated_partitions{${CLUSTER}})`, legend: '' }],
          thresholds: [
            { value: null, color: 'green' },
            { value: 1, color: 'orange' },
          ],
        }),
        stat({
          title: 'Offline replicas',
          width: 3,
          description:
            'Replicas that a broker has taken out of service after a fault of their disk or files. Its log says why.',
          unit: 'none',
          targets: [{ expr: `sum(weir_broker_partitions{${CLUSTER},state="offline"})`, legend: '' }],
          thresholds: ZERO_IS_GOOD,
        }),
        stat({
          title: 'Topics',
          width: 3,
          description: 'Topics in the metadata.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_topics{${CLUSTER}})`, legend: '' }],
        }),
        stat({
          title: 'Partitions',
          width: 3,
          description: 'Partitions of all topics.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_partitions{${CLUSTER}})`, legend: '' }],
        }),
      ],
    },
    {
      title: 'Traffic',
      panels: [
        graph({
          title: 'Records in',
          description: 'Records that brokers appended, in a second.',
          unit: 'cps',
          targets: [{ expr: rate('weir_broker_records_in_total', { scope: CLUSTER }), legend: 'records' }],
        }),
        graph({
          title: 'Bytes in and out',
          description: 'Bytes of batches that were appended, and that were sent to readers.',
          unit: 'Bps',
          targets: [
            { expr: rate('weir_broker_bytes_in_total', { scope: CLUSTER }), legend: 'in' },
            { expr: rate('weir_broker_bytes_out_total', { scope: CLUSTER }), legend: 'out' },
          ],
        }),
        graph({
          title: 'Produce latency at the broker',
          description: 'From a produce request to its answer. With flush=commit a sync of the disk is in it.',
          unit: 's',
          targets: quantiles('weir_broker_append_seconds', { scope: CLUSTER }),
        }),
        graph({
          title: 'HTTP requests',
          description: 'Requests that gateways answered, by status.',
          unit: 'reqps',
          targets: [
            { expr: rate('weir_gateway_requests_total', { by: 'status', scope: CLUSTER }), legend: '{{status}}' },
          ],
        }),
        graph({
          title: 'What was refused',
          description:
            'Answers 5xx of the gateways, and batches and subscriptions that brokers refused. Some are normal while a leader changes.',
          unit: 'cps',
          targets: [
            {
              expr: `${rate('weir_gateway_requests_total', { where: 'status=~"5.."', scope: CLUSTER })} or vector(0)`,
              legend: 'HTTP 5xx',
            },
            { expr: rate('weir_broker_refused_batches_total', { scope: CLUSTER }), legend: 'batches' },
            { expr: rate('weir_broker_refused_fetches_total', { scope: CLUSTER }), legend: 'subscriptions' },
          ],
        }),
        graph({
          title: 'Elections and lost sessions',
          description:
            'Partitions that got another leader, and broker sessions that ended by themselves. Both are rare.',
          unit: 'cps',
          targets: [
            { expr: rate('weir_coordinator_elections_total', { scope: CLUSTER }), legend: 'elections' },
            { expr: rate('weir_coordinator_sessions_expired_total', { scope: CLUSTER }), legend: 'sessions' },
          ],
        }),
      ],
    },
    {
      title: 'Room',
      panels: [
        graph({
          title: 'Disk free',
          description:
            'Share of the data directory’s file system that is free. Below a reserve (5 %, at most 1 GiB) a broker refuses batches.',
          unit: 'percentunit',
          targets: [
            {
              expr: `weir_broker_disk_free_bytes{${HERE}} / weir_broker_disk_total_bytes{${HERE}}`,
              legend: '{{instance}}',
            },
          ],
          thresholds: [
            { value: null, color: 'red' },
            { value: 0.05, color: 'orange' },
            { value: 0.15, color: 'green' },
          ],
        }),
        graph({
          title: 'Memory of its limit',
          description: 'What each process uses and cannot give back, as a share of what its container may use.',
          unit: 'percentunit',
          targets: [
            { expr: `weir_memory_used_bytes{${HERE}} / weir_memory_limit_bytes{${HERE}}`, legend: '{{instance}}' },
          ],
          thresholds: [
            { value: null, color: 'green' },
            { value: 0.9, color: 'red' },
          ],
        }),
        graph({
          title: 'Processor',
          description: 'Cores that each process uses. A service does its work on one, its disk work on others.',
          unit: 'short',
          targets: [{ expr: rate('process_cpu_seconds_total', { by: 'instance' }), legend: '{{instance}}' }],
        }),
      ],
    },
  ],
};
