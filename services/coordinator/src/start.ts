import { messageOf, refusal } from '@weir/base/errors.ts';
import { revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { STOP_GRACE_MS } from '@weir/base/limits.ts';
import { advertiseProblem, listenProblem } from '@weir/runtime/listen-rule.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import type { Policy } from './controller/policy.ts';
import { Candidate } from './election/candidate.ts';
import { coordinatorMetrics } from './metrics.ts';
import { storeLocationOf } from './options.ts';
import type { CoordinatorOptionValues, StoreLocation } from './options.ts';
import { coordinatorHandlers } from './rpc/handlers.ts';
import type { NotActive, Office } from './rpc/office.ts';
import { compactRegularly } from './store/compactor.ts';
import { openEtcdStore } from './store/etcd.node.ts';
import type { MetadataStore } from './store/metadata-store.ts';
import { openSqliteStore } from './store/sqlite.node.ts';

/**
 * Starts the coordinator: opens the store, takes over or stands by, and serves.
 *
 * @throws Error that says which option is wrong, or which file or port another process has
 */
export async function start(options: CoordinatorOptionValues, world: World): Promise<Service> {
  for (const name of ['grpc-listen', 'ops-listen'] as const) {
    const problem = listenProblem(name, options[name], options.insecure);
    if (problem !== undefined) throw new Error(problem);
  }
  const location = storeLocationOf(options);
  // Other coordinators, and clients that they send there, look for it under what it says of itself.
  const { 'grpc-listen': listen, 'grpc-advertise': advertise } = options;
  const problem = location.kind === 'etcd' ? advertiseProblem('grpc', listen, advertise) : undefined;
  if (problem !== undefined) throw new Error(problem);
  const store = await openStore(location, world);
  try {
    return await serve(options, world, { store, isShared: location.kind === 'etcd' });
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openStore(location: StoreLocation, { clock }: World): Promise<MetadataStore> {
  switch (location.kind) {
    case 'sqlite':
      return openSqliteStore(location.path, clock);
    case 'etcd':
      return openEtcdStore(location.access, clock);
  }
}

async function serve(
  options: CoordinatorOptionValues,
  world: World,
  { store, isShared }: { readonly store: MetadataStore; readonly isShared: boolean },
): Promise<Service> {
  const policy: Policy = {
    autoCreateTopics: options['auto-create-topics'],
    defaultPartitions: options['default-partitions'],
    defaultReplicationFactor: options['default-replication-factor'],
    offsetsTopic: {
      partitions: options['offsets-topic-partitions'],
      replicationFactor: options['offsets-topic-replication-factor'],
    },
  };
  let candidate: Candidate | undefined;
  const metrics = coordinatorMetrics(world.registry, () => candidate);
  const office: Office = {
    get active() {
      return candidate?.active;
    },
    notActive: () => candidate?.notActive() ?? STARTING,
  };
  // First of all: the address that it claims by may be one that the system gives it.
  const listener = await world.transport.listen(options['grpc-listen'], coordinatorHandlers(office, world));
  const address = options['grpc-advertise'] ?? listener.address;
  candidate = new Candidate({ store, isShared, coordinatorId: options.id, address, policy }, world, metrics);
  try {
    await explained(options.store, candidate.start());
  } catch (error) {
    await listener.close(0);
    throw error;
  }
  const newest = (): Revision => candidate.image?.revision ?? revision(0);
  const cancelCompaction = compactRegularly(store, newest, world);
  return {
    addresses: { grpc: address },
    notReady: () => candidate.notReady(),
    async stop() {
      cancelCompaction();
      await candidate.stop();
      await listener.close(STOP_GRACE_MS);
      await store.close();
    },
  };
}

const STARTING: NotActive = {
  ...refusal('NOT_CONTROLLER', 'the coordinator starts; try again shortly'),
  activeAddress: '',
};

/** A store whose contents make no sense is named by the option, so that somebody can find the file. */
async function explained<T>(store: string, taking: Promise<T>): Promise<T> {
  try {
    return await taking;
  } catch (error) {
    throw new Error(`the metadata store ${store} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}
