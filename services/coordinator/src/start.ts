import { messageOf } from '@weir/base/errors.ts';
import { uuidFromRandom } from '@weir/base/ids.ts';
import { STOP_GRACE_MS } from '@weir/base/limits.ts';
import { onCall, onStream } from '@weir/base/transport.ts';
import { CoordinatorService } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { NamespaceService } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { listenProblem } from '@weir/runtime/listen-rule.ts';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import type { Policy } from './controller/create-topics.ts';
import { Coordinator } from './coordinator.ts';
import { storeLocationOf } from './options.ts';
import type { CoordinatorOptionValues, StoreLocation } from './options.ts';
import { allocateProducerIds } from './rpc/allocate-producer-ids.ts';
import { alterConfigs } from './rpc/alter-configs.ts';
import { createPartitions } from './rpc/create-partitions.ts';
import { createTopics } from './rpc/create-topics.ts';
import { deleteTopics } from './rpc/delete-topics.ts';
import { describeTopicIds } from './rpc/describe-topic-ids.ts';
import { acceptClientSession } from './rpc/client-session-stream.ts';
import { getNode, listChildren, writeNodes } from './rpc/nodes.ts';
import { acceptWatches } from './rpc/watch-stream.ts';
import { acceptSession } from './rpc/session-stream.ts';
import { compactRegularly } from './store/compactor.ts';
import { openEtcdStore } from './store/etcd.node.ts';
import type { MetadataStore } from './store/metadata-store.ts';
import { openSqliteStore } from './store/sqlite.node.ts';
import { takeOver } from './store/take-over.ts';

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
    const coordinator = await activate(options, world, store);
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

async function activate(options: CoordinatorOptionValues, world: World, store: MetadataStore): Promise<Coordinator> {
  const newId = (): string => uuidFromRandom(world.random.bytes(16));
  const incarnation = newId();
  const taken = await explained(
    options.store,
    takeOver(store, {
      clusterId: newId(),
      coordinatorId: options.id,
      incarnation,
      staticConfigs: staticConfigs(options),
    }),
  );
  const { image, orphans, controllerRevision } = taken;
  const policy: Policy = {
    autoCreateTopics: options['auto-create-topics'],
    defaultPartitions: options['default-partitions'],
    replicationFactorMax: REPLICATION_FACTOR_BUILT,
  };
  const coordinator = new Coordinator(
    { store, image, controllerRevision, incarnation, coordinatorId: options.id, policy },
    world,
  );
  await new Promise<void>((resolve) => {
    coordinator.submit({ kind: 'reconcile', orphans, nowMs: world.clock.wallMs() }, () => resolve());
  });
  coordinator.namespace.sweep();
  const { clusterId, topics, brokers, sessions, revision } = image;
  world.logger.info(
    {
      clusterId,
      revision,
      topics: topics.size,
      brokers: brokers.size,
      sessions: sessions.size,
      orphansRemoved: orphans.length,
    },
    `cluster ${clusterId} at revision ${revision}`,
  );
  return coordinator;
}

/** What was set of the cluster by options, under the broker configs' names. */
function staticConfigs(options: CoordinatorOptionValues): Record<string, string> {
  return {
    'auto.create.topics.enable': String(options['auto-create-topics']),
    'num.partitions': String(options['default-partitions']),
  };
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
  const { method } = CoordinatorService;
  const { method: nodes } = NamespaceService;
  const { namespace } = coordinator;
  const listener = await world.transport.listen(options['grpc-listen'], [
    onStream(protobufMethod(method.session), (stream) => acceptSession(coordinator, world.clock, stream)),
    onCall(protobufMethod(method.createTopics), (request) => createTopics(coordinator, world.random, request)),
    onCall(protobufMethod(method.createPartitions), (request) => createPartitions(coordinator, request)),
    onCall(protobufMethod(method.deleteTopics), (request) => deleteTopics(coordinator, world.clock, request)),
    onCall(protobufMethod(method.alterConfigs), (request, _metadata, peer) => alterConfigs(coordinator, request, peer)),
    onCall(protobufMethod(method.allocateProducerIds), (request) => allocateProducerIds(coordinator, request)),
    onCall(protobufMethod(method.describeTopicIds), async (request) => describeTopicIds(coordinator.image, request)),
    onStream(protobufMethod(nodes.keepSession), (stream) => acceptClientSession(coordinator, world.clock, stream)),
    onStream(protobufMethod(nodes.watch), (stream) => acceptWatches(coordinator, world.clock, stream)),
    onCall(protobufMethod(nodes.getNode), async (request) => getNode(namespace, request)),
    onCall(protobufMethod(nodes.listChildren), async (request) => listChildren(namespace, request)),
    onCall(protobufMethod(nodes.writeNodes), (request) => writeNodes(namespace, request)),
  ]);
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
