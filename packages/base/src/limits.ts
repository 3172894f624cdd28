import { assert } from './assert.ts';

/**
 * Every limit of every service, in one place. `_MAX` is refused above, `_MS` is milliseconds, `_BYTES` bytes.
 * Those that can be set by an option are its default.
 */
const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 24 * 60 * 60 * 1_000;

// Records.
/** Largest record batch, header included, unless the topic says otherwise: Kafka's `max.message.bytes`. */
export const MESSAGE_BYTES_MAX = 1_048_588;
/** What a decompressed batch may take, against bombs. */
export const DECOMPRESSED_BYTES_MAX = 64 * MIB;
/** Headers in one record. */
export const RECORD_HEADERS_MAX = 1_000;

// The log.
/** Largest group that is synced at once; also how far a torn tail can reach (see packages/log/src/recovery.ts). */
export const GROUP_BYTES_MAX = 8 * MIB;
/** With `flush=interval`, what may be unsynced. */
export const FLUSH_INTERVAL_BYTES = 64 * MIB;
/** With `flush=interval`, for how long. */
export const FLUSH_INTERVAL_MS = 1_000;
/** A group up to this goes through the broker's journal; a larger one is worth a sync of its own (ADR 9). */
export const JOURNAL_GROUP_BYTES_MAX = 128 * KIB;
/** A round of the journal takes no more groups once it has so many bytes. */
export const JOURNAL_ROUND_BYTES = 4 * MIB;
/** A journal file is followed by a new one at this size. */
export const JOURNAL_FILE_BYTES = 32 * MIB;
/** Journal files that wait for the logs' own syncs; past it logs sync for themselves. */
export const JOURNAL_FILES_MAX = 8;
/** Logs' own syncs behind the journal that are under way at a time. */
export const JOURNAL_SETTLES_MAX = 4;
/** A segment rolls when it would grow past this. */
export const SEGMENT_BYTES = 1024 * MIB;
/** A segment rolls when its first record is older than this: Kafka's `segment.ms`. */
export const SEGMENT_MS = 7 * DAY_MS;
/** Records are kept so long unless the topic says otherwise: Kafka's `retention.ms`. */
export const RETENTION_MS = 7 * DAY_MS;
/** How often a broker looks which records are too old or too many. */
export const RETENTION_CHECK_MS = 10_000;
/** One index entry for every so many bytes of log: a full segment's indexes take 320 KiB of memory. */
export const INDEX_INTERVAL_BYTES = 64 * KIB;
/** An idempotent producer that sends nothing for so long is forgotten: Kafka's `producer.id.expiration.ms`. */
export const PRODUCER_ID_EXPIRATION_MS = DAY_MS;
/** How often a log looks for them: Kafka's `producer.id.expiration.check.interval.ms`. */
export const PRODUCER_EXPIRY_CHECK_MS = 10 * 60_000;
/** Idempotent producers that a log remembers; past it the one that is idle longest is forgotten. */
export const PRODUCERS_PER_LOG_MAX = 10_000;
/** Batches of each that are told from new ones when they come again: Kafka's, and its `max.in.flight.requests`. */
export const PRODUCER_BATCHES_KEPT = 5;
/** New partitions whose names go to disk together. */
export const FOLDERS_PER_CHECKPOINT = 1_000;
/** Of the disk, this share is kept free: batches are refused before it is full. From … to. */
export const DISK_RESERVE_SHARE = 0.05;
export const DISK_RESERVE_BYTES_MIN = 2 * MIB;
export const DISK_RESERVE_BYTES_MAX = 1024 * MIB;
/** A sync that is under way for so long is worth an error in the log. */
export const SYNC_STALLED_MS = 5_000;
/** How often a broker looks how full its disk is. */
export const DISK_SPACE_INTERVAL_MS = 1_000;
/** Of a process's file descriptors, the share that segment files may have open, and that HTTP connections may take. */
export const OPEN_FILES_SHARE = 0.5;
export const HTTP_FILES_SHARE = 0.25;
/** A journal file takes at most this share of the disk. */
export const JOURNAL_FILE_DISK_SHARE = 1 / 64;
export const JOURNAL_FILE_BYTES_MIN = 256 * KIB;
/** A log that could not be written for want of room or descriptors is tried again after so long. */
export const WRITE_RETRY_MS = 500;
/** How often a dirty checkpoint is written. */
export const CHECKPOINT_INTERVAL_MS = 1_000;
/** Of a torn tail, what is kept aside for a person to look at. */
export const TORN_TAIL_KEPT_BYTES_MAX = 1 * MIB;
/** Payload memory is used again in blocks of this size. */
export const SLAB_BYTES = 1 * MIB;
/** Recently appended batches that are served from memory, over all partitions of a broker. */
export const TAIL_CACHE_BYTES = 32 * MIB;
/** Indexes of sealed segments that stay in memory for cold reads, over all partitions of a broker. */
export const INDEX_CACHE_BYTES = 8 * MIB;
/** A cold read's buffer. */
export const COLD_READ_BYTES = 1 * MIB;
/** What readers of segments have read ahead of them, over all partitions of a broker. */
export const READ_AHEAD_BYTES_MAX = 16 * MIB;
/** Payload memory in use, over everything a broker does; above it what waits for slow readers is copied out of it. */
export const SLABS_USED_BYTES = 256 * MIB;
/** Bytes that wait for a sync, over all partitions of a broker; above it, produce streams get no credit back. */
export const APPEND_PENDING_BYTES_MAX = 64 * MIB;
/** A broker that opens logs, because it starts or because the metadata says so, lets others run after so long. */
export const APPLY_SLICE_MS = 20;
/** Runs of a broker, one after the other, that died before they knew whether they were registered, and have ids of their own. */
export const UNSETTLED_RUNS_MAX = 64;
/** A broker that cannot take up all its partitions, or catch up with them, is ready after so long all the same. */
export const READY_FORCED_MS = 10 * 60_000;

// Streams.
/** One gRPC message. */
export const GRPC_MESSAGE_BYTES_MAX = 16 * MIB;
/** HTTP/2 window of bulk streams. */
export const GRPC_WINDOW_BYTES = 8 * MIB;
/** HTTP/2 frames that a server asks for: the protocol's 16 KiB cost a call for each of them. */
export const GRPC_FRAME_BYTES = 1 * MIB;
/** What an HTTP/2 connection may take for itself, beside what it is given to write. */
export const GRPC_SESSION_MEMORY_MIB = 64;
/** What a bulk stream writes at once. */
export const STREAM_WRITE_BYTES = 1 * MIB;
/** Bytes that wait on a bulk stream before it says that it is full; one more message still goes on top. */
export const STREAM_QUEUE_BYTES = 2 * MIB;
/** On a bulk stream a part of a message below this is copied: a reference would keep a slab for little. */
export const STREAM_COPY_BYTES = 8 * KIB;
/** A bulk stream that was ended with an error has so long to take what was already being written. */
export const STREAM_ABORT_MS = 5_000;
/** The young generation is collected for each so many bytes of payload from the network; see runtime's scavenge.ts. */
export const RECEIVED_BYTES_PER_SCAVENGE = 16 * MIB;
/** Streams on one HTTP/2 connection. */
export const GRPC_STREAMS_MAX = 100;
/** What a producer may have unanswered on one stream. */
export const PRODUCE_WINDOW_BYTES = 16 * MIB;
/** Fields of one message, repeated ones counted each, at its top. */
export const MESSAGE_FIELDS_MAX = 20_000;
/** Results in answers that wait on a produce stream whose client does not read them; past it the stream ends. */
export const STREAM_RESULTS_QUEUED_MAX = 200_000;
/** Answers that wait on a broker's stream whose client does not read them; past it the stream ends. */
export const STREAM_ANSWERS_QUEUED_MAX = 20_000;
/** A frame of fetched batches is cut after this many bytes (a single larger batch still goes whole). */
export const FETCH_FRAME_BYTES = 256 * KIB;
/** Frames that one fetch stream sends in one turn of the loop, so that others have theirs. */
export const FETCH_FRAMES_PER_TURN_MAX = 16;
/** Reads from disk under way at a time, over all fetch streams of a broker. */
export const COLD_READS_MAX = 16;
/** Batches in one produce request, and partitions in one look-up of offsets. */
export const PARTITIONS_PER_REQUEST_MAX = 10_000;
/** Subscriptions on one fetch stream. */
export const SUBSCRIPTIONS_MAX = 10_000;
/** Credit that a subscription may hold. */
export const SUBSCRIPTION_CREDIT_BYTES_MAX = 64 * MIB;
/** A single call between services. */
export const CALL_DEADLINE_MS = 10_000;
/** Between two tries at a connection: from … to. */
export const RECONNECT_MS_MIN = 50;
export const RECONNECT_MS_MAX = 1_000;
/** HTTP/2 pings find a dead peer. */
export const KEEPALIVE_MS = 10_000;
export const KEEPALIVE_TIMEOUT_MS = 5_000;

// Replication.
/** A follower that did not hold all that its leader had for so long leaves the ISR: Kafka's `replica.lag.time.max.ms`. */
export const REPLICA_LAG_TIME_MAX_MS = 10_000;
/** How often a leader looks for such followers. */
export const REPLICA_LAG_CHECK_MS = 1_000;
/** A frame of replicated batches is cut after this many bytes (a single larger batch still goes whole). */
export const REPLICATION_FRAME_BYTES = 512 * KIB;
/** Bytes of batches that a follower lets a leader send before it has them durably, on each of its two streams. */
export const REPLICATION_CREDIT_BYTES = 16 * MIB;
/** Frames that one replication stream sends in one turn of the loop, so that others have theirs. */
export const REPLICATION_FRAMES_PER_TURN_MAX = 16;
/** What replicas that are behind are sent a second, over all of them: while nobody writes, and beside writers. */
export const CATCH_UP_BYTES_PER_SECOND = 400 * MIB;
export const CATCH_UP_LOADED_BYTES_PER_SECOND = 20 * MIB;
/** They are sent so much time's worth in one go: for so long at most those in sync wait behind it. */
export const CATCH_UP_SLICE_MS = 10;
/** So much a second is written to a broker under load, and so often it is looked at. */
export const LOADED_BYTES_PER_SECOND = 64 * KIB;
export const LOAD_LOOK_MS = 200;
/** A follower is told of a high watermark within so long when there is no data to tell it with. */
export const WATERMARK_TOLD_MS = 20;
/** A leader that could not be followed is tried again after so long: from … to, doubling. */
export const FOLLOW_RETRY_MS_MIN = 20;
export const FOLLOW_RETRY_MS_MAX = 1_000;
/** Partitions whose ISR is altered in one request. */
export const ISR_PARTITIONS_PER_REQUEST_MAX = 1_000;
/** A change of an ISR that was refused, or nobody took, is asked for again after so long. */
export const ISR_RETRY_MS = 200;
/** And one that was written, so the coordinator said, when the metadata does not show it for so long. */
export const ISR_UNTOLD_MS = 3_000;
/** Doubtful replicas that one request reports. */
export const DOUBTS_PER_REQUEST_MAX = 1_000;
/** What a report did not bring about in so long is reported again. */
export const DOUBT_RETRY_MS = 1_000;
/** A leader whose process did nothing for so long resigns. */
export const LOOP_STALLED_MS = 3_000;
/** A broker that stops waits so long at most for others to lead what it leads, and asks so often how far that is. */
export const HAND_OVER_MS_MAX = 5_000;
export const HAND_OVER_POLL_MS = 20;
/** Partitions that one follower follows on one stream. */
export const FOLLOWED_PARTITIONS_MAX = 100_000;

// The Kafka protocol.
/** One request: Kafka's `socket.request.max.bytes`. */
export const KAFKA_REQUEST_BYTES_MAX = 100 * MIB;
/** Requests that are arriving or wait to be begun, over all connections: Kafka's `queued.max.request.bytes`. */
export const KAFKA_REQUEST_BYTES_USED_MAX = 64 * MIB;
/** Requests of one connection that were read and not answered; past it nothing more is read from it. */
export const KAFKA_REQUESTS_IN_FLIGHT_MAX = 128;
/** And their bytes. */
export const KAFKA_IN_FLIGHT_BYTES_MAX = 16 * MIB;
/** Answers that a connection's reader has not taken; past it none of its requests is begun. */
export const KAFKA_ANSWER_BYTES_QUEUED_MAX = 1 * MIB;
/** Bytes of records in one answer to a fetch, whatever the reader asks for: Kafka's `fetch.max.bytes`, smaller. */
export const KAFKA_FETCH_BYTES_MAX = 16 * MIB;
/** Of them, what is read from disk. */
export const KAFKA_FETCH_COLD_BYTES_MAX = 4 * MIB;
/** What one answer to a fetch brings while payload memory is scarce. */
export const KAFKA_FETCH_BYTES_SCARCE = 128 * KIB;
/** Longest time that a fetch may wait. */
export const KAFKA_FETCH_WAIT_MS_MAX = 5 * 60_000;
/** A broker that makes an answer of very many parts lets others run after so long. */
export const KAFKA_ANSWER_SLICE_MS = 5;
/** Resources in one request about configs. */
export const KAFKA_CONFIG_RESOURCES_MAX = 2_000;
/** Partitions in one request to read or to write. */
export const KAFKA_PARTITIONS_PER_REQUEST_MAX = 100_000;
/** A request up to this size is let in whatever others need, and a larger one holds no memory before so much of it is there. */
export const KAFKA_SMALL_REQUEST_BYTES = 64 * KIB;
/** While others wait for memory, a request that holds some arrives at least this fast, after KAFKA_HOLD_GRACE_MS. */
export const KAFKA_HELD_BYTES_PER_SECOND_MIN = 1 * MIB;
export const KAFKA_HOLD_GRACE_MS = 5_000;
/** Fetch sessions: Kafka's `max.incremental.fetch.session.cache.slots`. */
export const KAFKA_FETCH_SESSIONS_MAX = 1_000;
/** Where bytes are read into before it is known where they belong; one for all connections. */
export const KAFKA_SCRATCH_BYTES = 64 * KIB;
/** What is left of a request is read straight into its place when it is at least so much. */
export const KAFKA_DIRECT_READ_BYTES = 8 * KIB;
/** Connections of all listeners of a broker. */
export const KAFKA_CONNECTIONS_MAX = 10_000;
/** Of one address. */
export const KAFKA_CONNECTIONS_PER_ADDRESS_MAX = 5_000;
/** A connection that asks for nothing is closed after so long: Kafka's `connections.max.idle.ms`. */
export const KAFKA_IDLE_MS = 10 * 60_000;
/** A request that has begun to arrive, or an answer that has begun to be taken, moves within so long. */
export const KAFKA_STALL_MS = 60_000;
/** How often connections are looked at for both, and produce requests for their deadlines. */
export const KAFKA_SWEEP_MS = 500;

// Sessions and metadata.
/** A broker's session without a heartbeat. */
export const SESSION_TIMEOUT_MS = 6_000;
/** Heartbeats are a sixth of the timeout apart. */
export const HEARTBEATS_PER_TIMEOUT = 6;
/** After its connection broke a session waits this long to be attached to again. */
export const SESSION_REATTACH_MS = 800;
/** A broker that stops waits so long for the coordinator to end its session. */
export const GOODBYE_MS = 1_000;
/** A coordinator that has not welcomed a client by then is given up for the next one. */
export const SESSION_WELCOME_MS = 3_000;
/** A client that could go to another coordinator does so when no heartbeat was answered for so long. */
export const SESSION_SILENCE_MS = 2_000;
/** A coordinator that is offered a session answers at once, or is given up for the next one. */
export const SESSION_OFFER_MS = 1_000;
/** The lease of the active coordinator, and how often it is kept alive. Others may take over once it has ended. */
export const CONTROLLER_LEASE_MS = 2_000;
export const CONTROLLER_RENEW_MS = 500;
/**
 * A lease that may have ended so long ago is given up, though it may live: whoever waits for the coordinator is told, and can
 * ask another one. A change of etcd's leader takes less.
 */
export const CONTROLLER_UNCONFIRMED_MS = 2_000;
/** One try to keep a lease alive, on one member of etcd: two go into what is left of the lease after a renewal. */
export const LEASE_CALL_MS = 700;
/** The active coordinator's address is tried a second time after so long before it is taken for dead. */
export const HOLDER_RETRY_MS = 100;
/** What a coordinator follows of the store is behind by no more than this when it takes over, or is loaded anew. */
export const CLAIM_SEEN_MS = 1_000;
/** Operations in one transaction of the metadata store: etcd's default. */
export const TXN_OPERATIONS_MAX = 128;
/** Keys and values of one transaction: below etcd's request limit of 1.5 MiB. */
export const TXN_BYTES_MAX = 1 * MIB;
/** Rows in one page of a range. */
export const RANGE_PAGE_MAX = 1_000;
/** Shortest and longest life of a lease: etcd's shortest is one and a half of its election timeout of 1 s, rounded up. */
export const LEASE_TTL_MS_MIN = 2_000;
export const LEASE_TTL_MS_MAX = DAY_MS;
/** Revisions, and bytes of them, that SQLite keeps in memory for watches; who watches from earlier reads everything anew. */
export const WATCH_REVISIONS_KEPT = 10_000;
export const WATCH_BYTES_KEPT = 8 * MIB;
/** What changed in the metadata longer ago than once to twice this is compacted away. */
export const COMPACT_INTERVAL_MS = 5 * 60_000;
/** One call of etcd, on one of its members: longer than an election takes. */
export const ETCD_CALL_MS = 2_000;
/** A coordinator that starts waits so long for a member of etcd that answers. */
export const ETCD_START_MS = 10_000;
/** A watch asks etcd how far it is so often, and goes to another member when nothing came for so long. */
export const ETCD_PROGRESS_MS = 1_000;
export const ETCD_SILENCE_MS = 4_000;
/** Changes in one page of a snapshot. */
export const SNAPSHOT_PAGE_CHANGES_MAX = 5_000;
/** Deltas that wait for a slow reader; past it the reader gets a new snapshot. */
export const DELTA_QUEUE_MAX = 1_000;
/** Commands that wait in the controller. */
export const CONTROLLER_QUEUE_MAX = 10_000;
/** That a topic was deleted is remembered so long, for brokers that are away meanwhile: at least. */
export const DELETED_TOPIC_KEPT_MS = 30 * DAY_MS;
/** Deleted topics that are remembered; past it the oldest are forgotten. */
export const DELETED_TOPICS_MAX = 100_000;
/** A broker that could not ask what became of topics that the metadata lacks asks again after so long. */
export const ORPHAN_CHECK_RETRY_MS = 1_000;
/** Partitions of one topic. */
export const TOPIC_PARTITIONS_MAX = 10_000;
/** Partitions of all topics: the image of them is in every client's memory. */
export const CLUSTER_PARTITIONS_MAX = 100_000;
/** Brokers that are or were registered. */
export const BROKERS_MAX = 1_000;
/** How often the coordinator looks whether preferred replicas lead: Kafka's `leader.imbalance.check.interval.seconds`. */
export const LEADER_BALANCE_CHECK_MS = 300_000;
/** And so long after a broker or a replica came back: those that come one after another are looked at together. */
export const LEADER_BALANCE_DELAY_MS = 500;
/** Leaders that one command elects; past it others have their turn before it goes on. */
export const LEADERS_ELECTED_MAX = 1_000;
/** Partitions that an answer names one by one: what a broker still leads, whom nobody can elect. */
export const PARTITIONS_NAMED_MAX = 1_000;
/** Clients that follow one coordinator's metadata. */
export const COORDINATOR_STREAMS_MAX = 10_000;
/** Data of one node of the namespace: in base64 it still fits a transaction. */
export const NODE_DATA_BYTES_MAX = 512 * KIB;
/** A node's path, in percent-encoding. */
export const NODE_PATH_BYTES_MAX = 1_024;
/** Nodes that users have, and the bytes of their data: all of them are in the coordinator's memory. */
export const NAMESPACE_NODES_MAX = 100_000;
export const NAMESPACE_BYTES_MAX = 128 * MIB;
/** Operations of one write of the namespace. They also have to fit a transaction. */
export const NODE_OPERATIONS_MAX = 100;
/** Ephemeral nodes of one client session: they all go at one revision. */
export const EPHEMERAL_NODES_PER_SESSION_MAX = 10_000;
/** Client sessions that the namespace has at a time. */
export const CLIENT_SESSIONS_MAX = 10_000;
/** Streams of the namespace, sessions' and watches'. */
export const NAMESPACE_STREAMS_MAX = 20_000;
/** Sessions that one client opens: their streams share a connection with its calls. */
export const SESSIONS_PER_CLIENT_MAX = 64;
/** What a client calls itself, in its session. */
export const CLIENT_NAME_LENGTH_MAX = 200;
/** Names of children in one answer, and by default: the longest that there may be still fit a message. */
export const CHILDREN_PAGE_MAX = 10_000;
/** Changes that a watch may be behind: of the users' nodes and, apart from them, of those that show the metadata. */
export const WATCH_HISTORY_EVENTS_MAX = 50_000;
/** And the bytes of their data. */
export const WATCH_HISTORY_BYTES_MAX = 16 * MIB;
/** How far back a coordinator that starts reads the history that watches resume from, in revisions, where the store has it. */
export const HISTORY_REVISIONS_READ = 10_000;
/** So long it takes at most to follow from there; else it begins without a history. */
export const HISTORY_READ_MS = 5_000;
/** Watches on one stream, and on all. */
export const WATCHES_PER_STREAM_MAX = 1_000;
export const WATCHES_MAX = 20_000;
/** Events and bytes of data in one message of a watch. */
export const WATCH_MESSAGE_EVENTS_MAX = 1_000;
export const WATCH_MESSAGE_BYTES = 1 * MIB;
/** How often a quiet watch is told up to which revision it has everything. */
export const WATCH_PROGRESS_MS = 5_000;
/** How often the coordinator looks which sessions have ended. */
export const SESSION_TICK_MS = 100;
/** Topics in one request. */
export const TOPICS_PER_REQUEST_MAX = 10_000;
/** Configs of one topic, and the length of a value. */
export const TOPIC_CONFIGS_MAX = 100;
export const CONFIG_VALUE_LENGTH_MAX = 1_000;
/** Partitions of a topic that was created without saying how many. */
export const PARTITIONS_DEFAULT = 1;
/** Replicas of a topic that was created without saying how many, as long as there are as many brokers. */
export const REPLICATION_FACTOR_DEFAULT = 3;
export const REPLICATION_FACTOR_MAX = 100;

/** Producer ids that a broker is given at a time: Kafka's number. */
export const PRODUCER_IDS_PER_BLOCK = 1_000;

// The client.
/** A record waits this long for company. */
export const LINGER_MS = 2;
/** A batch is closed at this size. */
export const BATCH_BYTES = 256 * KIB;
/** Records and bytes that a producer holds; past it `send` refuses. */
export const PRODUCER_BUFFER_BYTES_MAX = 64 * MIB;
/** A record that could not be delivered for so long fails. */
export const DELIVERY_TIMEOUT_MS = 30_000;
/** A request of several batches is closed at this size (a single larger batch still goes whole). */
export const PRODUCE_REQUEST_BYTES = 1 * MIB;
/** Between tries: from … to, doubling, with jitter. */
export const RETRY_BACKOFF_MS_MIN = 20;
export const RETRY_BACKOFF_MS_MAX = 1_000;
/** How long a broker may take to give a producer id before another one is asked. */
export const PRODUCER_ID_WAIT_MS = 3_000;
/** How long a request waits for a coordinator, and for metadata that shows what it has done. */
export const METADATA_WAIT_MS = 5_000;
/**
 * How long a request waits for a leader that answers. One that has fallen silent is taken for alive for a session's timeout; then
 * another one is elected, and has to hear of it.
 */
export const LEADER_WAIT_MS = SESSION_TIMEOUT_MS + 4_000;

// HTTP.
/** A request body that is taken as a whole. */
export const HTTP_BODY_BYTES_MAX = 16 * MIB;
/** Records in one such body. */
export const HTTP_RECORDS_MAX = 100_000;
/** Headers of a request must be complete by then. */
export const HTTP_HEADERS_TIMEOUT_MS = 10_000;
/** A body that brings nothing for so long ends. */
export const HTTP_BODY_IDLE_MS = 10_000;
/** A body that is taken as a whole comes at least this fast, counted after HTTP_BODY_IDLE_MS. */
export const HTTP_BODY_BYTES_PER_SECOND_MIN = 1 * KIB;
/** A streamed body may pause this long: behind it may be a program that has nothing to say for a while. */
export const HTTP_UPLOAD_IDLE_MS = 60_000;
/** One line of a streamed body. */
export const HTTP_LINE_BYTES_MAX = 8 * MIB;
/** Of one streamed body, what is read but not yet acknowledged by brokers. */
export const HTTP_UPLOAD_IN_FLIGHT_BYTES = 4 * MIB;
/** Receipts for a streamed body that its sender has not taken yet; past it no more of the body is read. */
export const HTTP_RECEIPT_BYTES_MAX = 4 * MIB;
/** After an early refusal the rest of a body is thrown away for so long, so that the sender sees the answer. */
export const HTTP_LINGER_MS = 2_000;
/** Request line and headers together. */
export const HTTP_HEADER_BYTES_MAX = 16 * KIB;
/** Nesting of JSON that is taken in. */
export const JSON_DEPTH_MAX = 500;
/** Idle connections are kept this long. */
export const HTTP_KEEP_ALIVE_MS = 65_000;
export const HTTP_CONNECTIONS_MAX = 10_000;
export const HTTP_REQUESTS_PER_SOCKET_MAX = 100_000;
/** A response whose reader takes nothing for so long ends. */
export const HTTP_WRITE_STALL_MS = 30_000;
/** Bodies being read or answered, over all requests; past it 503. */
export const HTTP_IN_FLIGHT_BYTES_MAX = 256 * MIB;
/** What a gateway takes by itself under load: Node, code, connections. Measured. */
export const GATEWAY_PROCESS_BYTES = 160 * MIB;
/** Most records and bytes of one read. */
export const READ_RECORDS_MAX = 10_000;
export const READ_RECORDS_DEFAULT = 100;
export const READ_BYTES_MAX = 8 * MIB;
/** And as little, where a gateway has little memory. */
export const READ_BYTES_MIN = MIB;
/** Longest wait for records. */
export const READ_WAIT_MS_MAX = 60_000;
/** Streams (SSE) at a time. */
export const STREAMS_MAX = 1_000;
/** Read ahead for one stream and partition. */
export const STREAM_CREDIT_BYTES = 256 * KIB;
/** Read ahead for one stream over all its partitions. */
export const STREAM_READ_AHEAD_BYTES_MAX = 8 * MIB;
/** Partitions that one read asks for at the same time. */
export const READ_PARTITIONS_AT_ONCE = 16;
/** Changes of nodes that wait for the reader of one stream; past it the stream ends. */
export const TREE_STREAM_PENDING_BYTES_MAX = 4 * MIB;
/** A gateway that could not register itself tries again after so long. */
export const REGISTRATION_RETRY_MS = 1_000;
/** A comment line on a quiet stream, so that proxies keep it. */
export const STREAM_PING_MS = 15_000;

// Processes.
/** What is under way at a stop has this long. */
export const STOP_GRACE_MS = 10_000;
/** Longest time that a gateway may be told to go on serving after it was told to stop. */
export const DRAIN_TIME_MS_MAX = 10 * 60_000;
/** How often the command line asks how far a broker's drain is. */
export const DRAIN_POLL_MS = 250;
/** How often a gateway that drains looks whether its clients have gone. */
export const DRAIN_LOOK_MS = 50;
/** Spans that wait to be sent have this long at a stop. */
export const TRACES_FLUSH_MS = 2_000;
/** How often it is said at most that spans cannot be sent. */
export const TRACES_TROUBLE_MS = 60_000;
/** Producers' spans that the span of one read is linked to. */
export const POLL_LINKS_MAX = 64;
/** Topic labels in metrics; further topics are counted as "other". */
export const METRIC_TOPICS_MAX = 1_000;
/** Partitions of one broker whose offsets are in its metrics, two numbers each; those of further ones are left out. */
export const METRIC_PARTITIONS_MAX = 2_000;

// Limits that lean on each other.
assert(MESSAGE_BYTES_MAX <= GROUP_BYTES_MAX, 'a batch fits a group');
assert(GROUP_BYTES_MAX < SEGMENT_BYTES, 'a group fits a segment');
assert(MESSAGE_BYTES_MAX + 64 * KIB <= GRPC_MESSAGE_BYTES_MAX, 'a batch fits a message');
assert(STREAM_ANSWERS_QUEUED_MAX > SUBSCRIPTIONS_MAX, 'all subscriptions of a stream can be ended at once');
assert(PRODUCE_WINDOW_BYTES >= GRPC_MESSAGE_BYTES_MAX, 'a message fits the window');
assert(SESSION_WELCOME_MS < SESSION_TIMEOUT_MS, 'a broker may try another coordinator within its session');
assert(LEADER_WAIT_MS < DELIVERY_TIMEOUT_MS, 'a record is tried again once another one leads');
assert(BATCH_BYTES <= MESSAGE_BYTES_MAX, 'a full batch is not too large');
assert((NODE_DATA_BYTES_MAX * 4) / 3 + 64 * KIB <= TXN_BYTES_MAX, "a node's data fits a transaction in base64");
assert(NODE_OPERATIONS_MAX < TXN_OPERATIONS_MAX, 'a write of the namespace is one transaction');
assert(CHILDREN_PAGE_MAX * NODE_PATH_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX, 'a page of children fits a message');
assert(CHILDREN_PAGE_MAX < MESSAGE_FIELDS_MAX, 'a page of children is taken');
assert(SESSIONS_PER_CLIENT_MAX < GRPC_STREAMS_MAX, "a client's sessions leave room for its calls");
assert(WATCH_MESSAGE_EVENTS_MAX < MESSAGE_FIELDS_MAX, "a watch's message is taken");
assert(
  SESSION_SILENCE_MS + 2 * SESSION_OFFER_MS < SESSION_TIMEOUT_MS,
  'a session survives a coordinator that hangs, with two others to be asked',
);
assert(CONTROLLER_RENEW_MS + 2 * LEASE_CALL_MS < CONTROLLER_LEASE_MS, 'a lease survives a member of etcd that hangs');
assert(SESSION_REATTACH_MS < SESSION_TIMEOUT_MS, 'reattaching is shorter than the session');
