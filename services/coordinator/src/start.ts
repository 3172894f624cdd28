import { messageOf } from '@weir/base/errors.ts';
import { STOP_GRACE_MS } from '@weir/base/limits.ts';
import { listenProblem } from '@weir/runtime/listen-rule.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import { activate } from './activate.ts';
import type { Policy } from './controller/create-topics.ts';
import type { Coordinator } from './coordinator.ts';
import { storeLocationOf } from './options.ts';
import type { CoordinatorOptionValues, StoreLocation } from './options.ts';
import { coordinatorHandlers } from './rpc/handlers.ts';
import { compactRegularly } from './store/compactor.ts';
import { openEtcdStore } from './store/etcd.node.ts';
import type { MetadataStore } from './store/metadata-store.ts';
import { openSqliteStore } from './store/sqlite.node.ts';

/** Largest replication factor that works: followers do not exist yet. */
const REPLICATION_FACTOR_BUILT = 1;

/**
 * Starts the coordinator: opens the store, takes over, finishes what an earlier one left half done, and serves.
 *
 * @throws Error that says which option is wrong, or which file or port another process has
 */
export async function start(options: CoordinatorOptionValues, world: World): Promise<Service> {
  for (const name of ['grpc-listen', 'ops-listen'] as const) {
    const problem = listenProblem(name, options[name], options.insecure);
    if (problem !== undefined) throw new Error(problem);
  }
  const store = await openStore(storeLocationOf(options), world);
  try {
    const coordinator = await activated(options, world, store);
    try {
      return await serve(options, world, { coordinator, store });
    } catch (error) {
      await coordinator.stop();
      throw error;
    }
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

/** Becomes the active coordinator, with what its options say. */
function activated(options: CoordinatorOptionValues, world: World, store: MetadataStore): Promise<Coordinator> {
  const policy: Policy = {
    autoCreateTopics: options['auto-create-topics'],
    defaultPartitions: options['default-partitions'],
    replicationFactorMax: REPLICATION_FACTOR_BUILT,
  };
  return explained(options.store, activate({ store, coordinatorId: options.id, policy }, world));
}

/** A store whose contents make no sense is named by the option, so that somebody can find the file. */
async function explained<T>(store: string, taking: Promise<T>): Promise<T> {
  try {
    return await taking;
  } catch (error) {
    throw new Error(`the metadata store ${store} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

async function serve(
  options: CoordinatorOptionValues,
  world: World,
  { coordinator, store }: { readonly coordinator: Coordinator; readonly store: MetadataStore },
): Promise<Service> {
  const listener = await world.transport.listen(options['grpc-listen'], coordinatorHandlers(coordinator, world));
  const cancelCompaction = compactRegularly(store, () => coordinator.image.revision, world);
  return {
    addresses: { grpc: options['grpc-advertise'] ?? listener.address },
    notReady: () => coordinator.notReady(),
    async stop() {
      cancelCompaction();
      await coordinator.stop();
      await listener.close(STOP_GRACE_MS);
      await store.close();
    },
  };
}
