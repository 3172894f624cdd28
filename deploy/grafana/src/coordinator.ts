import type { DashboardSpec } from './dashboard.ts';
import { graph, HERE, quantiles, rate } from './panel.ts';

/** Who is active, what it decides, and the namespace. */
export const coordinator: DashboardSpec = {
  name: 'coordinator',
  title: 'Weir / Coordinator',
  description: 'Which coordinator is active, what it decides and writes, and the namespace of nodes.',
  instancesOf: 'weir_coordinator_active',
  rows: [
    {
      title: 'Who is active',
      panels: [
        graph({
          title: 'Active',
          description: '1 is the active one. Several coordinators stand by with 0; two with 1 only meet at a takeover.',
          unit: 'short',
          targets: [{ expr: `sum by (instance) (weir_coordinator_active{${HERE}})`, legend: '{{instance}}' }],
        }),
        graph({
          title: 'Takeovers',
          description: 'Times that a coordinator became the active one.',
          unit: 'short',
          targets: [
            {
              expr: `sum by (instance) (increase(weir_coordinator_take_overs_total{${HERE}}[$__rate_interval]))`,
              legend: '{{instance}}',
            },
          ],
        }),
        graph({
          title: 'Newest revision',
          description: 'What each knows of the metadata: a standby whose line falls behind would have to read it anew.',
          unit: 'none',
          targets: [
            { expr: `sum by (instance) (weir_coordinator_metadata_revision{${HERE}})`, legend: '{{instance}}' },
          ],
        }),
      ],
    },
    {
      title: 'Decisions',
      panels: [
        graph({
          title: 'Commands',
          description: 'What the controller was asked for, in a second.',
          unit: 'ops',
          targets: [{ expr: rate('weir_coordinator_commands_total', { by: 'command' }), legend: '{{command}}' }],
        }),
        graph({
          title: 'Transactions',
          description: 'Until a transaction of the metadata store was durable.',
          unit: 's',
          targets: quantiles('weir_coordinator_txn_duration_seconds'),
        }),
        graph({
          title: 'Waiting, and sent again',
          description: 'Commands that wait, and transactions that were sent again because the store had failed.',
          unit: 'short',
          targets: [
            { expr: `sum (weir_coordinator_queued_commands{${HERE}})`, legend: 'waiting' },
            { expr: rate('weir_coordinator_txn_retries_total'), legend: 'sent again, in a second' },
          ],
        }),
        graph({
          title: 'Elections',
          description:
            'Partitions that got another leader, in a second; unclean ones may have lost records. By what: see Replication.',
          unit: 'ops',
          targets: [
            { expr: rate('weir_coordinator_elections_total'), legend: 'all' },
            { expr: rate('weir_coordinator_unclean_elections_total'), legend: 'unclean' },
          ],
        }),
        graph({
          title: 'Sessions of brokers',
          description: 'That live, and clients that follow the metadata, brokers included.',
          unit: 'short',
          targets: [
            { expr: `sum (weir_coordinator_sessions{${HERE}})`, legend: 'sessions' },
            { expr: `sum (weir_coordinator_streams{${HERE}})`, legend: 'followers' },
          ],
        }),
        graph({
          title: 'Sessions of brokers that ended',
          description: 'Because the broker was silent, or did not come back after its connection broke; in a second.',
          unit: 'ops',
          targets: [{ expr: rate('weir_coordinator_sessions_expired_total', { by: 'reason' }), legend: '{{reason}}' }],
        }),
      ],
    },
    {
      title: 'Namespace',
      panels: [
        graph({
          title: 'Nodes',
          description: 'That users have, and those of ended sessions that are still to be removed from the store.',
          unit: 'short',
          targets: [
            { expr: `sum (weir_coordinator_namespace_nodes{${HERE}})`, legend: 'nodes' },
            { expr: `sum (weir_coordinator_namespace_stale_nodes{${HERE}})`, legend: 'to be removed' },
          ],
        }),
        graph({
          title: 'Data',
          description: "Bytes of users' nodes; all of it is in the coordinator's memory.",
          unit: 'bytes',
          targets: [{ expr: `sum (weir_coordinator_namespace_bytes{${HERE}})`, legend: 'bytes' }],
        }),
        graph({
          title: 'Sessions and watches of clients',
          description: 'That live.',
          unit: 'short',
          targets: [
            { expr: `sum (weir_coordinator_client_sessions{${HERE}})`, legend: 'sessions' },
            { expr: `sum (weir_coordinator_watches{${HERE}})`, legend: 'watches' },
          ],
        }),
        graph({
          title: 'Sessions of clients that ended',
          description: 'Because the client was silent, or did not come back after its connection broke; in a second.',
          unit: 'ops',
          targets: [
            { expr: rate('weir_coordinator_client_sessions_expired_total', { by: 'reason' }), legend: '{{reason}}' },
          ],
        }),
      ],
    },
  ],
};
