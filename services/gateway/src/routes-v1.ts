import { READ_RECORDS_DEFAULT, READ_RECORDS_MAX, READ_WAIT_MS_MAX } from '@weir/base/limits.ts';
import { CURSOR, CURSOR_OR_NONE, OFFSET, PARTITION, TIMESTAMP_TEXT, WAIT } from './openapi/schema-parts.ts';
import type { Schema } from './openapi/schema-parts.ts';
import { ref } from './openapi/schemas.ts';
import { isLines, produce } from './rest/produce.ts';
import { read } from './rest/read.ts';
import { deleteRecords } from './rest/delete-records.ts';
import { createTopic, deleteTopic, describeCluster, describeTopic, listTopics } from './rest/topics.ts';
import type { Parameter, Route } from './route.ts';
import { stream } from './stream/sse.ts';

const TEXT: Schema = { type: 'string' };
const OF_A_TOPIC = [
  'produceRecords',
  'readRecords',
  'streamRecords',
  'describeTopic',
  'deleteTopic',
  'getTopic',
  'send',
];
const BYTES: Schema = { type: 'string', format: 'binary' };

const partition: Parameter = {
  name: 'partition',
  description: 'One partition; all of them, or any, when left out.',
  schema: PARTITION,
};

/** The routes of our own: one call for each thing that people do with curl. */
export const routesV1: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/topics/{topic}/records',
    body: (mediaType) => (isLines(mediaType) ? 'streamed' : 'whole'),
    handle: produce,
    operation: {
      id: 'produceRecords',
      tag: 'records',
      summary: 'Produce records',
      description:
        'application/json: one value is one record, an array one record an element. application/x-ndjson: a record ' +
        'a line, a body of any length, answered by a receipt a line while it comes. text/* and ' +
        'application/octet-stream: the body is the record. JSON null is a tombstone. Request headers ' +
        'weir-header-NAME become record headers. An answer means that the records are durable.',
      parameters: [
        { name: 'key', description: 'Key of all records.', schema: TEXT },
        { name: 'keyField', description: "A field of each JSON object that is the record's key.", schema: TEXT },
        partition,
        {
          name: 'acks',
          description: 'Who must have the records: every in-sync replica, or the leader alone.',
          schema: { type: 'string', enum: ['all', 'leader'], default: 'all' },
        },
      ],
      request: {
        // An array is its elements, of which there has to be one: JSON Schema counts those of arrays alone.
        'application/json': { minItems: 1 },
        'application/x-ndjson': TEXT,
        'text/plain': TEXT,
        'application/octet-stream': BYTES,
      },
      responses: {
        200: {
          description: 'What became of each record. An error status instead means that none was taken.',
          content: { 'application/json': ref('Offsets'), 'application/x-ndjson': TEXT },
        },
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/topics/{topic}/records',
    handle: read,
    operation: {
      id: 'readRecords',
      tag: 'records',
      summary: 'Read records by offset, timestamp or cursor',
      description:
        'Without partition all partitions are read, one after another. With Accept: application/x-ndjson a record ' +
        'is a line, and the cursor is the header weir-cursor.',
      parameters: [
        partition,
        {
          name: 'offset',
          description: 'First offset, or earliest, or latest. Default: earliest.',
          schema: { anyOf: [OFFSET, { type: 'string', enum: ['earliest', 'latest'] }] },
        },
        {
          name: 'timestamp',
          description: 'From the first record that is not older: milliseconds, or an ISO date.',
          schema: TIMESTAMP_TEXT,
        },
        { name: 'cursor', description: 'Goes on where the answer with this cursor ended.', schema: CURSOR },
        {
          name: 'limit',
          description: 'Most records.',
          schema: { type: 'integer', minimum: 1, maximum: READ_RECORDS_MAX, default: READ_RECORDS_DEFAULT },
        },
        {
          name: 'wait',
          description: `How long to wait when there is nothing yet, up to ${READ_WAIT_MS_MAX / 1_000}s: 5s, or 5000.`,
          schema: WAIT,
        },
      ],
      responses: {
        200: {
          description: 'Records, and where to go on.',
          content: { 'application/json': ref('Records'), 'application/x-ndjson': TEXT },
          headers: { 'weir-cursor': { description: 'Of records a line: where to go on.', schema: CURSOR } },
        },
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/topics/{topic}/stream',
    handle: stream,
    operation: {
      id: 'streamRecords',
      tag: 'records',
      summary: 'Follow a topic live (server-sent events)',
      description:
        'A record is an event, a tombstone an event named delete. An id is a cursor: with Last-Event-ID the stream ' +
        'goes on after that event. Events named gap tell of records that are no longer there, refused ends the stream.',
      parameters: [
        partition,
        {
          name: 'from',
          description: 'Where to begin without Last-Event-ID.',
          schema: { type: 'string', enum: ['earliest', 'latest'], default: 'latest' },
        },
        {
          name: 'Last-Event-ID',
          from: 'header',
          description: 'The id of the last event that was seen.',
          schema: CURSOR_OR_NONE,
        },
      ],
      responses: {
        200: { description: 'Events, until one side ends.', content: { 'text/event-stream': ref('RecordEvent') } },
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/topics',
    handle: listTopics,
    operation: {
      id: 'listTopics',
      tag: 'topics',
      summary: 'All topics',
      responses: { 200: { description: 'Topics by name.', content: { 'application/json': ref('Topics') } } },
    },
  },
  {
    method: 'POST',
    path: '/v1/topics',
    body: () => 'whole',
    handle: createTopic,
    operation: {
      id: 'createTopic',
      tag: 'topics',
      summary: 'Create a topic',
      request: { 'application/json': ref('NewTopic') },
      responses: {
        201: {
          description: 'It exists and can be produced to. Location names it.',
          content: { 'application/json': ref('Topic') },
          headers: { location: { description: 'Its path.', schema: TEXT, required: true } },
          links: [{ operations: OF_A_TOPIC, parameters: { topic: '$response.body#/name' } }],
        },
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/topics/{topic}',
    handle: describeTopic,
    operation: {
      id: 'describeTopic',
      tag: 'topics',
      summary: 'One topic with its partitions',
      responses: { 200: { description: 'The topic.', content: { 'application/json': ref('Topic') } } },
    },
  },
  {
    method: 'DELETE',
    path: '/v1/topics/{topic}',
    handle: deleteTopic,
    operation: {
      id: 'deleteTopic',
      tag: 'topics',
      summary: 'Delete a topic with all its records',
      description:
        'It is gone when this is answered, and its name is free: a topic that is created under it is another one, which ' +
        'begins at offset 0. Brokers remove the files afterwards.',
      responses: { 204: { description: 'It does not exist any more.' } },
    },
  },
  {
    method: 'DELETE',
    path: '/v1/topics/{topic}/partitions/{partition}/records',
    handle: deleteRecords,
    operation: {
      id: 'deleteRecords',
      tag: 'records',
      summary: "Delete a partition's oldest records",
      description: 'Offsets go on where they were. Below the first offset there is nothing to delete, which is fine.',
      parameters: [
        {
          name: 'before',
          description: 'All records below this offset go; end: all that there are now. It has to be given.',
          schema: { anyOf: [OFFSET, { type: 'string', const: 'end' }] },
          required: true,
        },
      ],
      responses: {
        200: {
          description:
            'Deleted, durably, on all replicas that may lead next. offset is the first that there is now. After 504 the leader has deleted them, and a replica in sync may have them yet.',
          content: { 'application/json': ref('Offset') },
        },
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/cluster',
    handle: describeCluster,
    operation: {
      id: 'describeCluster',
      tag: 'topics',
      summary: 'The brokers',
      responses: { 200: { description: 'Brokers by id.', content: { 'application/json': ref('Cluster') } } },
    },
  },
];
