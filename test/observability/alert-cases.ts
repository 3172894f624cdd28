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
    alert: 'WeirBrokerDown',
    at: '5m',
    firing: steady({ 'weir_coordinator_brokers{namespace="a"}': 3, 'weir_coordinator_sessions{namespace="a"}': 2 }),
    quiet: [
      ...steady({ 'weir_coordinator_brokers{namespace="a"}': 3 }),
      // Away for half a minute, as in a restart.
      { series: 'weir_coordinator_sessions{namespace="a"}', values: '3 3 3 3 2 3x30' },
    ],
  },
  {
    alert: 'WeirOfflinePartitions',
    at: '5m',
    firing: steady({
      'weir_coordinator_leaderless_partitions{namespace="a"}': 0,
      [`weir_broker_partitions{${A},state="offline"}`]: 1,
    }),
    quiet: steady({
      'weir_coordinator_leaderless_partitions{namespace="a"}': 0,
      [`weir_broker_partitions{${A},state="offline"}`]: 0,
      [`weir_broker_partitions{${A},state="leader"}`]: 7,
    }),
  },
  {
    alert: 'WeirOfflinePartitions',
    at: '5m',
    firing: steady({ 'weir_coordinator_leaderless_partitions{namespace="a"}': 2 }),
    quiet: [{ series: 'weir_coordinator_leaderless_partitions{namespace="a"}', values: '0 0 0 2 0x30' }],
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
