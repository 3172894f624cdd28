import { CLIENT_NAME_LENGTH_MAX, NODE_OPERATIONS_MAX } from '@weir/base/limits.ts';
import {
  BASE64,
  BROKER,
  closed,
  DISTANCE,
  event,
  here,
  list,
  NODE_BELOW_ROOT,
  NODE_PATH,
  OFFSET,
  optional,
  orNull,
  PARTITION,
  REVISION,
  START_AT,
  TOPIC,
  topicSettings,
  USERS_TOPIC,
  VERSION,
} from './schema-parts.ts';
import type { Schema } from './schema-parts.ts';
import { SCHEMAS_V2 } from './schemas-v2.ts';

/** Of a schema below. */
export type SchemaName = keyof typeof SCHEMAS;

/** Names a schema below. */
export function ref(name: SchemaName): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

const CONFIGS = { type: 'object', additionalProperties: { type: 'string' } } as const;
const STAT = {
  path: { type: 'string' },
  create_revision: { ...REVISION, description: 'Grows from one holder of a path to the next: a fencing token.' },
  mod_revision: REVISION,
  version: { type: 'integer', minimum: 0 },
  children_version: REVISION,
  child_count: { type: 'integer', minimum: 0 },
  ephemeral_owner: { type: ['integer', 'null'], format: 'int64' },
} as const;

const FLAG = { type: 'boolean', default: false } as const;

/** An operation that has data, as text or as base64. */
function withData(kind: string, more: Readonly<Record<string, Schema>>, required: readonly string[]): Schema[] {
  const always = { kind: { const: kind }, path: NODE_BELOW_ROOT };
  const may = (names: readonly string[]): string[] => names.filter((name) => !required.includes(name));
  const names = Object.keys(more);
  return [
    closed(
      { ...always, data: { type: 'string' }, encoding: { const: 'text', default: 'text' }, ...more },
      may(['data', 'encoding', ...names]),
    ),
    closed({ ...always, data: BASE64, encoding: { const: 'base64' }, ...more }, may(['data', ...names])),
  ];
}

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
  NewTopic: closed({ name: USERS_TOPIC, ...topicSettings('partitions') }, [
    'partitions',
    'replication_factor',
    'configs',
  ]),
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
  GroupReset: {
    ...closed(
      {
        topic: TOPIC,
        partition: orNull(PARTITION),
        to: { description: 'Where it reads on; an offset is a place in one partition.' },
        by: { description: 'So many records on, or back, no further than there are any.' },
      },
      ['partition', 'to', 'by'],
    ),
    oneOf: [
      { properties: { to: START_AT, by: { type: 'null' } }, required: ['to'] },
      { properties: { by: DISTANCE, to: { type: 'null' } }, required: ['by'] },
    ],
  },
  GroupMoved: closed({
    group: { type: 'string' },
    topic: { type: 'string' },
    dry_run: { type: 'boolean' },
    partitions: list(
      closed({ partition: PARTITION, from: { type: ['integer', 'null'], format: 'int64' }, to: OFFSET }),
    ),
  }),
  RecordEvent: event(
    ['message', 'delete', 'gap', 'refused'],
    [here('Record'), here('Gap'), here('Error')],
    'A cursor: with it as Last-Event-ID the stream goes on behind the event.',
  ),
  Gap: {
    description: 'Records from one offset up to another one are not there any more.',
    ...closed({ partition: PARTITION, from: OFFSET, to: OFFSET }),
  },
  TreeEvent: event(
    ['changes', 'refused'],
    [here('Changes'), here('Error')],
    'The revision: with it as Last-Event-ID the stream goes on behind it.',
  ),
  Changes: closed({ revision: REVISION, events: list({ type: 'object' }) }),
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
  NewSession: optional({
    name: orNull({ type: 'string', maxLength: CLIENT_NAME_LENGTH_MAX, description: 'For logs.' }),
  }),
  Session: closed(
    {
      session: { type: 'string', description: 'Whoever has it may act for the session.' },
      timeout_ms: { type: 'integer', description: 'Without a heartbeat for so long it ends.' },
      owner: { ...REVISION, description: 'What others see of it, as ephemeral_owner of its nodes.' },
    },
    ['session'],
  ),
  TreeOperations: list(
    {
      anyOf: [
        ...withData('create', { ephemeral: FLAG, sequential: FLAG }, []),
        ...withData('set', { version: VERSION }, ['data']),
        closed({ kind: { const: 'delete' }, path: NODE_BELOW_ROOT, version: VERSION }, ['version']),
        closed({ kind: { const: 'check' }, path: NODE_PATH, version: VERSION }, ['version']),
      ],
    },
    { minItems: 1, maxItems: NODE_OPERATIONS_MAX },
  ),
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
  ...SCHEMAS_V2,
} as const satisfies Record<string, Schema>;
