import { PARTITIONS_DEFAULT, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { addressProblem, declareOptions } from '@weir/base/options.ts';
import type { OptionValues } from '@weir/base/options.ts';

/** The coordinator's options. */
export const coordinatorOptions = declareOptions({
  id: {
    type: 'integer',
    default: 1,
    min: 0,
    max: 0x7fff_ffff,
    description: 'Number of this coordinator in the cluster',
  },
  'grpc-listen': {
    type: 'string',
    default: '127.0.0.1:7070',
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Where brokers, gateways and clients reach it; port 0 takes a free one',
  },
  'grpc-advertise': {
    type: 'string',
    optional: true,
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Address that others are told, if it differs from grpc-listen',
  },
  store: {
    type: 'string',
    default: 'sqlite:.weir/coordinator/metadata.db',
    placeholder: 'sqlite:PATH',
    check: storeProblem,
    description: 'Where the metadata lives',
  },
  'ops-listen': {
    type: 'string',
    default: '127.0.0.1:7079',
    placeholder: 'HOST:PORT',
    check: addressProblem,
    description: 'Where probes and metrics are served',
  },
  'auto-create-topics': {
    type: 'boolean',
    default: false,
    description: 'Whether a topic is created when somebody produces to it',
  },
  'default-partitions': {
    type: 'integer',
    default: PARTITIONS_DEFAULT,
    min: 1,
    max: TOPIC_PARTITIONS_MAX,
    description: 'Partitions of a topic that is created without saying how many',
  },
  insecure: {
    type: 'boolean',
    default: false,
    description: 'Allow listeners off loopback, without TLS and authentication',
  },
});

/** The coordinator's options, resolved. */
export type CoordinatorOptionValues = OptionValues<typeof coordinatorOptions>;

/** The file of a store that `storeProblem` has nothing against. */
export function sqlitePathOf(store: string): string {
  return store.slice('sqlite:'.length);
}

function storeProblem(store: string): string | undefined {
  if (store.startsWith('etcd:')) return 'is not built yet: use sqlite:PATH';
  if (store.startsWith('sqlite:') && store.length > 'sqlite:'.length) return undefined;
  return 'is not a store: use sqlite:PATH';
}
