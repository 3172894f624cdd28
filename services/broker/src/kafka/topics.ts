import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { uuidFromBytes } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { ClusterImage, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import type { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { ClusterView } from './cluster-view.ts';

/** How requests name topics: by name in older versions, by id in newer ones, where the name is empty. */
export interface TopicReference {
  readonly name: string;
  /** 16 bytes; zero in versions that name topics. */
  readonly id: Uint8Array;
}

/** Whether a topic is named by its id. */
export function isById({ id }: TopicReference): boolean {
  return id !== NO_UUID && id.some((byte) => byte !== 0);
}

/** The topic that is meant, if there is one. */
export function findTopic(image: ClusterImage, reference: TopicReference): TopicInfo | undefined {
  if (!isById(reference)) return image.topic(reference.name);
  return image.topicById(uuidFromBytes(reference.id) as TopicId);
}

/** The replica that serves a partition of a topic that was named, or why there is none. `epoch` -1: none is known. */
export function servingByName(
  { cluster, partitions }: { readonly cluster: ClusterView; readonly partitions: Partitions },
  name: string,
  index: number,
  epoch: number,
): Partition | Refusal {
  const topic = cluster.image.topic(name);
  if (topic === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${name}`);
  const found = partitions.serving(topic.idBytes, index, epoch);
  return 'code' in found ? inWordsOfNames(found) : found;
}

/** A refusal for who has named the topic, and has never heard of its id. */
export function inWordsOfNames(why: Refusal): Refusal {
  return why.code === 'UNKNOWN_TOPIC_ID' ? { ...why, code: 'UNKNOWN_TOPIC_OR_PARTITION' } : why;
}
