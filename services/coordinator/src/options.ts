import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { OFFSETS_TOPIC_PARTITIONS } from '@weir/base/group-limits.ts';
import {
  PARTITIONS_DEFAULT,
  REPLICATION_FACTOR_DEFAULT,
  REPLICATION_FACTOR_MAX,
  TOPIC_PARTITIONS_MAX,
} from '@weir/base/limits.ts';
import { addressProblem, declareOptions, splitAddress } from '@weir/base/options.ts';
import type { OptionValues } from '@weir/base/options.ts';
import { isLoopbackHost } from '@weir/runtime/listen-rule.ts';
import { endpointsProblem, parseEndpoints, prefixProblem } from './store/etcd/endpoints.ts';
import type { EtcdAccess } from './store/etcd/endpoints.ts';

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
    placeholder: 'sqlite:PATH|etcd:URL,…',
    check: storeProblem,
    description: 'Where the metadata lives: a file, or the members of an etcd cluster (http:// or https://)',
  },
  'etcd-prefix': {
    type: 'string',
    default: '/weir',
    placeholder: '/NAME',
    check: prefixProblem,
    description: 'What all keys in etcd begin with: another one for each cluster that shares an etcd',
  },
  'etcd-ca': {
    type: 'string',
    optional: true,
    placeholder: 'FILE',
    description: "Certificates (PEM) of the authorities of etcd's members, instead of the system's",
  },
  'etcd-certificate': {
    type: 'string',
    optional: true,
    placeholder: 'FILE',
    description: 'Certificate (PEM) that this coordinator shows to etcd',
  },
  'etcd-key': {
    type: 'string',
    optional: true,
    placeholder: 'FILE',
    description: 'Its private key (PEM)',
  },
  'etcd-user': {
    type: 'string',
    optional: true,
    placeholder: 'NAME',
    description: 'User of etcd; needs https, members on loopback, or --insecure',
  },
  'etcd-password-file': {
    type: 'string',
    optional: true,
    placeholder: 'FILE',
    description: "File with that user's password",
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
  'default-replication-factor': {
    type: 'integer',
    optional: true,
    min: 1,
    max: REPLICATION_FACTOR_MAX,
    description: `Replicas of a topic that is created without saying how many; if not given, ${REPLICATION_FACTOR_DEFAULT}, or as many as there are brokers when these are fewer`,
  },
  'offsets-topic-partitions': {
    type: 'integer',
    default: OFFSETS_TOPIC_PARTITIONS,
    min: 1,
    max: TOPIC_PARTITIONS_MAX,
    description: `Partitions of ${OFFSETS_TOPIC}, where consumer groups are kept; read when it is created`,
  },
  'offsets-topic-replication-factor': {
    type: 'integer',
    optional: true,
    min: 1,
    max: REPLICATION_FACTOR_MAX,
    description: `Its replicas; if not given, those of any topic. It is not created before there are so many brokers`,
  },
  insecure: {
    type: 'boolean',
    default: false,
    description: 'Allow listeners off loopback, without TLS and authentication',
  },
});

/** The coordinator's options, resolved. */
export type CoordinatorOptionValues = OptionValues<typeof coordinatorOptions>;

/** Where a store is that the options name. */
export type StoreLocation =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'etcd'; readonly access: EtcdAccess };

/**
 * Takes the options of the store together.
 *
 * @throws Error that says which of them do not fit
 */
export function storeLocationOf(options: CoordinatorOptionValues): StoreLocation {
  const problem = etcdOptionsProblem(options);
  if (problem !== undefined) throw new Error(problem);
  const { store, 'etcd-user': name, 'etcd-password-file': passwordFile } = options;
  if (store.startsWith(SQLITE)) return { kind: 'sqlite', path: store.slice(SQLITE.length) };
  const access: EtcdAccess = {
    endpoints: parseEndpoints(store.slice(ETCD.length)),
    prefix: options['etcd-prefix'],
    caFile: options['etcd-ca'],
    certificateFile: options['etcd-certificate'],
    keyFile: options['etcd-key'],
    user: name === undefined || passwordFile === undefined ? undefined : { name, passwordFile },
  };
  return { kind: 'etcd', access };
}

function etcdOptionsProblem(options: CoordinatorOptionValues): string | undefined {
  const { store, 'etcd-certificate': certificate, 'etcd-key': key, 'etcd-user': user } = options;
  const given = ETCD_ONLY.find((name) => options[name] !== undefined);
  if (!store.startsWith(ETCD)) return given === undefined ? undefined : `--${given} needs --store etcd:…`;
  if ((certificate === undefined) !== (key === undefined)) return '--etcd-certificate and --etcd-key go together';
  if ((user === undefined) !== (options['etcd-password-file'] === undefined)) {
    return '--etcd-user and --etcd-password-file go together';
  }
  const endpoints = parseEndpoints(store.slice(ETCD.length));
  if (endpoints.every(({ isTls }) => isTls)) return undefined;
  const ofTls = (['etcd-ca', 'etcd-certificate'] as const).find((name) => options[name] !== undefined);
  if (ofTls !== undefined) return `--${ofTls} needs members at https://, not ${store}`;
  const remote = endpoints.find(({ address }) => !isLoopbackHost(splitAddress(address).host));
  if (user === undefined || remote === undefined || options.insecure) return undefined;
  return `--etcd-user would send a password in the clear to ${remote.url}: use https://, or --insecure`;
}

const SQLITE = 'sqlite:';
const ETCD = 'etcd:';
const ETCD_ONLY = ['etcd-ca', 'etcd-certificate', 'etcd-key', 'etcd-user', 'etcd-password-file'] as const;

function storeProblem(store: string): string | undefined {
  if (store.startsWith(ETCD)) return endpointsProblem(store.slice(ETCD.length));
  if (store.startsWith(SQLITE) && store.length > SQLITE.length) return undefined;
  return 'is not a store: use sqlite:PATH or etcd:http://HOST:PORT,…';
}
