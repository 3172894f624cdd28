import { revision as asRevision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { ClusterImage } from '../controller/image.ts';
import type { Orphan } from '../controller/image.ts';
import { NAMESPACE_KEYS } from '../namespace/stored.ts';
import { readAll } from './metadata-store.ts';
import type { KeyValue, MetadataStore, Operation } from './metadata-store.ts';
import { changeOf, decodeValue, encodeValue, KEYS, THIS_CHANGE } from './records.ts';

const OVERTAKEN = 'another coordinator took over at the same moment: start this one again';

/** What a coordinator begins with. */
export interface TakenOver {
  readonly image: ClusterImage;
  /** Partition keys without a topic, confirmed by a read of everything at one revision. */
  readonly orphans: readonly Orphan[];
  readonly controllerRevision: Revision;
}

/**
 * Makes this process the active coordinator: writes the controller's key anew, so that nothing an earlier coordinator
 * still sends succeeds, and only then reads the image.
 *
 * @param candidates.clusterId - the cluster's id, if it has none yet
 * @param candidates.staticConfigs - broker configs that this process was started with
 * @throws Error (as a rejection) when another coordinator does the same meanwhile
 */
export async function takeOver(
  store: MetadataStore,
  candidates: {
    readonly clusterId: string;
    readonly coordinatorId: number;
    readonly incarnation: string;
    readonly staticConfigs?: Readonly<Record<string, string>>;
  },
): Promise<TakenOver> {
  const { clusterId, coordinatorId, incarnation } = candidates;
  // Two transactions: etcd refuses to write a key twice in one.
  await store.txn({ compare: [], success: [{ kind: 'delete', key: KEYS.controller }] });
  const claim: Operation = { kind: 'put', key: KEYS.controller, value: encodeValue({ coordinatorId, incarnation }) };
  const claimed = await store.txn({
    compare: [{ key: KEYS.controller, target: 'version', equals: 0 }],
    success: [claim],
  });
  if (!claimed.succeeded) throw new Error(OVERTAKEN);
  const controllerRevision = claimed.revision;
  const cluster = await store.txn({
    compare: [
      { key: KEYS.cluster, target: 'version', equals: 0 },
      { key: KEYS.controller, target: 'createRevision', equals: controllerRevision },
    ],
    success: [{ kind: 'put', key: KEYS.cluster, value: encodeValue({ clusterId }) }],
    failure: [{ kind: 'get', key: KEYS.cluster }],
  });
  const stored = cluster.responses[0];
  if (!cluster.succeeded && stored === undefined) throw new Error(OVERTAKEN);
  const image = new ClusterImage(stored === undefined ? clusterId : clusterIdIn(stored), candidates.staticConfigs);
  return { ...(await load(store, image)), controllerRevision };
}

function clusterIdIn(item: KeyValue): string {
  return (decodeValue(item) as { clusterId: string }).clusterId;
}

/** In this order: topics come behind their partitions, nodes behind the sessions that they end with. */
export const LOADED_PREFIXES = [
  KEYS.brokers,
  KEYS.sessions,
  KEYS.partitions,
  KEYS.topics,
  KEYS.deletedTopics,
  KEYS.brokerConfigs,
  KEYS.producerIds,
  NAMESPACE_KEYS.clientSessions,
  NAMESPACE_KEYS.nodes,
  NAMESPACE_KEYS.creations,
];

async function load(store: MetadataStore, image: ClusterImage): Promise<Pick<TakenOver, 'image' | 'orphans'>> {
  const { items, revision } = await readAll(store, '/');
  for (const prefix of LOADED_PREFIXES) {
    const ofPrefix = items.filter(({ key }) => key.startsWith(prefix));
    // Deleted topics are forgotten in the order in which they went.
    if (prefix === KEYS.deletedTopics) ofPrefix.sort((a, b) => a.modRevision - b.modRevision);
    for (const item of ofPrefix) image.load(changeOf(item), item.modRevision, item.createRevision);
  }
  const orphans = image.takeOrphans();
  const lastChange = items.find(({ key }) => key === KEYS.lastChange);
  image.loadedAt(revision, lastChange?.modRevision ?? asRevision(0));
  image.namespace.loadedAt(namespaceChangedAt(lastChange) ?? revision);
  return { image, orphans };
}

/** When the namespace changed last, which every transaction writes down; undefined in a store that is older than that. */
function namespaceChangedAt(last: KeyValue | undefined): Revision | undefined {
  if (last === undefined) return undefined;
  const { namespaceChanged } = decodeValue(last) as { namespaceChanged?: number };
  if (namespaceChanged === undefined) return undefined;
  return namespaceChanged === THIS_CHANGE ? last.modRevision : asRevision(namespaceChanged);
}
