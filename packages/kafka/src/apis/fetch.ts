import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import {
  array,
  from,
  int16,
  int32,
  int64,
  int8,
  nullableArray,
  nullableString,
  records,
  string,
  struct,
  tagged,
  until,
  uuid,
} from '../schema.ts';

/**
 * Fetch (key 1), versions 4 to 18, flexible from 12.
 *
 * ```
 * Request => <tag 0: clusterId>(12+) replicaId(4-14) <tag 1: replicaState>(15+) maxWaitMs minBytes maxBytes
 *     isolationLevel sessionId(7+) sessionEpoch(7+) [topics] [forgottenTopicsData](7+) rackId(11+)
 *   clusterId => nullable STRING
 *   replicaId => INT32
 *   replicaState => replicaId replicaEpoch
 *     replicaId => INT32
 *     replicaEpoch => INT64
 *   maxWaitMs => INT32
 *   minBytes => INT32
 *   maxBytes => INT32
 *   isolationLevel => INT8
 *   sessionId => INT32
 *   sessionEpoch => INT32
 *   topics => topic(4-12) topicId(13+) [partitions]
 *     topic => STRING
 *     topicId => UUID
 *     partitions => partition currentLeaderEpoch(9+) fetchOffset lastFetchedEpoch(12+) logStartOffset(5+)
 *         partitionMaxBytes <tag 0: replicaDirectoryId>(17+) <tag 1: highWatermark>(18+)
 *       partition => INT32
 *       currentLeaderEpoch => INT32
 *       fetchOffset => INT64
 *       lastFetchedEpoch => INT32
 *       logStartOffset => INT64
 *       partitionMaxBytes => INT32
 *       replicaDirectoryId => UUID
 *       highWatermark => INT64
 *   forgottenTopicsData => topic(7-12) topicId(13+) [partitions]
 *     topic => STRING
 *     topicId => UUID
 *     partitions => INT32
 *   rackId => STRING
 *
 * Response => throttleTimeMs errorCode(7+) sessionId(7+) [responses] <tag 0: [nodeEndpoints]>(16+)
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   sessionId => INT32
 *   responses => topic(4-12) topicId(13+) [partitions]
 *     topic => STRING
 *     topicId => UUID
 *     partitions => partitionIndex errorCode highWatermark lastStableOffset logStartOffset(5+) <tag 0:
 *         divergingEpoch>(12+) <tag 1: currentLeader>(12+) <tag 2: snapshotId>(12+) [abortedTransactions]
 *         preferredReadReplica(11+) records
 *       partitionIndex => INT32
 *       errorCode => INT16
 *       highWatermark => INT64
 *       lastStableOffset => INT64
 *       logStartOffset => INT64
 *       divergingEpoch => epoch endOffset
 *         epoch => INT32
 *         endOffset => INT64
 *       currentLeader => leaderId leaderEpoch
 *         leaderId => INT32
 *         leaderEpoch => INT32
 *       snapshotId => endOffset epoch
 *         endOffset => INT64
 *         epoch => INT32
 *       abortedTransactions => producerId firstOffset
 *         producerId => INT64
 *         firstOffset => INT64
 *       preferredReadReplica => INT32
 *       records => nullable RECORDS
 *   nodeEndpoints => nodeId host port rack
 *     nodeId => INT32
 *     host => STRING
 *     port => INT32
 *     rack => nullable STRING
 * ```
 */
export const fetch = new Api({
  key: 1,
  name: 'Fetch',
  versions: [4, 18],
  flexibleFrom: 12,
  request: struct({
    clusterId: tagged(0, 12, nullableString()),
    replicaId: until(14, int32, -1),
    replicaState: tagged(
      1,
      15,
      struct({
        replicaId: from(15, int32, -1),
        replicaEpoch: from(15, int64, -1),
      }),
    ),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: from(4, int32, 2147483647),
    isolationLevel: int8,
    sessionId: from(7, int32),
    sessionEpoch: from(7, int32, -1),
    topics: array(
      struct({
        topic: until(12, string),
        topicId: from(13, uuid),
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: from(9, int32, -1),
            fetchOffset: int64,
            lastFetchedEpoch: from(12, int32, -1),
            logStartOffset: from(5, int64, -1),
            partitionMaxBytes: int32,
            replicaDirectoryId: tagged(0, 17, uuid),
            highWatermark: tagged(1, 18, int64, Number.MAX_SAFE_INTEGER),
          }),
        ),
      }),
    ),
    forgottenTopicsData: from(
      7,
      array(
        struct({
          topic: until(12, string),
          topicId: from(13, uuid),
          partitions: array(int32),
        }),
      ),
    ),
    rackId: from(11, string),
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: from(7, int16),
    sessionId: from(7, int32),
    responses: array(
      struct({
        topic: until(12, string),
        topicId: from(13, uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            highWatermark: int64,
            lastStableOffset: from(4, int64, -1),
            logStartOffset: from(5, int64, -1),
            divergingEpoch: tagged(
              0,
              12,
              struct({
                epoch: from(12, int32, -1),
                endOffset: from(12, int64, -1),
              }),
            ),
            currentLeader: tagged(
              1,
              12,
              struct({
                leaderId: from(12, int32, -1),
                leaderEpoch: from(12, int32, -1),
              }),
            ),
            snapshotId: tagged(
              2,
              12,
              struct({
                endOffset: from(12, int64, -1),
                epoch: from(12, int32, -1),
              }),
            ),
            abortedTransactions: nullableArray(
              struct({
                producerId: int64,
                firstOffset: int64,
              }),
            ),
            preferredReadReplica: from(11, int32, -1),
            records,
          }),
        ),
      }),
    ),
    nodeEndpoints: tagged(
      0,
      16,
      array(
        struct({
          nodeId: int32,
          host: string,
          port: int32,
          rack: nullableString(),
        }),
      ),
    ),
  }),
});

/** A request as it is read. */
export type FetchRequest = RequestOf<typeof fetch>;
/** A response to be written. */
export type FetchResponse = ResponseToSend<typeof fetch>;
