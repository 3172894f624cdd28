import { array, bytes, from, int32, int64, nullableWholeString, struct, wholeString } from '../schema.ts';
import { RecordFormat } from './record-format.ts';

/**
 * A group's generation, the value behind a GroupMetadataKey: versions 0 to 4, flexible from 4. Kafka writes version 3. An
 * empty group has no protocol, no leader and no members. Subscriptions and assignments are read as views: who keeps one copies
 * it.
 *
 * ```
 * GroupMetadataValue => protocolType generation protocol leader currentStateTimestamp(2+) [members]
 *   protocolType => STRING
 *   generation => INT32
 *   protocol => nullable STRING
 *   leader => nullable STRING
 *   currentStateTimestamp => INT64
 *   members => memberId groupInstanceId(3+) clientId clientHost rebalanceTimeout(1+) sessionTimeout subscription
 *       assignment
 *     memberId => STRING
 *     groupInstanceId => nullable STRING
 *     clientId => STRING
 *     clientHost => STRING
 *     rebalanceTimeout => INT32
 *     sessionTimeout => INT32
 *     subscription => BYTES
 *     assignment => BYTES
 * ```
 */
export const groupMetadataValue = new RecordFormat({
  name: 'GroupMetadataValue',
  versions: [0, 4],
  flexibleFrom: 4,
  written: 3,
  readsNewer: false,
  type: struct({
    protocolType: wholeString,
    generation: int32,
    protocol: nullableWholeString,
    leader: nullableWholeString,
    currentStateTimestamp: from(2, int64, -1),
    members: array(
      struct({
        memberId: wholeString,
        groupInstanceId: from(3, nullableWholeString),
        clientId: wholeString,
        clientHost: wholeString,
        rebalanceTimeout: from(1, int32, -1),
        sessionTimeout: int32,
        subscription: bytes,
        assignment: bytes,
      }),
    ),
  }),
});
