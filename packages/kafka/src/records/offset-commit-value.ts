import { between, from, int32, int64, struct, tagged, uuid, wholeString } from '../schema.ts';
import { RecordFormat } from './record-format.ts';

/**
 * A group's offset in a partition, the value behind an OffsetCommitKey: versions 0 to 4, flexible from 4. Kafka writes
 * version 4, with the topic's id where the commit had it, and version 1 only where the offset has a time to expire. Times are
 * milliseconds since 1970.
 *
 * ```
 * OffsetCommitValue => offset leaderEpoch(3+) metadata commitTimestamp expireTimestamp(1) <tag 0: topicId>(4+)
 *   offset => INT64
 *   leaderEpoch => INT32
 *   metadata => STRING
 *   commitTimestamp => INT64
 *   expireTimestamp => INT64
 *   topicId => UUID
 * ```
 */
export const offsetCommitValue = new RecordFormat({
  name: 'OffsetCommitValue',
  versions: [0, 4],
  flexibleFrom: 4,
  written: 4,
  readsNewer: false,
  type: struct({
    offset: int64,
    leaderEpoch: from(3, int32, -1),
    metadata: wholeString,
    commitTimestamp: int64,
    expireTimestamp: between(1, 1, int64, -1),
    topicId: tagged(0, 4, uuid),
  }),
});
