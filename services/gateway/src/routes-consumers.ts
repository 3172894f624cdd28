import { READ_WAIT_MS_MAX } from '@weir/base/limits.ts';
import {
  assignmentsV2,
  assignV2,
  commitV2,
  committedV2,
  createConsumerV2,
  deleteConsumerV2,
  recordsV2,
  seekToV2,
  seekV2,
  subscribeV2,
  subscriptionV2,
  unsubscribeV2,
  whereItIs,
} from './consumers/consumers-v2.ts';
import { OFFSET, PARTITION, TOPIC } from './openapi/schema-parts.ts';
import type { Schema } from './openapi/schema-parts.ts';
import { ref } from './openapi/schemas.ts';
import type { SchemaName } from './openapi/schemas.ts';
import type { Operation, Route } from './route.ts';
import { V2, v2 } from './routes-v2.ts';

const GROUP = '/consumers/{group}';
const INSTANCE = `${GROUP}/instances/{instance}`;
const LIST: Schema = { type: 'array', items: ref('ConsumerRecordV2') };

/** What is done with one that was created. */
const OF_ONE = ['deleteConsumer', 'subscribe', 'listSubscriptions', 'assign', 'poll', 'commit', 'seekToBeginning'];

const done = { 204: { description: 'Done.' } } as const;

const answers = (name: SchemaName): Operation['responses'] => ({
  200: { description: 'As it is now.', content: { 'application/json': ref(name), [V2]: ref(name) } },
});

const takes = (name: SchemaName): NonNullable<Operation['request']> => ({
  [V2]: ref(name),
  'application/json': ref(name),
});

function route(
  method: Route['method'],
  path: string,
  handle: Route['handle'],
  operation: Omit<Operation, 'tag'>,
): Route {
  // Confluent's clients read committed offsets by a GET with a body.
  const takesBody = method === 'POST' || operation.request !== undefined;
  return {
    method,
    path,
    ...(takesBody ? { body: () => 'whole' as const } : {}),
    handle: v2(path.startsWith(INSTANCE) ? whereItIs(handle, path.slice(INSTANCE.length)) : handle),
    operation: { ...operation, tag: 'consumers' },
  };
}

/** Consumers as clients of the Strimzi Kafka bridge know them, with the operation ids of its OpenAPI document. */
export const routesConsumers: readonly Route[] = [
  route('POST', GROUP, createConsumerV2, {
    id: 'createConsumer',
    summary: 'Create a consumer in a group',
    description:
      'It expires when nobody calls it for five minutes: error_code 40410 then, for ten minutes. Commits by itself, unless ' +
      'enable.auto.commit is false, are of what was handed out before the last read.',
    request: takes('NewConsumerV2'),
    bodyMayBeAbsent: true,
    responses: {
      200: {
        description: 'Its name, and where it is called.',
        content: { 'application/json': ref('ConsumerV2'), [V2]: ref('ConsumerV2') },
        links: [
          { operations: OF_ONE, parameters: { group: '$request.path.group', instance: '$response.body#/instance_id' } },
        ],
      },
    },
  }),
  route('DELETE', INSTANCE, deleteConsumerV2, {
    id: 'deleteConsumer',
    summary: 'Delete a consumer: it leaves its group',
    responses: done,
  }),
  route('POST', `${INSTANCE}/subscription`, subscribeV2, {
    id: 'subscribe',
    summary: 'Subscribe to topics, or to a pattern of names',
    request: takes('SubscriptionV2'),
    responses: done,
  }),
  route('GET', `${INSTANCE}/subscription`, subscriptionV2, {
    id: 'listSubscriptions',
    summary: 'What it subscribes to, and what it reads',
    responses: answers('SubscribedV2'),
  }),
  route('DELETE', `${INSTANCE}/subscription`, unsubscribeV2, {
    id: 'unsubscribe',
    summary: 'Read nothing any more',
    responses: done,
  }),
  route('POST', `${INSTANCE}/assignments`, assignV2, {
    id: 'assign',
    summary: 'Read partitions, whoever else does',
    request: takes('AssignmentV2'),
    responses: done,
  }),
  route('GET', `${INSTANCE}/assignments`, assignmentsV2, {
    id: 'listAssignments',
    summary: 'The partitions that it reads',
    responses: answers('PlacesV2'),
  }),
  route('GET', `${INSTANCE}/records`, recordsV2, {
    id: 'poll',
    summary: 'Read records',
    description: 'Answered as soon as there are some. What does not get to the client is handed out again.',
    parameters: [
      {
        name: 'timeout',
        description:
          'How long to wait when there is nothing yet, in milliseconds. Default: consumer.request.timeout.ms.',
        schema: { type: 'integer', minimum: 0, maximum: READ_WAIT_MS_MAX },
      },
      {
        name: 'max_bytes',
        description: 'Most bytes of keys and values. A single record that has more is answered with 422.',
        schema: { ...OFFSET, minimum: 1 },
      },
    ],
    responses: {
      200: {
        description: 'Records, by partition in their order.',
        content: {
          'application/vnd.kafka.json.v2+json': LIST,
          'application/vnd.kafka.binary.v2+json': LIST,
          'application/vnd.kafka.text.v2+json': LIST,
          'application/json': LIST,
        },
      },
    },
  }),
  route('POST', `${INSTANCE}/offsets`, commitV2, {
    id: 'commit',
    summary: 'Commit offsets, or without a body what was handed out',
    request: takes('PlaceOffsetsV2'),
    bodyMayBeAbsent: true,
    responses: done,
  }),
  route('GET', `${INSTANCE}/offsets`, committedV2, {
    id: 'committed',
    summary: 'What the group has committed',
    parameters: [
      { name: 'topic', description: 'Of one topic; of all that it reads when left out.', schema: TOPIC },
      { name: 'partition', description: 'Of one partition of that topic.', schema: PARTITION },
    ],
    request: takes('PlacesV2'),
    bodyMayBeAbsent: true,
    responses: answers('PlaceOffsetsV2'),
  }),
  route('POST', `${INSTANCE}/offsets/committed`, committedV2, {
    id: 'committedOf',
    summary: 'What the group has committed of some partitions',
    request: takes('PlacesV2'),
    responses: answers('PlaceOffsetsV2'),
  }),
  route('POST', `${INSTANCE}/positions`, seekV2, {
    id: 'seek',
    summary: 'Read on from offsets, or from times',
    request: takes('PositionsV2'),
    responses: done,
  }),
  route('POST', `${INSTANCE}/positions/beginning`, seekToV2('earliest'), {
    id: 'seekToBeginning',
    summary: 'Read on from the first records',
    request: takes('PlacesV2'),
    responses: done,
  }),
  route('POST', `${INSTANCE}/positions/end`, seekToV2('latest'), {
    id: 'seekToEnd',
    summary: 'Read on behind the last records',
    request: takes('PlacesV2'),
    responses: done,
  }),
];
