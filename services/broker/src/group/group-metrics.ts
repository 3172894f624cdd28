import { METRIC_GROUP_PARTITIONS_MAX, METRIC_GROUPS_MAX } from '@weir/base/group-limits.ts';
import { counter, counterOf, gauge } from '@weir/runtime/metrics.ts';
import type { Registry } from '@weir/runtime/world.ts';
import type { ClassicGroup } from './classic-group.ts';
import { isNameable, OTHER_GROUPS } from './group-counters.ts';
import type { GroupCounters } from './group-counters.ts';
import type { GroupState } from './group-state.ts';
import type { GroupPartitionLag } from './lag-watch.ts';

/** What the gauges look at. */
export interface GroupGauges {
  readonly counters: GroupCounters;
  /** The groups that are coordinated here, always in the same order. */
  readonly groups: () => Iterable<MeasuredGroup>;
  readonly lags: { lags(): Iterable<GroupPartitionLag>; readonly leftOut: number };
}

/** As much of a group as is measured. */
export interface MeasuredGroup {
  readonly id: string;
  readonly classic: Pick<ClassicGroup<never>, 'state' | 'memberCount'>;
}

/** What is told of a group in a partition; undefined: it is not known. */
type NumberOf = (lag: GroupPartitionLag) => number | undefined;

/** Values of the label `state`; groups that are dead are nowhere. */
const STATES = {
  Empty: 'empty',
  PreparingRebalance: 'preparing_rebalance',
  CompletingRebalance: 'completing_rebalance',
  Stable: 'stable',
} as const satisfies Partial<Record<GroupState, string>>;

/** Registers what a broker tells of the groups that it coordinates. Gauges look over groups when somebody asks, and at no other time. */
export function groupMetrics(registry: Registry, gauges: GroupGauges): void {
  countersOf(registry, gauges);
  gauge(registry, {
    name: 'weir_groups',
    help: 'Consumer groups that this broker coordinates, by state. empty: nobody is in it, but it has committed offsets.',
    labelNames: ['state'],
    collect(metric) {
      metric.reset();
      for (const state of Object.values(STATES)) metric.labels(state).set(0);
      for (const { classic } of gauges.groups()) {
        if (classic.state !== 'Dead') metric.labels(STATES[classic.state]).inc();
      }
    },
  });
  gauge(registry, {
    name: 'weir_group_members',
    help: `Members of a group, for the first ${METRIC_GROUPS_MAX} groups that this broker coordinates; those of all others together as "${OTHER_GROUPS}".`,
    labelNames: ['group'],
    collect(metric) {
      metric.reset();
      for (const [group, members] of membersOf(gauges)) metric.labels(group).set(members);
    },
  });
  lagsOf(registry, gauges);
  likeKafkaExporter(registry, gauges);
}

function countersOf(registry: Registry, { counters }: GroupGauges): void {
  const ofGroups = (name: string, help: string, pick: (counts: { rebalances: number; commits: number }) => number) =>
    counterOf(registry, { name, help, labelNames: ['group'] }, function* totals() {
      for (const [group, counts] of counters.byGroup()) yield [group, pick(counts)] as const;
    });
  const total = (name: string, help: string, read: () => number): void => {
    counter(registry, {
      name,
      help,
      collect(metric) {
        metric.reset();
        metric.inc(read());
      },
    });
  };
  ofGroups(
    'weir_group_rebalances_total',
    `Times that members of a group had to join anew, by group up to ${METRIC_GROUPS_MAX}, the others as "${OTHER_GROUPS}".`,
    ({ rebalances }) => rebalances,
  );
  ofGroups(
    'weir_group_commits_total',
    `Offsets that were committed, by group up to ${METRIC_GROUPS_MAX}, the others as "${OTHER_GROUPS}".`,
    ({ commits }) => commits,
  );
  total(
    'weir_group_loads_total',
    'Partitions of __consumer_offsets that were read because this broker leads them now.',
    () => counters.loads,
  );
  total(
    'weir_group_load_seconds_total',
    'Time that took in all. Meanwhile clients of those groups are told to wait.',
    () => counters.loadMs / 1_000,
  );
  total(
    'weir_group_lag_failed_calls_total',
    'Calls to other brokers that did not say where their logs end. Lags there stay what they were, for a minute.',
    () => counters.failedLagCalls,
  );
}

/** A gauge of one number of each partition of a group. */
function gaugeOfPartitions(
  registry: Registry,
  { lags }: GroupGauges,
  spec: {
    readonly name: string;
    readonly help: string;
    readonly groupLabel: 'group' | 'consumergroup';
    readonly pick: NumberOf;
  },
): void {
  const { name, help, groupLabel, pick } = spec;
  gauge<string>(registry, {
    name,
    help,
    labelNames: [groupLabel, 'topic', 'partition'],
    collect(metric) {
      metric.reset();
      for (const lag of lags.lags()) {
        const value = pick(lag);
        if (value !== undefined) metric.labels(lag.group, lag.topic, String(lag.partition)).set(value);
      }
    },
  });
}

function lagsOf(registry: Registry, gauges: GroupGauges): void {
  const ofPartitions = (name: string, help: string, pick: NumberOf): void =>
    gaugeOfPartitions(registry, gauges, { name: `weir_group_${name}`, help, groupLabel: 'group', pick });
  ofPartitions(
    'lag_records',
    'Committed records that a group has not read, from its committed offset or the start of the log to the high watermark.',
    ({ lag }) => lag?.records,
  );
  ofPartitions(
    'lag_seconds',
    'How long ago the record that is next to be read was committed to the log; 0: all are read. ' +
      'Absent while that is not known; after five minutes it is at least the time for which its coordinator has looked.',
    ({ lag }) => (lag?.ms === undefined ? undefined : lag.ms / 1_000),
  );
  ofPartitions(
    'committed_offset',
    'Offset that a group has committed: of the record that it wants next.',
    (lag) => lag.committed,
  );
  gauge(registry, {
    name: 'weir_group_lag_left_out_partitions',
    help: `Partitions of groups that are not in these: there is room for ${METRIC_GROUP_PARTITIONS_MAX}, and a group is left out as a whole.`,
    collect: (metric) => metric.set(gauges.lags.leftOut),
  });
}

/** Under the names of kafka_exporter, for dashboards and alerts that are there already. */
function likeKafkaExporter(registry: Registry, gauges: GroupGauges): void {
  const ofPartitions = (what: string, help: string, pick: NumberOf): void => {
    const name = `kafka_consumergroup_${what}`;
    gaugeOfPartitions(registry, gauges, { name, help: `${help}.`, groupLabel: 'consumergroup', pick });
    gauge(registry, {
      name: `${name}_sum`,
      help: `${help}, over all partitions of the topic that it has committed; absent while one is not known.`,
      labelNames: ['consumergroup', 'topic'],
      collect(metric) {
        metric.reset();
        for (const { group, topic, sum } of sumsOf(gauges.lags.lags(), pick)) metric.labels(group, topic).set(sum);
      },
    });
  };
  ofPartitions('current_offset', 'Offset that a group has committed', ({ committed }) => committed);
  ofPartitions('lag', 'Committed records that a group has not read', ({ lag }) => lag?.records);
  gauge(registry, {
    name: 'kafka_consumergroup_members',
    help: `Members of a group, for the first ${METRIC_GROUPS_MAX} groups that this broker coordinates.`,
    labelNames: ['consumergroup'],
    collect(metric) {
      metric.reset();
      for (const [group, members] of membersOf(gauges)) if (group !== OTHER_GROUPS) metric.labels(group).set(members);
    },
  });
}

/** By group, those that have no label of their own together. */
function membersOf({ groups }: GroupGauges): Map<string, number> {
  const members = new Map<string, number>();
  for (const { id, classic } of groups()) {
    const label = members.size < METRIC_GROUPS_MAX && isNameable(id) ? id : OTHER_GROUPS;
    members.set(label, (members.get(label) ?? 0) + classic.memberCount);
  }
  return members;
}

/** By group and topic, where all is known. */
function sumsOf(
  lags: Iterable<GroupPartitionLag>,
  pick: NumberOf,
): { readonly group: string; readonly topic: string; readonly sum: number }[] {
  const sums = new Map<string, { group: string; topic: string; sum: number | undefined }>();
  for (const lag of lags) {
    const { group, topic } = lag;
    const key = `${group}\0${topic}`;
    const value = pick(lag);
    const known = sums.get(key);
    if (known === undefined) sums.set(key, { group, topic, sum: value });
    else known.sum = known.sum === undefined || value === undefined ? undefined : known.sum + value;
  }
  return [...sums.values()].flatMap(({ group, topic, sum }) => (sum === undefined ? [] : [{ group, topic, sum }]));
}
