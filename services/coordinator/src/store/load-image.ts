import { revision as asRevision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { ClusterImage } from '../controller/image.ts';
import { claimOf, clusterIdOf } from '../election/claim.ts';
import { NAMESPACE_KEYS } from '../namespace/stored.ts';
import type { KeyValue } from './metadata-store.ts';
import { changeOf, decodeValue, KEYS, THIS_CHANGE } from './records.ts';

/** In this order: topics come behind their partitions, nodes behind the sessions that they end with. */
const LOADED_PREFIXES = [
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

/**
 * The image of everything that a store has at a revision. Partitions that no topic has are in it, until `takeOrphans`.
 *
 * @param staticConfigs - broker configs that this process was started with
 * @throws Error that names the key when one is damaged, or a newer Weir wrote it
 */
export function imageOf(
  { items, revision }: { readonly items: readonly KeyValue[]; readonly revision: Revision },
  staticConfigs: Readonly<Record<string, string>> = {},
): ClusterImage {
  const itemOf = (wanted: string): KeyValue | undefined => items.find(({ key }) => key === wanted);
  const [cluster, claimed, lastChange] = [itemOf(KEYS.cluster), itemOf(KEYS.controller), itemOf(KEYS.lastChange)];
  const image = new ClusterImage(cluster === undefined ? '' : clusterIdOf(cluster), staticConfigs);
  image.claim = claimed === undefined ? undefined : claimOf(claimed);
  for (const prefix of LOADED_PREFIXES) {
    const ofPrefix = items.filter(({ key }) => key.startsWith(prefix));
    // Deleted topics are forgotten in the order in which they went.
    if (prefix === KEYS.deletedTopics) ofPrefix.sort((a, b) => a.modRevision - b.modRevision);
    for (const item of ofPrefix) image.load(changeOf(item), item.modRevision, item.createRevision);
  }
  image.loadedAt(revision, lastChange?.modRevision ?? asRevision(0));
  image.namespace.loadedAt(namespaceChangedAt(lastChange) ?? revision);
  return image;
}

/** When the namespace changed last, which every transaction writes down; undefined in a store that is older than that. */
function namespaceChangedAt(last: KeyValue | undefined): Revision | undefined {
  if (last === undefined) return undefined;
  const { namespaceChanged } = decodeValue(last) as { namespaceChanged?: number };
  if (namespaceChanged === undefined) return undefined;
  return namespaceChanged === THIS_CHANGE ? last.modRevision : asRevision(namespaceChanged);
}
