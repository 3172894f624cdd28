import { decodeKey, encodeGroupMetadataKey, encodeOffsetCommitKey } from '@weir/kafka/records/keys.ts';
import { groupMetadataValue } from '@weir/kafka/records/group-metadata-value.ts';
import { offsetCommitValue } from '@weir/kafka/records/offset-commit-value.ts';
import type { CommittedOffset, TopicPartition } from './committed-offsets.ts';
import type { RecordToStore } from './group-log.ts';
import type { GroupRecord } from './group-record.ts';

/** A record of `__consumer_offsets` as it is read. */
export type StoredRecord =
  | ({ readonly kind: 'offset'; readonly group: string; readonly committed: CommittedOffset | null } & TopicPartition)
  | { readonly kind: 'group'; readonly group: string; readonly record: GroupRecord | null }
  /** Of a kind that is not known here. */
  | { readonly kind: 'unknown' };

/** What Kafka writes where an offset has a time to expire: newer versions have no place for it. */
const WITH_EXPIRY = 1;

/**
 * Reads a record; what it keeps of it is a copy.
 *
 * @throws RecordError
 */
export function readStored({
  key,
  value,
}: {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}): StoredRecord {
  if (key === null) return { kind: 'unknown' };
  const about = decodeKey(key);
  switch (about.kind) {
    case 'unknown':
      return { kind: 'unknown' };
    case 'group-metadata':
      return { kind: 'group', group: about.group, record: value === null ? null : readGroup(value) };
    case 'offset-commit': {
      const { group, topic, partition } = about;
      return { kind: 'offset', group, topic, partition, committed: value === null ? null : readOffset(value) };
    }
  }
}

/** A group's record; null: its tombstone. @throws RecordError when a text is too long to be stored */
export function groupToStore(group: string, record: GroupRecord | null): RecordToStore {
  return {
    key: encodeGroupMetadataKey(group),
    value: record === null ? null : groupMetadataValue.encode(record),
  };
}

/** The record of a commit; null: its tombstone. @throws RecordError when a text is too long to be stored */
export function offsetToStore(
  group: string,
  { topic, partition }: TopicPartition,
  committed: CommittedOffset | null,
): RecordToStore {
  const key = encodeOffsetCommitKey({ group, topic, partition });
  if (committed === null) return { key, value: null };
  const { offset, leaderEpoch, metadata, committedMs: commitTimestamp, expiresMs, topicId } = committed;
  const shared = { offset, leaderEpoch, metadata, commitTimestamp };
  const value =
    expiresMs === undefined
      ? offsetCommitValue.encode({ ...shared, ...(topicId === undefined ? {} : { topicId }) })
      : offsetCommitValue.encode({ ...shared, expireTimestamp: expiresMs }, WITH_EXPIRY);
  return { key, value };
}

function readOffset(value: Buffer): CommittedOffset {
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId } =
    offsetCommitValue.decode(value).value;
  return {
    offset,
    leaderEpoch,
    metadata,
    committedMs: commitTimestamp,
    expiresMs: expireTimestamp === -1 ? undefined : expireTimestamp,
    topicId: topicId.some((byte) => byte !== 0) ? Uint8Array.from(topicId) : undefined,
  };
}

function readGroup(value: Buffer): GroupRecord {
  const { members, ...group } = groupMetadataValue.decode(value).value;
  return {
    ...group,
    members: members.map((member) => ({
      ...member,
      subscription: Uint8Array.from(member.subscription),
      assignment: Uint8Array.from(member.assignment),
    })),
  };
}
