import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { uuidFromBytes } from '@weir/base/ids.ts';
import type { LeaderEpoch, TopicId } from '@weir/base/ids.ts';
import type { ClusterImage } from '@weir/client/metadata/cluster-image.ts';

/** Why one partition does not do what it is asked for, in words for people. `name` is "topic-index". */

/** The metadata does not place it on this broker, or it was deleted. */
export function unknownTopic(topicId: string): Refusal {
  return refusal('UNKNOWN_TOPIC_ID', `this broker does not know a topic with the id ${topicId}`);
}

/** @param leader - who leads instead; -1: nobody */
export function notLeader(name: string, leader: number): Refusal {
  const who = leader === -1 ? 'no broker leads it now' : `broker ${leader} leads it`;
  return refusal('NOT_LEADER_OR_FOLLOWER', `this broker does not lead ${name}: ${who}`);
}

/** Of Weir's own topics, which only brokers write. */
export function internalTopic(name: string): Refusal {
  return refusal('INVALID_TOPIC_EXCEPTION', `${name} is written by brokers alone`);
}

/** A request in another leader epoch than the partition's. */
export function otherEpoch(name: string, asked: number, current: LeaderEpoch): Refusal {
  return asked < current
    ? refusal('FENCED_LEADER_EPOCH', `${name} is in leader epoch ${current}, the request in ${asked}`)
    : refusal('UNKNOWN_LEADER_EPOCH', `${name} is in leader epoch ${current} here, the request in ${asked}`);
}

/** The replica is out of service. */
export function offline(name: string, reason: string): Refusal {
  return refusal('KAFKA_STORAGE_ERROR', `${name} is offline on this broker: ${reason}`);
}

/** A log that waits for room or descriptors holds what it has taken, and takes no more. */
export function stuck(why: string): Refusal {
  return refusal('KAFKA_STORAGE_ERROR', `the log cannot be written now: ${why}`);
}

/** What is taken and does not count yet has used up the broker's memory for it. */
export function throttled(pendingBytes: number, maxBytes: number): Refusal {
  return refusal(
    'THROTTLING_QUOTA_EXCEEDED',
    `${pendingBytes} bytes wait for the broker's disk, and it holds at most ${maxBytes}: try again later`,
  );
}

/** Too few replicas are in sync for a write with acks=all. Nothing was appended. */
export function notEnoughReplicas(name: string, inSync: number, wanted: number): Refusal {
  return refusal('NOT_ENOUGH_REPLICAS', `${inSync} replicas of ${name} are in sync, and a write needs ${wanted}`);
}

/** The same of a batch that is in the leader's log: it may count later. */
export function notEnoughReplicasAfterAppend(name: string, inSync: number, wanted: number): Refusal {
  return refusal(
    'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
    `${inSync} replicas of ${name} are in sync by now, and a write needs ${wanted}; it may count later`,
  );
}

/** A new leader has not heard yet what its predecessor had committed. */
export function endUnknown(name: string): Refusal {
  return refusal('OFFSET_NOT_AVAILABLE', `this broker has just begun to lead ${name}: where it ends is not known yet`);
}

/** Why a broker has no replica of a partition that it is asked for. */
export function absent(
  topicIdBytes: Uint8Array,
  index: number,
  image: ClusterImage | undefined,
  brokerId: number,
): Refusal {
  if (topicIdBytes.length !== 16) {
    return refusal('INVALID_REQUEST', `a topic id has 16 bytes, this one has ${topicIdBytes.length}`);
  }
  const id = uuidFromBytes(topicIdBytes) as TopicId;
  const topic = image?.topicById(id);
  if (topic === undefined) return unknownTopic(id);
  const { name, partitions } = topic;
  const info = partitions[index];
  if (info === undefined) {
    const message = `topic ${name} has the partitions 0 to ${partitions.length - 1}, and no ${index}`;
    return refusal('UNKNOWN_TOPIC_OR_PARTITION', message);
  }
  const what = info.leader === brokerId ? 'is about to lead' : 'does not lead';
  return refusal('NOT_LEADER_OR_FOLLOWER', `this broker ${what} ${name}-${index}`);
}
