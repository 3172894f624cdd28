import { int32, struct, wholeString } from '../schema.ts';
import { RecordFormat, versionOf } from './record-format.ts';

/**
 * The keys of records in `__consumer_offsets`. The version in front tells what the record is about.
 *
 * ```
 * OffsetCommitKey (0, 1) => group topic partition
 *   group => STRING
 *   topic => STRING
 *   partition => INT32
 *
 * GroupMetadataKey (2) => group
 *   group => STRING
 * ```
 */
const offsetCommitKey = new RecordFormat({
  name: 'OffsetCommitKey',
  versions: [0, 1],
  flexibleFrom: Number.POSITIVE_INFINITY,
  written: 1,
  readsNewer: false,
  type: struct({
    group: wholeString,
    topic: wholeString,
    partition: int32,
  }),
});

const groupMetadataKey = new RecordFormat({
  name: 'GroupMetadataKey',
  versions: [2, 2],
  flexibleFrom: Number.POSITIVE_INFINITY,
  written: 2,
  readsNewer: false,
  type: struct({
    group: wholeString,
  }),
});

/** Whose offset a record has. */
export interface OffsetCommitKey {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

/** What a record is about. `unknown`: of a kind that we do not have, as Kafka's newer groups are; it is to be skipped. */
export type RecordKey =
  | ({ readonly kind: 'offset-commit' } & OffsetCommitKey)
  | { readonly kind: 'group-metadata'; readonly group: string }
  | { readonly kind: 'unknown'; readonly version: number };

/**
 * The key of a group's offset in a partition.
 *
 * @throws RecordError `text-too-long`
 */
export function encodeOffsetCommitKey(key: OffsetCommitKey): Buffer {
  return offsetCommitKey.encode(key);
}

/**
 * The key of a group's state.
 *
 * @throws RecordError `text-too-long`
 */
export function encodeGroupMetadataKey(group: string): Buffer {
  return groupMetadataKey.encode({ group });
}

/**
 * What a record with this key is about.
 *
 * @throws RecordError `malformed`, `trailing-bytes`
 */
export function decodeKey(key: Buffer): RecordKey {
  const version = versionOf(key, 'a key of __consumer_offsets');
  switch (version) {
    // Brokers of old wrote 0: both mean the same.
    case 0:
    case 1:
      return { kind: 'offset-commit', ...offsetCommitKey.decode(key).value };
    case 2:
      return { kind: 'group-metadata', ...groupMetadataKey.decode(key).value };
    default:
      return { kind: 'unknown', version };
  }
}
