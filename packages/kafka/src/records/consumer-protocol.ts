import { array, from, int32, nullableBytes, nullableWholeString, struct, wholeString } from '../schema.ts';
import { RecordFormat } from './record-format.ts';

/**
 * What consumers tell each other through their group, of the protocol type `consumer`: a member's subscription is the metadata
 * in JoinGroup, its assignment the one in SyncGroup. Versions 0 to 3, never flexible. As in Kafka, a newer version is read as
 * the last one, and what follows is passed over. User data is read as a view.
 *
 * ```
 * ConsumerProtocolSubscription => [topics] userData [ownedPartitions](1+) generationId(2+) rackId(3+)
 *   topics => STRING
 *   userData => nullable BYTES
 *   ownedPartitions => topic [partitions]
 *     topic => STRING
 *     partitions => INT32
 *   generationId => INT32
 *   rackId => nullable STRING
 * ```
 */
export const consumerProtocolSubscription = new RecordFormat({
  name: 'ConsumerProtocolSubscription',
  versions: [0, 3],
  flexibleFrom: Number.POSITIVE_INFINITY,
  written: 3,
  readsNewer: true,
  type: struct({
    topics: array(wholeString),
    userData: nullableBytes,
    ownedPartitions: from(
      1,
      array(
        struct({
          topic: wholeString,
          partitions: array(int32),
        }),
      ),
    ),
    generationId: from(2, int32, -1),
    rackId: from(3, nullableWholeString),
  }),
});

/**
 * The same for an assignment.
 *
 * ```
 * ConsumerProtocolAssignment => [assignedPartitions] userData
 *   assignedPartitions => topic [partitions]
 *     topic => STRING
 *     partitions => INT32
 *   userData => nullable BYTES
 * ```
 */
export const consumerProtocolAssignment = new RecordFormat({
  name: 'ConsumerProtocolAssignment',
  versions: [0, 3],
  flexibleFrom: Number.POSITIVE_INFINITY,
  written: 3,
  readsNewer: true,
  type: struct({
    assignedPartitions: array(
      struct({
        topic: wholeString,
        partitions: array(int32),
      }),
    ),
    userData: nullableBytes,
  }),
});
