import type { TopicId } from '@weir/base/ids.ts';
import { DELETED_TOPIC_KEPT_MS, DELETED_TOPICS_MAX } from '@weir/base/limits.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { present } from '@weir/base/assert.ts';
import type { Change, ClusterImage, DeletedTopicRecord, Orphan, Versioned } from './image.ts';

/** A topic to delete. */
export interface TopicToDelete {
  readonly name: string;
  /** Undefined: whichever has the name. */
  readonly id: TopicId | undefined;
}

/** Deletes topics, each on its own. */
export interface DeleteTopics {
  readonly kind: 'deleteTopics';
  readonly topics: readonly TopicToDelete[];
  /** The wall clock. */
  readonly nowMs: number;
}

/** What became of one topic. */
export type DeletionResult =
  | { readonly kind: 'refused'; readonly name: string; readonly refusal: Refusal }
  | { readonly kind: 'deleted'; readonly deleted: Versioned<DeletedTopicRecord> };

/**
 * The steps of deleting topics: a topic's own key first, for then it does not exist any more, in one transaction with the
 * proof that it was deleted. Its partitions' keys follow in chunks; a coordinator that dies in between finds them as
 * orphans when it starts.
 */
export function* deleteTopics(
  image: ClusterImage,
  { topics, nowMs }: DeleteTopics,
): Generator<Change[], readonly DeletionResult[], void> {
  const changes: Change[] = [];
  const orphans: Orphan[] = [];
  const going = new Set<TopicId>();
  const decided = topics.map(({ name, id }): Refusal | TopicId => {
    const topic = image.topics.get(name);
    // Asked for again, because the answer was lost perhaps: it is as it should be.
    if (id !== undefined && topic?.id !== id && image.deletedTopics.has(id)) return id;
    if (topic === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${shown(name)}`);
    if (id !== undefined && topic.id !== id) {
      return refusal('UNKNOWN_TOPIC_ID', `topic ${name} has the id ${topic.id}, not ${id}: it is another topic`);
    }
    if (going.has(topic.id)) return topic.id;
    going.add(topic.id);
    changes.push({ kind: 'deletedTopic', deleted: { id: topic.id, name, deletedMs: nowMs } });
    changes.push({ kind: 'topicGone', name });
    for (const { index, revision } of image.partitionsOf(topic)) orphans.push({ topicId: topic.id, index, revision });
    return topic.id;
  });
  yield changes;
  const results = decided.map((decision, i): DeletionResult => {
    if (typeof decision !== 'string') return { kind: 'refused', name: topics[i]!.name, refusal: decision };
    return { kind: 'deleted', deleted: present(image.deletedTopics.get(decision), 'a deleted topic is in the image') };
  });
  yield [...orphans.map((orphan): Change => ({ kind: 'orphan', orphan })), ...forgettable(image, nowMs)];
  return results;
}

/** Deleted topics that were remembered for long enough, or that are too many. */
export function forgettable(image: ClusterImage, nowMs: number): Change[] {
  const forgotten: Change[] = [];
  for (const { id, deletedMs } of image.deletedTopics.values()) {
    const tooMany = image.deletedTopics.size - forgotten.length > DELETED_TOPICS_MAX;
    if (tooMany || nowMs - deletedMs > DELETED_TOPIC_KEPT_MS) forgotten.push({ kind: 'deletedTopicForgotten', id });
  }
  return forgotten;
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 249));
}
