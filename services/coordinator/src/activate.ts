import { uuidFromRandom } from '@weir/base/ids.ts';
import type { World } from '@weir/runtime/world.ts';
import type { Policy } from './controller/create-topics.ts';
import { Coordinator } from './coordinator.ts';
import type { MetadataStore } from './store/metadata-store.ts';
import { takeOver } from './store/take-over.ts';

/** What a coordinator needs to become the active one. */
export interface Activation {
  readonly store: MetadataStore;
  readonly coordinatorId: number;
  readonly policy: Policy;
}

/**
 * Takes over, and finishes what an earlier coordinator left half done.
 *
 * @throws Error (as a rejection) when another one takes over at the same moment, or the store fails or makes no sense
 */
export async function activate({ store, coordinatorId, policy }: Activation, world: World): Promise<Coordinator> {
  const newId = (): string => uuidFromRandom(world.random.bytes(16));
  const incarnation = newId();
  const candidates = { clusterId: newId(), coordinatorId, incarnation, staticConfigs: staticConfigs(policy) };
  const { image, orphans, controllerRevision } = await takeOver(store, candidates);
  const coordinator = new Coordinator({ store, image, controllerRevision, incarnation, coordinatorId, policy }, world);
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
function staticConfigs({ autoCreateTopics, defaultPartitions }: Policy): Record<string, string> {
  return { 'auto.create.topics.enable': String(autoCreateTopics), 'num.partitions': String(defaultPartitions) };
}
