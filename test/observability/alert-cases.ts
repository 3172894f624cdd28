/** A series over time, in promtool's notation: a value a minute, as "0x10" or "0+5x30". */
export interface Series {
  readonly series: string;
  readonly values: string;
}

/** What makes an alert fire, and the nearest thing that must not. */
export interface AlertCase {
  readonly alert: string;
  /** When is looked, as "15m". */
  readonly at: string;
  readonly firing: readonly Series[];
  readonly quiet: readonly Series[];
}

const A = 'namespace="a",job="weir-broker",instance="b1"';
const ETCD = 'namespace="a",job="weir-etcd"';
const HOUR = 'x90';

/** Series by name, each with the same values for the whole time. */
function steady(values: Readonly<Record<string, number>>): Series[] {
  return Object.entries(values).map(([series, value]) => ({ series, values: `${value}${HOUR}` }));
}

/** For each alert of deploy/helm/weir/files/alerts.yaml. */
export const alertCases: readonly AlertCase[] = [
  {
    alert: 'WeirNoActiveCoordinator',
    at: '5m',
    // Another cluster's coordinator does not count.
    firing: steady({
      [`weir_build_info{${A}}`]: 1,
      'weir_build_info{namespace="b"}': 1,
      'weir_coordinator_active{namespace="b"}': 1,
    }),
    quiet: steady({ [`weir_build_info{${A}}`]: 1, 'weir_coordinator_active{namespace="a"}': 1 }),
  },
  {
    alert: 'WeirNoActiveCoordinator',
    at: '5m',
    // It is there, and its store is full.
    firing: steady({ [`weir_build_info{${A}}`]: 1, 'weir_coordinator_active{namespace="a"}': 0 }),
    quiet: [
      ...steady({ [`weir_build_info{${A}}`]: 1 }),
      { series: 'weir_coordinator_active{namespace="a"}', values: '1 1 0 1x30' },
    ],
  },
  {
    alert: 'WeirNoActiveCoordinator',
    at: '5m',
    // Two stand by, and nobody decides.
    firing: steady({
      [`weir_build_info{${A}}`]: 1,
      'weir_coordinator_active{namespace="a",instance="c0"}': 0,
      'weir_coordinator_active{namespace="a",instance="c1"}': 0,
    }),
    // One takes over from the other; for a moment both or neither may be seen to decide.
    quiet: [
      ...steady({ [`weir_build_info{${A}}`]: 1 }),
      { series: 'weir_coordinator_active{namespace="a",instance="c0"}', values: '1 1 1 0x30' },
      { series: 'weir_coordinator_active{namespace="a",instance="c1"}', values: '0 0 1 0 1x30' },
    ],
  },
  {
    alert: 'WeirEtcdNoLeader',
    at: '5m',
    firing: steady({ [`etcd_server_has_leader{${ETCD},instance="e0"}`]: 0 }),
    quiet: [
      // An election, and an etcd that is not Weir's.
      { series: `etcd_server_has_leader{${ETCD},instance="e0"}`, values: '1 1 1 0 1x30' },
      { series: 'etcd_server_has_leader{namespace="a",job="kube-etcd",instance="k0"}', values: `0${HOUR}` },
    ],
  },
  {
    alert: 'WeirEtcdMemberDown',
    at: '10m',
    // Two are left of three, and one of them was told later than the other that there is a third.
    firing: steady({
      ...members(2),
      [`etcd_network_known_peers{${ETCD},instance="e1",Local="1",Remote="2"}`]: 0,
    }),
    // All of them, and one that was removed, which has 0.
    quiet: steady({
      ...members(3),
      [`etcd_network_known_peers{${ETCD},instance="e0",Local="0",Remote="9"}`]: 0,
    }),
  },
  {
    alert: 'WeirEtcdMemberDown',
    at: '10m',
    firing: steady(members(1)),
    // One restarts.
    quiet: [
      ...steady(members(2)),
      { series: `etcd_server_has_leader{${ETCD},instance="e2"}`, values: '1 1 1 stale _ _ 1x30' },
    ],
  },
  {
    alert: 'WeirBrokerDown',
    at: '5m',
    // A coordinator that stands by says 0 of all that is the cluster's.
    firing: steady({
      'weir_coordinator_brokers{namespace="a",instance="c0"}': 3,
      'weir_coordinator_sessions{namespace="a",instance="c0"}': 2,
      'weir_coordinator_brokers{namespace="a",instance="c1"}': 0,
      'weir_coordinator_sessions{namespace="a",instance="c1"}': 0,
    }),
    quiet: [
      ...steady({ 'weir_coordinator_brokers{namespace="a"}': 3 }),
      // Away for half a minute, as in a restart.
      { series: 'weir_coordinator_sessions{namespace="a"}', values: '3 3 3 3 2 3x30' },
    ],
  },
  {
    alert: 'WeirOfflinePartitions',
    at: '5m',
    firing: steady({ 'weir_coordinator_leaderless_partitions{namespace="a"}': 2 }),
    // Elected again within the minute; a replica that is out of service, and another one leads.
    quiet: [
      { series: 'weir_coordinator_leaderless_partitions{namespace="a"}', values: '0 0 0 2 0x30' },
      ...steady({ [`weir_broker_partitions{${A},state="offline"}`]: 1 }),
    ],
  },
  {
    alert: 'WeirUnderMinIsr',
    at: '5m',
    firing: steady({
      'weir_coordinator_under_min_isr_partitions{namespace="a",instance="c0"}': 3,
      'weir_coordinator_leaderless_partitions{namespace="a",instance="c0"}': 1,
      'weir_coordinator_under_min_isr_partitions{namespace="a",instance="c1"}': 0,
      'weir_coordinator_leaderless_partitions{namespace="a",instance="c1"}': 0,
    }),
    // Nobody leads any of them, which is another alert.
    quiet: steady({
      'weir_coordinator_under_min_isr_partitions{namespace="a"}': 3,
      'weir_coordinator_leaderless_partitions{namespace="a"}': 3,
    }),
  },
  {
    alert: 'WeirUnderReplicated',
    at: '10m',
    firing: steady({ 'weir_coordinator_under_replicated_partitions{namespace="a"}': 1 }),
    // A broker restarts, and catches up.
    quiet: [
      { series: 'weir_coordinator_under_replicated_partitions{namespace="a"}', values: '0 0 0 0 0 0 0 9 9 7 0x30' },
    ],
  },
  {
    alert: 'WeirReplicaOffline',
    at: '5m',
    firing: steady({ [`weir_broker_partitions{${A},state="offline"}`]: 1 }),
    quiet: steady({
      [`weir_broker_partitions{${A},state="offline"}`]: 0,
      [`weir_broker_partitions{${A},state="follower"}`]: 7,
    }),
  },
  {
    alert: 'WeirUncleanElection',
    at: '20m',
    firing: [{ series: 'weir_coordinator_unclean_elections_total{namespace="a"}', values: '0x10 1x30' }],
    // Long ago.
    quiet: steady({ 'weir_coordinator_unclean_elections_total{namespace="a"}': 4 }),
  },
  {
    alert: 'WeirUncleanElection',
    at: '20m',
    // By a coordinator that had just started.
    firing: [{ series: 'weir_coordinator_unclean_elections_total{namespace="a"}', values: '_x10 1x30' }],
    quiet: [{ series: 'weir_coordinator_unclean_elections_total{namespace="a"}', values: '_x10 0x30' }],
  },
  {
    alert: 'WeirFollowerLag',
    at: '20m',
    firing: [{ series: `weir_broker_follower_lag_seconds{${A},follower="2"}`, values: '0+60x30' }],
    // It was away for some minutes.
    quiet: [
      { series: `weir_broker_follower_lag_seconds{${A},follower="2"}`, values: '0 0 60 120 180 240 300 360 0x30' },
    ],
  },
  {
    alert: 'WeirIsrFlapping',
    at: '50m',
    firing: [{ series: 'weir_coordinator_isr_shrinks_total{namespace="a"}', values: '0+2x60' }],
    // Three brokers restarted within ten minutes, with a hundred partitions each.
    quiet: [{ series: 'weir_coordinator_isr_shrinks_total{namespace="a"}', values: '0x30 100x4 200x4 300x30' }],
  },
  {
    alert: 'WeirLeadershipChurn',
    at: '20m',
    firing: [
      ...steady({ 'weir_coordinator_brokers{namespace="a"}': 5 }),
      { series: 'weir_coordinator_sessions_expired_total{namespace="a",reason="silent"}', values: '0+1x30' },
    ],
    // Five brokers restarted one after another, as in an upgrade.
    quiet: [
      ...steady({ 'weir_coordinator_brokers{namespace="a"}': 5 }),
      {
        series: 'weir_coordinator_sessions_expired_total{namespace="a",reason="disconnected"}',
        values: '0x10 1 2 3 4 5x20',
      },
    ],
  },
  {
    alert: 'WeirDiskLow',
    at: '10m',
    firing: steady({ [`weir_broker_disk_free_bytes{${A}}`]: 10, [`weir_broker_disk_total_bytes{${A}}`]: 100 }),
    quiet: steady({ [`weir_broker_disk_free_bytes{${A}}`]: 16, [`weir_broker_disk_total_bytes{${A}}`]: 100 }),
  },
  {
    alert: 'WeirDiskFillPredicted',
    at: '89m',
    // A thousandth a minute: gone in less than a day.
    firing: [
      { series: `weir_broker_disk_free_bytes{${A}}`, values: '1000-1x90' },
      { series: `weir_broker_disk_reserve_bytes{${A}}`, values: `50${HOUR}` },
    ],
    // Little, and not getting less.
    quiet: steady({ [`weir_broker_disk_free_bytes{${A}}`]: 40, [`weir_broker_disk_reserve_bytes{${A}}`]: 50 }),
  },
  {
    alert: 'WeirSyncStalled',
    at: '2m',
    firing: steady({ [`weir_broker_longest_sync_seconds{${A}}`]: 6 }),
    quiet: steady({ [`weir_broker_longest_sync_seconds{${A}}`]: 1 }),
  },
  {
    alert: 'WeirLogDamaged',
    at: '2m',
    firing: steady({ [`weir_broker_recovery_total{${A},kind="damaged_logs"}`]: 1 }),
    // A torn tail is what a crash leaves.
    quiet: steady({
      [`weir_broker_recovery_total{${A},kind="damaged_logs"}`]: 0,
      [`weir_broker_recovery_total{${A},kind="cut_logs"}`]: 3,
    }),
  },
  {
    alert: 'WeirProduceErrors',
    at: '20m',
    firing: [{ series: `weir_broker_refused_batches_total{${A},code="KAFKA_STORAGE_ERROR"}`, values: '0+60x30' }],
    // Clients ask the wrong broker for a moment whenever a leader changes.
    quiet: [{ series: `weir_broker_refused_batches_total{${A},code="NOT_LEADER_OR_FOLLOWER"}`, values: '0+60x30' }],
  },
  {
    alert: 'WeirProduceSlow',
    at: '20m',
    firing: latencies('2.5'),
    quiet: latencies('0.01'),
  },
  {
    alert: 'WeirGroupLagGrowing',
    at: '35m',
    // Another broker coordinates the group from the twentieth minute on.
    firing: [
      { series: groupLag('seconds', 'b1'), values: '0+60x20 stale' },
      { series: groupLag('seconds', 'b2'), values: '_x20 1260+60x30' },
    ],
    // It is far behind, and catches up; and one that is behind for a moment again and again.
    quiet: [
      { series: groupLag('seconds', 'b1'), values: '9000-60x60' },
      { series: groupLag('seconds', 'b1').replace('orders', 'bills'), values: '0 200 400 0 200 400 0 200 400 0x40' },
    ],
  },
  {
    alert: 'WeirGroupLagGrowing',
    at: '35m',
    // Nothing is written any more, and nothing is read.
    firing: [{ series: groupLag('seconds', 'b1'), values: '400+60x60' }],
    // It reads as fast as is written, four minutes behind.
    quiet: [{ series: groupLag('seconds', 'b1'), values: '240x60' }],
  },
  {
    alert: 'WeirGroupStuck',
    at: '35m',
    firing: stuck({ lag: '0+100x60', committed: '5000x60', members: 2 }),
    // It reads, and is slower than what is written.
    quiet: stuck({ lag: '0+100x60', committed: '5000+10x60', members: 2 }),
  },
  {
    alert: 'WeirGroupStuck',
    at: '35m',
    // It commits again and again where it is: the offset is what counts.
    firing: stuck({ lag: '7+1x60', committed: '0x60', members: 1 }),
    // Nobody is in it: its members are switched off on purpose.
    quiet: stuck({ lag: '7+1x60', committed: '0x60', members: 0 }),
  },
  {
    alert: 'WeirGroupStuck',
    at: '35m',
    firing: stuck({ lag: '0x10 0+50x50', committed: '5000x60', members: 2 }),
    // Nothing is written, and there is nothing to commit.
    quiet: stuck({ lag: '0x60', committed: '5000x60', members: 2 }),
  },
  {
    alert: 'WeirGatewayErrors',
    at: '20m',
    firing: answers(5),
    quiet: answers(0),
  },
  {
    alert: 'WeirMemoryHigh',
    at: '15m',
    firing: steady({ [`weir_memory_used_bytes{${A}}`]: 95, [`weir_memory_limit_bytes{${A}}`]: 100 }),
    quiet: steady({ [`weir_memory_used_bytes{${A}}`]: 85, [`weir_memory_limit_bytes{${A}}`]: 100 }),
  },
  {
    alert: 'WeirEventLoopLag',
    at: '10m',
    firing: steady({ [`nodejs_eventloop_lag_p99_seconds{${A}}`]: 0.8, [`weir_build_info{${A},service="broker"}`]: 1 }),
    // Some other program of Node.
    quiet: steady({
      'nodejs_eventloop_lag_p99_seconds{job="shop",instance="s1"}': 3,
      [`nodejs_eventloop_lag_p99_seconds{${A}}`]: 0.02,
      [`weir_build_info{${A},service="broker"}`]: 1,
      'weir_coordinator_active{namespace="a"}': 1,
    }),
  },
];

/** So many members of three that are there; each counts itself among those that it knows. */
function members(count: number): Record<string, number> {
  const each = Array.from({ length: count }, (_, i) => [
    [`etcd_server_has_leader{${ETCD},instance="e${i}"}`, 1],
    ...[0, 1, 2].map((other) => [
      `etcd_network_known_peers{${ETCD},instance="e${i}",Local="${i}",Remote="${other}"}`,
      1,
    ]),
  ]);
  return Object.fromEntries(each.flat()) as Record<string, number>;
}

/** The lag of a group in a topic, as a broker tells it. */
function groupLag(unit: 'seconds' | 'records', broker: string): string {
  const labels = `namespace="a",job="weir-broker",instance="${broker}",group="g",topic="orders",partition="0"`;
  return `weir_group_lag_${unit}{${labels}}`;
}

/** A group over time. */
function stuck({ lag, committed, members: count }: { lag: string; committed: string; members: number }): Series[] {
  return [
    { series: groupLag('records', 'b1'), values: lag },
    { series: groupLag('records', 'b1').replace('lag_records', 'committed_offset'), values: committed },
    ...steady({ [`weir_group_members{${A},group="g"}`]: count }),
  ];
}

/** A hundred appends a minute that all end in one bucket. */
function latencies(bucket: string): Series[] {
  return ['0.01', '1', '2.5', '+Inf'].map((le) => ({
    series: `weir_broker_append_seconds_bucket{${A},le="${le}"}`,
    values: Number(le) >= Number(bucket) || le === '+Inf' ? '0+100x30' : '0x30',
  }));
}

/** A hundred answers a minute, so many of them 503. */
function answers(failed: number): Series[] {
  const labels = 'namespace="a",job="weir-gateway",instance="g1",route="/v1",method="GET"';
  return [
    { series: `weir_gateway_requests_total{${labels},status="200"}`, values: `0+${100 - failed}x30` },
    { series: `weir_gateway_requests_total{${labels},status="503"}`, values: `0+${failed}x30` },
  ];
}
