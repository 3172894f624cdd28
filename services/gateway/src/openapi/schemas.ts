/** A JSON Schema (2020-12), as OpenAPI 3.1 has them. */
export type Schema = Readonly<Record<string, unknown>>;

/** Of a schema below. */
export type SchemaName = keyof typeof SCHEMAS;

/** Names a schema below. */
export function ref(name: SchemaName): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

const OFFSET = { type: 'integer', format: 'int64', minimum: 0 } as const;
const PARTITION = { type: 'integer', format: 'int32', minimum: 0 } as const;
const BROKER = { type: 'integer', format: 'int32' } as const;
const CONFIGS = { type: 'object', additionalProperties: { type: 'string' } } as const;

const REVISION = { type: 'integer', format: 'int64', minimum: 0 } as const;
const STAT = {
  path: { type: 'string' },
  create_revision: { ...REVISION, description: 'Grows from one holder of a path to the next: a fencing token.' },
  mod_revision: REVISION,
  version: { type: 'integer', minimum: 0 },
  children_version: REVISION,
  child_count: { type: 'integer', minimum: 0 },
  ephemeral_owner: { type: ['integer', 'null'], format: 'int64' },
} as const;

/** An object of which every property is there unless it is named optional, and no other may be. */
function closed(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

/** One of which no property has to be there. */
const optional = (properties: Readonly<Record<string, Schema>>): Schema => closed(properties, Object.keys(properties));

const list = (items: Schema): Schema => ({ type: 'array', items });
const here = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** The bodies that routes take and give. */
export const SCHEMAS = {
  Error: {
    description:
      'error_code is the HTTP status, but 40403 for a consumer that there is not and 40410 for one that has expired; ' +
      'code tells those of one status apart.',
    ...closed(
      {
        error_code: { type: 'integer', minimum: 400, maximum: 40_410 },
        code: { type: 'string', examples: ['UNKNOWN_TOPIC_OR_PARTITION'] },
        message: { type: 'string', description: 'What was wrong, what was expected and what to do.' },
        validation_errors: list({ type: 'string' }),
        operation: { type: 'integer', minimum: 0, description: 'The one of several for which none was done.' },
      },
      ['validation_errors', 'operation'],
    ),
  },
  Offset: closed({ partition: PARTITION, offset: OFFSET }),
  Offsets: {
    description: 'One entry a record, in their order.',
    ...closed({ offsets: list({ anyOf: [here('Offset'), here('Error')] }) }),
  },
  Header: closed({ key: { type: 'string' }, value: { type: ['string', 'null'] }, encoding: { const: 'base64' } }, [
    'encoding',
  ]),
  Record: {
    description:
      'A value that is JSON stands as it was written. Other text is a string with encoding "text", anything else ' +
      'base64 with encoding "base64". A tombstone has value null; the value null itself has encoding "json".',
    ...closed(
      {
        partition: PARTITION,
        offset: OFFSET,
        timestamp: { type: 'integer', format: 'int64', description: 'Milliseconds since 1970.' },
        key: { type: ['string', 'null'] },
        key_encoding: { const: 'base64' },
        value: {},
        encoding: { enum: ['text', 'base64', 'json'] },
        headers: list(here('Header')),
      },
      ['key_encoding', 'encoding'],
    ),
  },
  Records: closed({
    records: list(here('Record')),
    next: { type: 'object', additionalProperties: OFFSET, description: 'The next offset to read, by partition.' },
    cursor: { type: 'string', description: 'All of next in one: hand it back as ?cursor= to go on.' },
  }),
  TopicSummary: closed({
    name: { type: 'string' },
    id: { type: 'string', format: 'uuid' },
    partitions: { type: 'integer', minimum: 1 },
    configs: CONFIGS,
  }),
  Topics: closed({ topics: list(here('TopicSummary')) }),
  Partition: closed({
    partition: PARTITION,
    leader: { type: ['integer', 'null'], format: 'int32' },
    leader_epoch: { type: 'integer', format: 'int32' },
    replicas: list(BROKER),
    in_sync: list(BROKER),
  }),
  Topic: closed({
    name: { type: 'string' },
    id: { type: 'string', format: 'uuid' },
    configs: CONFIGS,
    partitions: list(here('Partition')),
  }),
  NewTopic: closed(
    {
      name: { type: 'string', pattern: '^[a-zA-Z0-9._-]{1,249}$' },
      partitions: { type: 'integer', minimum: 1 },
      replication_factor: { type: 'integer', minimum: 1 },
      configs: CONFIGS,
    },
    ['partitions', 'replication_factor', 'configs'],
  ),
  Cluster: closed({
    cluster_id: { type: 'string' },
    revision: { type: 'integer', format: 'int64' },
    brokers: list(
      closed({
        id: BROKER,
        address: { type: 'string' },
        rack: { type: ['string', 'null'] },
        state: { enum: ['active', 'fenced'] },
      }),
    ),
  }),
  Groups: closed({
    groups: list(
      closed({
        group: { type: 'string' },
        state: { type: 'string', examples: ['Stable', 'Empty'] },
        protocol_type: { type: 'string' },
        members: { type: 'integer', minimum: 0 },
      }),
    ),
    incomplete: { description: 'Why there may be others.', ...list({ type: 'string' }) },
  }),
  Group: closed({
    group: { type: 'string' },
    state: { type: 'string' },
    protocol_type: { type: 'string' },
    protocol: { type: 'string' },
    generation: { type: 'integer' },
    members: list(
      closed({
        member_id: { type: 'string' },
        instance_id: { type: ['string', 'null'] },
        client_id: { type: 'string' },
        host: { type: 'string' },
        topics: list({ type: 'string' }),
        assignment: list(closed({ topic: { type: 'string' }, partition: PARTITION })),
      }),
    ),
    partitions: list(
      closed({
        topic: { type: 'string' },
        partition: PARTITION,
        offset: { type: ['integer', 'null'], format: 'int64', description: 'Null: nothing is committed.' },
        end: { type: ['integer', 'null'], format: 'int64', description: 'Null where the leader did not say.' },
        lag: { type: ['integer', 'null'], format: 'int64' },
        member_id: { type: ['string', 'null'] },
      }),
    ),
    lag: { type: 'integer', format: 'int64', description: 'Of all partitions of which it is known.' },
  }),
  GroupReset: closed(
    {
      topic: { type: 'string' },
      partition: PARTITION,
      to: { type: 'string', examples: ['earliest', 'latest', '7', '@2026-01-31T12:00:00Z'] },
      by: { type: 'integer', description: 'So many records on, or back, no further than there are any.' },
    },
    ['partition', 'to', 'by'],
  ),
  GroupMoved: closed({
    group: { type: 'string' },
    topic: { type: 'string' },
    dry_run: { type: 'boolean' },
    partitions: list(
      closed({ partition: PARTITION, from: { type: ['integer', 'null'], format: 'int64' }, to: OFFSET }),
    ),
  }),
  GroupRecords: closed({
    records: list({
      description: 'As Record, with its topic.',
      type: 'object',
      properties: { topic: { type: 'string' }, partition: PARTITION, offset: OFFSET, value: {} },
      required: ['topic', 'partition', 'offset', 'value'],
    }),
  }),
  NodeStat: { description: 'What is known of a node besides its data.', ...closed(STAT) },
  Node: closed(
    {
      ...STAT,
      data: { type: 'string' },
      encoding: { enum: ['text', 'base64'] },
      revision: { ...REVISION, description: "The tree's: a watch from the next one on misses nothing." },
      leader_epoch: { type: 'integer', minimum: 0, description: 'Below /consumers: in which the revision was told.' },
      children: list({ type: 'string' }),
    },
    ['children', 'leader_epoch'],
  ),
  NewSession: optional({ name: { type: 'string', description: 'For logs.' } }),
  Session: closed(
    {
      session: { type: 'string', description: 'Whoever has it may act for the session.' },
      timeout_ms: { type: 'integer', description: 'Without a heartbeat for so long it ends.' },
      owner: { ...REVISION, description: 'What others see of it, as ephemeral_owner of its nodes.' },
    },
    ['session'],
  ),
  TreeOperations: {
    ...list(
      closed(
        {
          kind: { enum: ['create', 'set', 'delete', 'check'] },
          path: { type: 'string' },
          data: { type: 'string' },
          encoding: { enum: ['text', 'base64'], default: 'text' },
          ephemeral: { type: 'boolean', default: false },
          sequential: { type: 'boolean', default: false },
          version: { type: 'integer', minimum: 0 },
        },
        ['data', 'encoding', 'ephemeral', 'sequential', 'version'],
      ),
    ),
    minItems: 1,
  },
  TreeWritten: closed({
    revision: REVISION,
    nodes: {
      description: 'One an operation: the node after the whole write, or that it is not there any more.',
      ...list({ anyOf: [here('NodeStat'), closed({ path: { type: 'string' }, deleted: { const: true } })] }),
    },
  }),
  Info: closed({
    name: { const: 'weir' },
    version: { type: 'string' },
    bridge_version: { type: 'string' },
    openapi: { type: 'string' },
    topics: { type: 'string' },
    cluster: { type: 'string' },
  }),
  ProducerRecordList: closed({
    records: {
      ...list(
        closed(
          {
            key: { description: 'JSON, base64 or text, as the media type says.' },
            value: { description: 'JSON, base64 or text, as the media type says; null is a tombstone.' },
            partition: PARTITION,
            timestamp: { type: 'integer', format: 'int64', minimum: 0 },
            headers: list(
              closed({ key: { type: 'string' }, value: { type: ['string', 'null'], contentEncoding: 'base64' } }, [
                'value',
              ]),
            ),
          },
          ['key', 'partition', 'timestamp', 'headers'],
        ),
      ),
      minItems: 1,
    },
  }),
  NewTopicV2: closed(
    {
      topic_name: { type: 'string', pattern: '^[a-zA-Z0-9._-]{1,249}$' },
      partitions_count: { type: 'integer', minimum: 1 },
      replication_factor: { type: 'integer', minimum: 1 },
      configs: CONFIGS,
    },
    ['partitions_count', 'replication_factor', 'configs'],
  ),
  ReplicaV2: closed({ broker: BROKER, leader: { type: 'boolean' }, in_sync: { type: 'boolean' } }),
  PartitionV2: closed({ partition: PARTITION, leader: BROKER, replicas: list(here('ReplicaV2')) }),
  TopicV2: closed({ name: { type: 'string' }, configs: CONFIGS, partitions: list(here('PartitionV2')) }),
  NewConsumerV2: optional({
    name: { type: 'string', minLength: 1 },
    format: { enum: ['binary', 'json', 'text'], default: 'binary' },
    'auto.offset.reset': { enum: ['earliest', 'latest', 'none'], default: 'latest' },
    'enable.auto.commit': { type: ['boolean', 'string'], default: true },
    'auto.commit.enable': { type: ['boolean', 'string'], description: 'The same, as Confluent has it.' },
    'fetch.min.bytes': { type: ['integer', 'string'], default: 1 },
    'consumer.request.timeout.ms': { type: ['integer', 'string'], description: 'How long a read waits.' },
    'isolation.level': { enum: ['read_committed', 'read_uncommitted'] },
  }),
  ConsumerV2: closed({ instance_id: { type: 'string' }, base_uri: { type: 'string' } }),
  SubscriptionV2: optional({
    topics: { ...list({ type: 'string' }), minItems: 1 },
    topic_pattern: { type: 'string', description: 'Matches whole names; one group, three repetitions at most.' },
  }),
  SubscribedV2: closed({
    topics: list({ type: 'string' }),
    partitions: list({ type: 'object', additionalProperties: list(PARTITION) }),
  }),
  PlaceV2: closed({ topic: { type: 'string' }, partition: PARTITION }),
  PlacesV2: closed({ partitions: list(here('PlaceV2')) }),
  PlaceOffsetV2: closed(
    { topic: { type: 'string' }, partition: PARTITION, offset: OFFSET, metadata: { type: 'string' } },
    ['metadata'],
  ),
  PlaceOffsetsV2: closed({ offsets: list(here('PlaceOffsetV2')) }),
  PositionsV2: optional({
    offsets: list(here('PlaceOffsetV2')),
    timestamps: list(
      closed({
        topic: { type: 'string' },
        partition: PARTITION,
        timestamp: { type: ['string', 'integer'], description: 'Milliseconds, or an ISO date.' },
      }),
    ),
  }),
  ConsumerRecordV2: closed({
    topic: { type: 'string' },
    key: { description: 'JSON, base64 or text, as the format says.' },
    value: { description: 'JSON, base64 or text, as the format says.' },
    partition: PARTITION,
    offset: OFFSET,
    timestamp: { type: 'integer', format: 'int64' },
    headers: list(closed({ key: { type: 'string' }, value: { type: ['string', 'null'], contentEncoding: 'base64' } })),
  }),
  OffsetsSummary: closed({ beginning_offset: OFFSET, end_offset: OFFSET }),
} as const satisfies Record<string, Schema>;
