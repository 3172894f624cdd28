import type { DashboardSpec } from './dashboard.ts';
import { graph, HERE, rate, stat } from './panel.ts';

const GROUP = 'group=~"$group"';
const MINUTES_5 = 300;

/** Do consumer groups keep up, and who is in them? */
export const groups: DashboardSpec = {
  name: 'groups',
  title: 'Weir / Consumer groups',
  description:
    'How far consumer groups are behind, who is in them, how often they rebalance, and who coordinates them.',
  instancesOf: 'weir_groups',
  variables: [
    {
      name: 'group',
      label: 'Group',
      series: 'weir_group_members{namespace=~"$namespace"}',
      values: 'group',
    },
  ],
  rows: [
    {
      title: 'Groups',
      panels: [
        stat({
          title: 'Longest lag',
          width: 6,
          description:
            'How long ago the record was committed that some group is to read next, where that is longest. A group that coordinators have just begun to look at is told of after five minutes at most.',
          unit: 's',
          targets: [{ expr: `max(weir_group_lag_seconds{${HERE},${GROUP}})`, legend: '' }],
          thresholds: [
            { value: null, color: 'green' },
            { value: MINUTES_5, color: 'orange' },
          ],
        }),
        stat({
          title: 'Records not read',
          width: 6,
          description: 'By all groups together, over all partitions that they have committed.',
          unit: 'short',
          targets: [{ expr: `sum(weir_group_lag_records{${HERE},${GROUP}})`, legend: '' }],
        }),
        stat({
          title: 'Members',
          width: 6,
          description: 'Of all groups together.',
          unit: 'none',
          targets: [{ expr: `sum(weir_group_members{${HERE},${GROUP}})`, legend: '' }],
        }),
        stat({
          title: 'Partitions left out',
          width: 6,
          description:
            'Partitions of groups whose lag is not told: a broker has room for 2,000, and leaves out a group as a whole.',
          unit: 'none',
          targets: [{ expr: `sum(weir_group_lag_left_out_partitions{${HERE}})`, legend: '' }],
          thresholds: [
            { value: null, color: 'green' },
            { value: 1, color: 'orange' },
          ],
        }),
      ],
    },
    {
      title: 'Lag',
      panels: [
        graph({
          title: 'Lag in time',
          description:
            'How long ago the record was committed that a group is to read next, in the partition of a topic where that is longest. It grows by a second a second where nothing is read.',
          unit: 's',
          width: 12,
          targets: [
            {
              expr: `max by (group, topic) (weir_group_lag_seconds{${HERE},${GROUP}})`,
              legend: '{{group}} {{topic}}',
            },
          ],
          thresholds: [
            { value: null, color: 'green' },
            { value: MINUTES_5, color: 'orange' },
          ],
        }),
        graph({
          title: 'Lag in records',
          description: 'Records that a group has not read of a topic, over all partitions that it has committed.',
          unit: 'short',
          width: 12,
          targets: [
            {
              expr: `sum by (group, topic) (weir_group_lag_records{${HERE},${GROUP}})`,
              legend: '{{group}} {{topic}}',
            },
          ],
        }),
        graph({
          title: 'Partitions with the longest lag',
          description:
            'The ten in which most records are not read. One that stands out has a key or a member that does.',
          unit: 'short',
          width: 12,
          targets: [
            {
              expr: `topk(10, max by (group, topic, partition) (weir_group_lag_records{${HERE},${GROUP}}))`,
              legend: '{{group}} {{topic}}-{{partition}}',
            },
          ],
        }),
        graph({
          title: 'Progress',
          description:
            'Records a second by which committed offsets move. Beside it, what is written: Topics, growth of each partition.',
          unit: 'cps',
          width: 12,
          targets: [
            {
              expr: `sum by (group, topic) (rate(weir_group_committed_offset{${HERE},${GROUP}}[$__rate_interval]))`,
              legend: '{{group}} {{topic}}',
            },
          ],
        }),
      ],
    },
    {
      title: 'Members',
      panels: [
        graph({
          title: 'Members',
          description: 'Members of each group. Fewer than there are processes: some of them do not get in.',
          unit: 'none',
          targets: [{ expr: `max by (group) (weir_group_members{${HERE},${GROUP}})`, legend: '{{group}}' }],
        }),
        graph({
          title: 'Rebalances',
          description:
            'Times a second that the members of a group had to join anew. A few after a deployment; again and again, and members are too slow for their session or poll timeout.',
          unit: 'ops',
          targets: [{ expr: rate('weir_group_rebalances_total', { by: 'group', where: GROUP }), legend: '{{group}}' }],
        }),
        graph({
          title: 'Commits',
          description: 'Offsets a second that a group commits, each partition by itself.',
          unit: 'ops',
          targets: [{ expr: rate('weir_group_commits_total', { by: 'group', where: GROUP }), legend: '{{group}}' }],
        }),
      ],
    },
    {
      title: 'Coordinators',
      panels: [
        graph({
          title: 'Groups by state',
          description:
            'empty: nobody is in it, but its offsets are kept. A group that stays in one of the two rebalancing states waits for a member.',
          unit: 'none',
          targets: [{ expr: `sum by (state) (weir_groups{${HERE}})`, legend: '{{state}}' }],
        }),
        graph({
          title: 'Groups by broker',
          description: 'How many groups each broker coordinates.',
          unit: 'none',
          targets: [{ expr: `sum by (instance) (weir_groups{${HERE}})`, legend: '{{instance}}' }],
        }),
        graph({
          title: 'Loads',
          description:
            'Share of the time in which a broker reads a partition of __consumer_offsets that it leads now. Clients of these groups wait meanwhile.',
          unit: 'percentunit',
          targets: [{ expr: rate('weir_group_load_seconds_total', { by: 'instance' }), legend: '{{instance}}' }],
        }),
        graph({
          title: 'Leaders that do not answer',
          description:
            'Calls of coordinators to leaders that did not say where their logs end. Lags there stay what they were, and are not told after a minute.',
          unit: 'ops',
          targets: [{ expr: rate('weir_group_lag_failed_calls_total', { by: 'instance' }), legend: '{{instance}}' }],
        }),
      ],
    },
  ],
};
