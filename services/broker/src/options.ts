import { GROUP_INITIAL_REBALANCE_DELAY_MS, OFFSETS_RETENTION_MS } from '@weir/base/group-limits.ts';
import { addressListProblem, addressProblem, declareOptions } from '@weir/base/options.ts';
import type { OptionValues } from '@weir/base/options.ts';
import { listenersProblem } from '@weir/base/listeners.ts';

/** The least that a broker can work with: its code, its windows and a little cache. */
const MEMORY_LIMIT_BYTES_MIN = 128 * 1024 * 1024;

/** What `weir broker` can be told. */
export const brokerOptions = declareOptions({
  id: { type: 'integer', default: 1, min: 0, max: 0x7fff_ffff, description: "The broker's id, its own in the cluster" },
  coordinators: {
    type: 'string',
    default: '127.0.0.1:7070',
    placeholder: 'HOST:PORT,…',
    check: addressListProblem,
    description: 'Where the coordinators are',
  },
  'data-dir': {
    type: 'string',
    default: '.weir/broker',
    placeholder: 'DIRECTORY',
    description: 'Where the records are kept; one broker only',
  },
  'grpc-listen': {
    type: 'string',
    default: '127.0.0.1:7071',
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Where producers and readers are served over gRPC; port 0 takes a free one',
  },
  'grpc-advertise': {
    type: 'string',
    optional: true,
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Where others reach that listener, when it is not where it listens',
  },
  'kafka-listen': {
    type: 'string',
    default: '127.0.0.1:9092',
    placeholder: 'HOST:PORT',
    check: listenersProblem,
    description: "Where clients that speak Kafka's protocol are served; several as NAME=HOST:PORT,…",
  },
  'kafka-advertise': {
    type: 'string',
    optional: true,
    placeholder: 'HOST:PORT',
    check: listenersProblem,
    description: 'Where those clients reach it, when it is not where it listens; with names as in --kafka-listen',
  },
  'replication-listen': {
    type: 'string',
    default: '127.0.0.1:7072',
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Where other brokers follow what this one leads; port 0 takes a free one',
  },
  'replication-advertise': {
    type: 'string',
    optional: true,
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Where they reach that listener, when it is not where it listens',
  },
  rack: { type: 'string', optional: true, description: 'The failure domain: replicas are spread over them' },
  flush: {
    type: 'choice',
    choices: ['commit', 'interval'],
    default: 'commit',
    description: 'For topics that do not say: sync before a record counts, or every second',
  },
  'group-initial-rebalance-delay-ms': {
    type: 'integer',
    default: GROUP_INITIAL_REBALANCE_DELAY_MS,
    min: 0,
    max: 60_000,
    description: 'How long an empty consumer group waits for more members than the first',
  },
  'offsets-retention-ms': {
    type: 'integer',
    default: OFFSETS_RETENTION_MS,
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    description: 'How long what a consumer group has committed is kept once nobody is in it',
  },
  'ops-listen': {
    type: 'string',
    default: '127.0.0.1:7080',
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Where probes and metrics are answered',
  },
  'memory-limit': {
    type: 'integer',
    optional: true,
    placeholder: 'BYTES',
    min: MEMORY_LIMIT_BYTES_MIN,
    max: Number.MAX_SAFE_INTEGER,
    description: 'What the budgets derive from; without it, what the container or the machine has',
  },
  insecure: {
    type: 'boolean',
    default: false,
    description: 'Listen off loopback although there is no TLS and no authentication yet',
  },
});

/** Their values. */
export type BrokerOptions = OptionValues<typeof brokerOptions>;
