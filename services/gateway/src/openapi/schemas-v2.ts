import {
  HTTP_CONSUMER_PATTERN_CHARS_MAX,
  HTTP_CONSUMER_PLACES_MAX,
  OFFSET_METADATA_BYTES_MAX,
} from '@weir/base/group-limits.ts';
import { HTTP_RECORDS_MAX, READ_BYTES_MAX, READ_WAIT_MS_MAX, RECORD_HEADERS_MAX } from '@weir/base/limits.ts';
import {
  BASE64,
  BROKER,
  closed,
  GROUP,
  here,
  integerOrText,
  list,
  OFFSET,
  optional,
  orNull,
  PARTITION,
  TIMESTAMP_TEXT,
  TOPIC,
  topicSettings,
  USERS_TOPIC,
} from './schema-parts.ts';
import type { Schema } from './schema-parts.ts';

const CONFIGS = { type: 'object', additionalProperties: { type: 'string' } } as const;
const TEXT_OR_NULL = { type: ['string', 'null'] } as const;
const BOOLEAN = { enum: [true, false, 'true', 'false', null] } as const;
const PLACES = { maxItems: HTTP_CONSUMER_PLACES_MAX } as const;

/** Records to send, whose keys and values are what the media type says. */
function recordList(bytes: Schema, partition: Readonly<Record<string, Schema>> = {}): Schema {
  const header = closed({ key: { type: 'string' }, value: orNull(BASE64) }, ['value']);
  const record = closed(
    {
      key: bytes,
      value: { description: 'null is a tombstone.', ...bytes },
      ...partition,
      timestamp: orNull(OFFSET),
      headers: orNull(list(header, { maxItems: RECORD_HEADERS_MAX })),
    },
    ['key', 'partition', 'timestamp', 'headers'],
  );
  return closed({ records: list(record, { minItems: 1, maxItems: HTTP_RECORDS_MAX }) });
}

const ANYWHERE = { partition: orNull(PARTITION) };

/** The bodies of the dialect of the Strimzi Kafka bridge. */
export const SCHEMAS_V2 = {
  RecordListJson: recordList({}, ANYWHERE),
  RecordListBinary: recordList(orNull(BASE64), ANYWHERE),
  RecordListText: recordList(TEXT_OR_NULL, ANYWHERE),
  RecordToPartitionListJson: recordList({}),
  RecordToPartitionListBinary: recordList(orNull(BASE64)),
  RecordToPartitionListText: recordList(TEXT_OR_NULL),
  NewTopicV2: closed({ topic_name: USERS_TOPIC, ...topicSettings('partitions_count') }, [
    'partitions_count',
    'replication_factor',
    'configs',
  ]),
  ReplicaV2: closed({ broker: BROKER, leader: { type: 'boolean' }, in_sync: { type: 'boolean' } }),
  PartitionV2: closed({ partition: PARTITION, leader: BROKER, replicas: list(here('ReplicaV2')) }),
  TopicV2: closed({ name: { type: 'string' }, configs: CONFIGS, partitions: list(here('PartitionV2')) }),
  NewConsumerV2: optional({
    name: orNull(GROUP),
    format: { enum: ['binary', 'json', 'text', null], default: 'binary' },
    'auto.offset.reset': { enum: ['earliest', 'latest', 'none', null], default: 'latest' },
    'enable.auto.commit': { ...BOOLEAN, default: true },
    'auto.commit.enable': { ...BOOLEAN, description: 'The same, as Confluent has it.' },
    'fetch.min.bytes': orNull({ ...integerOrText(READ_BYTES_MAX), default: 1 }),
    'consumer.request.timeout.ms': orNull({
      ...integerOrText(READ_WAIT_MS_MAX),
      description: 'How long a read waits.',
    }),
    'isolation.level': { enum: ['read_committed', 'read_uncommitted', null] },
  }),
  ConsumerV2: closed({ instance_id: { type: 'string' }, base_uri: { type: 'string' } }),
  SubscriptionV2: {
    oneOf: [
      closed({ topics: list(TOPIC, { minItems: 1, ...PLACES }) }),
      closed({
        topic_pattern: {
          type: 'string',
          format: 'regex',
          minLength: 1,
          maxLength: HTTP_CONSUMER_PATTERN_CHARS_MAX,
          description: 'Matches whole names; one group, three repetitions at most.',
        },
      }),
    ],
  },
  SubscribedV2: closed({
    topics: list({ type: 'string' }),
    partitions: list({ type: 'object', additionalProperties: list(PARTITION) }),
  }),
  PlaceV2: closed({ topic: TOPIC, partition: PARTITION }),
  PlacesV2: closed({ partitions: list(here('PlaceV2'), PLACES) }),
  AssignmentV2: closed({ partitions: list(here('PlaceV2'), { minItems: 1, ...PLACES }) }),
  PlaceOffsetV2: closed(
    {
      topic: TOPIC,
      partition: PARTITION,
      offset: OFFSET,
      metadata: {
        ...TEXT_OR_NULL,
        maxLength: OFFSET_METADATA_BYTES_MAX,
        description: `At most ${OFFSET_METADATA_BYTES_MAX} bytes.`,
      },
    },
    ['metadata'],
  ),
  PlaceOffsetsV2: closed({ offsets: list(here('PlaceOffsetV2'), PLACES) }),
  PositionsV2: {
    ...optional({
      offsets: list(here('PlaceOffsetV2'), PLACES),
      timestamps: list(
        closed({
          topic: TOPIC,
          partition: PARTITION,
          timestamp: {
            anyOf: [TIMESTAMP_TEXT, { type: 'integer', minimum: 0, maximum: 999_999_999_999_999 }],
            description: 'Milliseconds, or an ISO date.',
          },
        }),
        PLACES,
      ),
    }),
    minProperties: 1,
  },
  ConsumerRecordV2: closed({
    topic: { type: 'string' },
    key: { description: 'JSON, base64 or text, as the format says.' },
    value: { description: 'JSON, base64 or text, as the format says.' },
    partition: PARTITION,
    offset: OFFSET,
    timestamp: { type: 'integer', format: 'int64' },
    headers: list(closed({ key: { type: 'string' }, value: orNull(BASE64) })),
  }),
  OffsetsSummary: closed({ beginning_offset: OFFSET, end_offset: OFFSET }),
} as const satisfies Record<string, Schema>;
