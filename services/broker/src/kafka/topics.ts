import { uuidFromBytes } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { ClusterImage, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';

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
