import type { DashboardSpec } from './dashboard.ts';
import { CLUSTER, graph, HERE, rate, stat, ZERO_IS_GOOD } from './panel.ts';

/** Are all replicas there, and how far is each broker behind? */
export const replication: DashboardSpec = {
  name: 'replication',
  title: 'Weir / Replication',
  description: 'Which partitions are short of replicas, how far followers are behind, who was elected and why.',
  instancesOf: 'weir_broker_under_replicated_partitions',
  rows: [
    {
      title: 'Replicas',
      panels: [
        stat({
          title: 'Offline partitions',
          description: 'Partitions that nobody leads: they take and give no records.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_leaderless_partitions{${CLUSTER}})`, legend: '' }],
          thresholds: ZERO_IS_GOOD,
        }),
        stat({
          title: 'Under min ISR',
          description:
            'Partitions with fewer replicas in sync than min.insync.replicas, offline ones among them: acks=all is refused.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_under_min_isr_partitions{${CLUSTER}})`, legend: '' }],
          thresholds: ZERO_IS_GOOD,
        }),
        stat({
          title: 'At min ISR',
          description:
            'Partitions with just as many replicas in sync as min.insync.replicas: with one less acks=all is refused. Those with a single replica always are.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_at_min_isr_partitions{${CLUSTER}})`, legend: '' }],
        }),
        stat({
          title: 'Under-replicated',
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
          description:
            'Replicas that a broker has taken out of service after a fault of their disk or files. Its log says why.',
          unit: 'none',
          targets: [{ expr: `sum(weir_broker_partitions{${CLUSTER},state="offline"})`, legend: '' }],
          thresholds: ZERO_IS_GOOD,
        }),
        stat({
          title: 'Unclean elections',
          description: 'Since the coordinators started: leaders that may lack acknowledged records.',
          unit: 'none',
          targets: [{ expr: `sum(weir_coordinator_unclean_elections_total{${CLUSTER}})`, legend: '' }],
          thresholds: ZERO_IS_GOOD,
        }),
      ],
    },
    {
      title: 'Followers',
      panels: [
        graph({
          title: 'Lag in time, by follower',
          description:
            'How long ago a broker held all that its leaders had, in the partition where that is longest. Past 10 s it is not in sync there.',
          unit: 's',
          targets: [
            { expr: `max by (follower) (weir_broker_follower_lag_seconds{${HERE}})`, legend: 'broker {{follower}}' },
          ],
          thresholds: [
            { value: null, color: 'green' },
            { value: 10, color: 'red' },
          ],
        }),
        graph({
          title: 'Lag in records, by follower',
          description:
            'Records that a broker has not said to hold durably, in the partition where they are most. What is on its way counts.',
          unit: 'short',
          targets: [
            { expr: `max by (follower) (weir_broker_follower_lag_records{${HERE}})`, legend: 'broker {{follower}}' },
          ],
        }),
        graph({
          title: 'Not committed yet',
          description:
            'Records above the high watermark, by leader. Nobody reads them yet; it grows where followers are slow or too few.',
          unit: 'short',
          targets: [{ expr: `sum by (instance) (weir_broker_uncommitted_records{${HERE}})`, legend: '{{instance}}' }],
        }),
        graph({
          title: 'Bytes between brokers',
          description: 'Batches that were sent to followers, and that came from leaders, by broker.',
          unit: 'Bps',
          targets: [
            { expr: rate('weir_broker_replication_bytes_out_total', { by: 'instance' }), legend: 'out {{instance}}' },
            { expr: rate('weir_broker_replication_bytes_in_total', { by: 'instance' }), legend: 'in {{instance}}' },
          ],
        }),
        graph({
          title: 'Followed partitions',
          description:
            'By the streams that they are followed on. Those that catch up have streams of their own, which take what writers leave.',
          unit: 'short',
          targets: [{ expr: `sum by (kind) (weir_broker_followed_partitions{${HERE}})`, legend: '{{kind}}' }],
        }),
        graph({
          title: 'Followers at a leader',
          description: 'Partitions that others follow at a broker, each counted once a follower.',
          unit: 'short',
          targets: [
            { expr: `sum by (instance) (weir_broker_follower_subscriptions{${HERE}})`, legend: '{{instance}}' },
          ],
        }),
      ],
    },
    {
      title: 'In-sync replicas',
      panels: [
        graph({
          title: 'Short of replicas, by leader',
          description: 'Under-replicated partitions that a broker leads. One that is away leads none.',
          unit: 'short',
          targets: [
            { expr: `sum by (instance) (weir_broker_under_replicated_partitions{${HERE}})`, legend: '{{instance}}' },
          ],
        }),
        graph({
          title: 'Shrinks and expansions',
          description:
            'Partitions that lost a replica in sync or got one back, in a second. Both together, again and again: a replica that just does not keep up.',
          unit: 'ops',
          targets: [
            { expr: rate('weir_coordinator_isr_shrinks_total', { scope: CLUSTER }), legend: 'shrinks' },
            { expr: rate('weir_coordinator_isr_expansions_total', { scope: CLUSTER }), legend: 'expansions' },
          ],
        }),
        graph({
          title: 'What leaders asked for',
          description:
            'Proposals of in-sync replicas, by what became of them. unknown and unsent: no coordinator answered. superseded: the metadata was ahead.',
          unit: 'ops',
          targets: [{ expr: rate('weir_broker_isr_proposals_total', { by: 'outcome' }), legend: '{{outcome}}' }],
        }),
      ],
    },
    {
      title: 'Elections and cuts',
      panels: [
        graph({
          title: 'Elections',
          description:
            'Partitions that got another leader, by the command that had it so. endSession: a broker is away; registerBroker: one is back; alterIsr: a leader resigned; reportDoubtfulReplicas: a leader found damage; reconcile: a new coordinator.',
          unit: 'ops',
          targets: [
            {
              expr: rate('weir_coordinator_elections_total', { by: 'command', scope: CLUSTER }),
              legend: '{{command}}',
            },
          ],
        }),
        graph({
          title: 'Cut logs',
          description:
            'Logs of followers that dropped records which their leader does not have (diverged), or that it has begun behind (out_of_range), or that were damaged (damaged). A few after an election are as it should be: nobody was told that they count.',
          unit: 'cps',
          targets: [{ expr: rate('weir_broker_replica_truncations_total', { by: 'reason' }), legend: '{{reason}}' }],
        }),
        graph({
          title: 'Refused',
          description:
            'Partitions that a leader did not let be followed, and batches that a follower did not take, by error code. NOT_LEADER_OR_FOLLOWER comes with elections; CORRUPT_MESSAGE needs somebody.',
          unit: 'cps',
          targets: [{ expr: rate('weir_broker_refused_replication_total', { by: 'code' }), legend: '{{code}}' }],
        }),
      ],
    },
  ],
};
