import { ref } from './openapi/schemas.ts';
import type { SchemaName } from './openapi/schemas.ts';
import type { Schema } from './openapi/schema-parts.ts';
import { produceV2 } from './rest/produce-v2.ts';
import {
  describePartitionV2,
  describeTopicV2,
  listPartitionsV2,
  listTopicsV2,
  partitionOffsetsV2,
} from './rest/topics-v2.ts';
import { createTopicV2 } from './rest/topics.ts';
import type { Operation, Route } from './route.ts';

/** What the dialect calls its JSON, records apart. */
export const V2 = 'application/vnd.kafka.v2+json';

/** Clients of the bridge ask for its media type, and get it; all others get application/json. */
export function v2(handle: Route['handle']): Route['handle'] {
  return async (context, request) => {
    const reply = await handle(context, request);
    if (reply.kind !== 'whole' || !reply.type.startsWith('application/json')) return reply;
    if (!String(request.headers['accept']).includes(V2)) return reply;
    return { ...reply, type: V2 };
  };
}

/** An answer in either of the dialect's types. */
const answer = (description: string, schema: Schema): Operation['responses'][number] => ({
  description,
  content: { 'application/json': schema, [V2]: schema },
});

const sends = (
  format: (name: 'Json' | 'Binary' | 'Text') => SchemaName,
): Pick<Operation, 'parameters' | 'request' | 'responses'> => ({
  parameters: [
    {
      name: 'async',
      description: 'true: answer 204 at once and tell nothing.',
      schema: { type: 'boolean', default: false },
    },
  ],
  request: {
    'application/vnd.kafka.json.v2+json': ref(format('Json')),
    'application/vnd.kafka.binary.v2+json': ref(format('Binary')),
    'application/vnd.kafka.text.v2+json': ref(format('Text')),
    'application/json': ref(format('Json')),
  },
  responses: {
    200: answer('What became of each record.', ref('Offsets')),
    204: { description: 'Asked for with async=true.' },
  },
});

/** The routes that clients of the Strimzi Kafka bridge know, with the operation ids of its OpenAPI document. */
export const routesV2: readonly Route[] = [
  {
    method: 'GET',
    path: '/topics',
    handle: v2(listTopicsV2),
    operation: {
      id: 'listTopicsV2',
      tag: 'v2',
      summary: 'Names of all topics',
      responses: {
        200: answer('Names.', { type: 'array', items: { type: 'string' } }),
      },
    },
  },
  {
    method: 'GET',
    path: '/topics/{topic}',
    handle: v2(describeTopicV2),
    operation: {
      id: 'getTopic',
      tag: 'v2',
      summary: 'One topic',
      responses: { 200: answer('The topic.', ref('TopicV2')) },
    },
  },
  {
    method: 'POST',
    path: '/topics/{topic}',
    body: () => 'whole',
    handle: v2(produceV2),
    operation: { id: 'send', tag: 'v2', summary: 'Send records to a topic', ...sends((name) => `RecordList${name}`) },
  },
  {
    method: 'GET',
    path: '/topics/{topic}/partitions',
    handle: v2(listPartitionsV2),
    operation: {
      id: 'listPartitions',
      tag: 'v2',
      summary: 'Partitions of a topic',
      responses: {
        200: answer('Partitions.', { type: 'array', items: ref('PartitionV2') }),
      },
    },
  },
  {
    method: 'GET',
    path: '/topics/{topic}/partitions/{partition}',
    handle: v2(describePartitionV2),
    operation: {
      id: 'getPartition',
      tag: 'v2',
      summary: 'One partition',
      responses: { 200: answer('The partition.', ref('PartitionV2')) },
    },
  },
  {
    method: 'POST',
    path: '/topics/{topic}/partitions/{partition}',
    body: () => 'whole',
    handle: v2(produceV2),
    operation: {
      id: 'sendToPartition',
      tag: 'v2',
      summary: 'Send records to a partition',
      ...sends((name) => `RecordToPartitionList${name}`),
    },
  },
  {
    method: 'GET',
    path: '/topics/{topic}/partitions/{partition}/offsets',
    handle: v2(partitionOffsetsV2),
    operation: {
      id: 'getOffsets',
      tag: 'v2',
      summary: 'First and next offset of a partition',
      responses: { 200: answer('Offsets.', ref('OffsetsSummary')) },
    },
  },
  {
    method: 'POST',
    path: '/admin/topics',
    body: () => 'whole',
    handle: v2(createTopicV2),
    operation: {
      id: 'createTopicV2',
      tag: 'v2',
      summary: 'Create a topic',
      request: { 'application/json': ref('NewTopicV2'), [V2]: ref('NewTopicV2') },
      responses: { 201: { description: 'It exists and can be produced to.' } },
    },
  },
];
