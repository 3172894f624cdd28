/** Limits of consumer groups; all others are in limits.ts. */

import { assert } from './assert.ts';
import { PARTITIONS_PER_REQUEST_MAX, READ_WAIT_MS_MAX, SESSION_TIMEOUT_MS } from './limits.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

// The topic that they are kept in.
/** Of `__consumer_offsets`, unless the coordinator is told otherwise: Kafka's number. Later it cannot be changed. */
export const OFFSETS_TOPIC_PARTITIONS = 50;
/** Small segments, as Kafka has them: only sealed ones are compacted, and a group's coordinator reads all of a partition to begin. */
export const OFFSETS_TOPIC_SEGMENT_BYTES = 100 * MIB;
/** Read at a time by a coordinator that begins. */
export const GROUP_LOAD_READ_BYTES = 1 * MIB;

// Members.
/** Requests that would change a group and wait for its record that is on its way. Whoever comes later tries again. */
export const GROUP_REQUESTS_WAITING_MAX = 1_000;
/** Member ids of a group that were given out, and that nobody has come back with. */
export const GROUP_PENDING_MEMBERS_MAX = 10_000;
/** A new member's first JoinGroup waits no longer, lest those whose clients went away add up: as in Kafka. */
export const GROUP_NEW_MEMBER_JOIN_MS = 5 * 60_000;
/** Of what a client says why it comes or goes. */
export const GROUP_REASON_CHARS_MAX = 255;
/** Members of a group; it may be set up to this (`group.max.size`). */
export const GROUP_MEMBERS_MAX = 10_000;
/** Shortest and longest session timeout that a member may ask for: Kafka's. */
export const GROUP_SESSION_TIMEOUT_MS_MIN = 6_000;
export const GROUP_SESSION_TIMEOUT_MS_MAX = 30 * 60_000;
/** How long an empty group waits for more members than the first: long enough for those that start together. */
export const GROUP_INITIAL_REBALANCE_DELAY_MS = 500;
/** Members that leave with one request of the native API. */
export const GROUP_LEAVING_PER_REQUEST_MAX = 1_000;
/** Ways to assign that a member may offer over the native API. */
export const GROUP_PROTOCOLS_MAX = 16;
/** Groups in one request of the native API. */
export const GROUPS_PER_REQUEST_MAX = 1_000;
/** How often deadlines of members are looked at. */
export const GROUP_TICK_MS = 100;
/** A loop that comes so much too late heard nobody meanwhile: members have as much more time. */
export const GROUP_LATE_MS = 500;

// The native client's consumers.
/** Without a sign of life for so long a consumer is taken out of its group, unless it says otherwise. */
export const CONSUMER_SESSION_TIMEOUT_MS = 10_000;
/** Signs of life in that time. */
export const CONSUMER_HEARTBEATS_PER_SESSION = 3;
/** A consumer whose owner takes nothing for so long leaves; so long the others wait for it, too. Kafka's `max.poll.interval.ms`. */
export const CONSUMER_POLL_INTERVAL_MS_MAX = 5 * 60_000;
/** How often a consumer commits by itself, unless it says otherwise: Kafka's `auto.commit.interval.ms`. */
export const CONSUMER_COMMIT_INTERVAL_MS = 5_000;
/** Of all partitions of a consumer together, as they are stored: what is read ahead. */
export const CONSUMER_AHEAD_BYTES_MAX = 16 * MIB;
/** Of one partition, whatever its share of that is. */
export const CONSUMER_PARTITION_AHEAD_BYTES_MAX = 1 * MIB;
export const CONSUMER_PARTITION_AHEAD_BYTES_MIN = 64 * KIB;
/** A group's coordinator has so long to answer what it answers at once. */
export const GROUP_CALL_MS = 5_000;
/** How much longer than its members have it has to begin a generation. */
export const GROUP_JOIN_SLACK_MS = 5_000;
/** What is asked of a group is asked again, of whoever coordinates it then, for so long. */
export const GROUP_RETRY_MS_MAX = 30_000;
/** Commits of a consumer that wait for one that is on its way. */
export const CONSUMER_COMMITS_WAITING_MAX = 1_000;
/** Records that `poll` gives at a time, unless it says otherwise: Kafka's `max.poll.records`. */
export const CONSUMER_POLL_RECORDS_MAX = 500;
/** A consumer that is closed commits and leaves within this. */
export const CONSUMER_CLOSE_MS_MAX = 5_000;

// Consumers over HTTP.
/** Of one gateway; fewer where it has little memory. */
export const HTTP_CONSUMERS_MAX = 1_000;
/** And as few. */
export const HTTP_CONSUMERS_MIN = 16;
/** A pattern of topics' names, and what may be repeated in it. */
export const HTTP_CONSUMER_PATTERN_CHARS_MAX = 249;
export const HTTP_CONSUMER_PATTERN_REPEATS_MAX = 3;
/** What one reads ahead, as it is stored; of each partition CONSUMER_PARTITION_AHEAD_BYTES_MIN in any case. */
export const HTTP_CONSUMER_AHEAD_BYTES = 512 * KIB;
/** One that nobody calls for so long is closed. */
export const HTTP_CONSUMER_IDLE_MS = 5 * 60_000;
/** How often that is looked at. */
export const HTTP_CONSUMER_CHECK_MS = 1_000;
/** So long it is told that it has expired, and not that there is none. */
export const HTTP_CONSUMER_EXPIRED_MS = 10 * 60_000;
/** A request waits so long for a consumer whose gateway cannot be reached: until that one's session is over, and a moment. */
export const HTTP_CONSUMER_MOVE_MS = SESSION_TIMEOUT_MS + 4_000;
export const HTTP_CONSUMER_MOVE_RETRY_MS = 200;
/** How often a gateway looks whether those are there that it has passed requests on to. */
export const HTTP_CONSUMER_OWNER_CHECK_MS = 1_000;
/** How often a gateway looks for consumers whose gateways are gone, and that nobody calls. */
export const HTTP_CONSUMER_SWEEP_MS = 60_000;
/** A gateway that answers a request for another one with more, or says nothing for so long, is given up. */
export const HTTP_FORWARD_BYTES_MAX = 64 * MIB;
export const HTTP_FORWARD_IDLE_MS = READ_WAIT_MS_MAX + 15_000;
/** How long a read waits that does not say: Confluent's `consumer.request.timeout.ms`. */
export const HTTP_CONSUMER_WAIT_MS = 1_000;
/** Of a group's id and of a consumer's name in a path. */
export const HTTP_CONSUMER_NAME_CHARS_MAX = 255;
/** Seeks that are stored of one; of more, the oldest are not. */
export const HTTP_CONSUMER_SEEKS_MAX = 1_000;
/** Partitions in one call about a consumer. */
export const HTTP_CONSUMER_PLACES_MAX = 10_000;

// Offsets.
/** What a client may store with an offset: Kafka's `offset.metadata.max.bytes`. */
export const OFFSET_METADATA_BYTES_MAX = 4 * KIB;
/** How long the offsets of a group are kept in which nobody is: Kafka's `offsets.retention.minutes`, a week. */
export const OFFSETS_RETENTION_MS = 7 * 24 * 60 * 60_000;
/** How often offsets are looked at for that. */
export const OFFSETS_RETENTION_CHECK_MS = 10 * 60_000;
/** Offsets whose tombstones are written together: they fit a batch whatever their names are. */
export const OFFSETS_FORGOTTEN_TOGETHER_MAX = 1_000;
/** Groups of one partition of the topic; a group more is refused. */
export const GROUPS_PER_SHARD_MAX = 10_000;

// Lag.
/** How often a coordinator looks how far its groups have come. */
export const GROUP_LAG_INTERVAL_MS = 5_000;
/** A leader that is asked where its logs end has so long to answer. */
export const GROUP_LAG_CALL_MS = 3_000;
/** A lag whose leader has not answered for so long is not told any more. */
export const GROUP_LAG_STALE_MS = 60_000;
/** High watermarks that are remembered of a partition, closer together the younger they are. */
export const GROUP_LAG_SAMPLES_MAX = 64;
/** A record that was there before anybody looked is told to wait for as long as it has been looked at, from this time on. */
export const GROUP_LAG_AT_LEAST_MS = 5 * 60_000;
/** Partitions of groups in the metrics of one broker: a group of which not all fit is left out. */
export const METRIC_GROUP_PARTITIONS_MAX = 2_000;
/** Groups by name in the metrics of one broker; further ones share a label, or are left out. */
export const METRIC_GROUPS_MAX = 1_000;
/** Of a group's id, in metrics: one that is longer is not named there. */
export const METRIC_GROUP_ID_CHARS_MAX = 249;

assert(HTTP_CONSUMER_IDLE_MS <= CONSUMER_POLL_INTERVAL_MS_MAX, 'a consumer over HTTP is not out of its group first');
assert(GROUP_LAG_CALL_MS < GROUP_LAG_INTERVAL_MS, 'a leader has answered or not before it is asked again');
assert(
  2 * METRIC_GROUP_PARTITIONS_MAX <= PARTITIONS_PER_REQUEST_MAX,
  'one call asks a leader for start and end of each',
);
