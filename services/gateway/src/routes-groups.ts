import { READ_RECORDS_DEFAULT, READ_RECORDS_MAX, READ_WAIT_MS_MAX } from '@weir/base/limits.ts';
import { commitGroup, deleteGroup, describeGroup, listGroups, readGroup, resetGroup } from './consumers/groups-v1.ts';
import { TOPIC_LIST, WAIT } from './openapi/schema-parts.ts';
import { ref } from './openapi/schemas.ts';
import type { Route } from './route.ts';

/** Consumer groups, and their records in one call. */
export const routesGroups: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/groups',
    handle: listGroups,
    operation: {
      id: 'listGroups',
      tag: 'groups',
      summary: 'All consumer groups',
      responses: { 200: { description: 'Groups by id.', content: { 'application/json': ref('Groups') } } },
    },
  },
  {
    method: 'GET',
    path: '/v1/groups/{group}',
    handle: describeGroup,
    operation: {
      id: 'describeGroup',
      tag: 'groups',
      summary: 'A group: its members, what it has committed, and its lag',
      responses: { 200: { description: 'The group.', content: { 'application/json': ref('Group') } } },
    },
  },
  {
    method: 'DELETE',
    path: '/v1/groups/{group}',
    handle: deleteGroup,
    operation: {
      id: 'deleteGroup',
      tag: 'groups',
      summary: 'Delete a group that nobody is in, with its offsets',
      responses: { 204: { description: 'It does not exist any more.' } },
    },
  },
  {
    method: 'POST',
    path: '/v1/groups/{group}/offsets',
    body: () => 'whole',
    handle: resetGroup,
    operation: {
      id: 'resetGroup',
      tag: 'groups',
      summary: 'Move where a group reads on, while nobody is in it',
      description: 'A group that is not there begins with this.',
      parameters: [
        {
          name: 'dryRun',
          description: 'true: say what would be done, and do nothing.',
          schema: { type: 'boolean', default: false },
        },
      ],
      request: { 'application/json': ref('GroupReset') },
      responses: {
        200: {
          description: 'Where it read on before, and does now.',
          content: { 'application/json': ref('GroupMoved') },
        },
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/groups/{group}/records',
    handle: readGroup,
    operation: {
      id: 'readGroup',
      tag: 'groups',
      summary: 'The next records of a group',
      description:
        'The first call joins the group. Each call commits what the one before was given; the consumer leaves when ' +
        'nobody calls for five minutes, and what was given last comes again then, unless it was committed.',
      parameters: [
        {
          name: 'topics',
          description: 'What the group reads, as a,b. The first call needs it.',
          schema: TOPIC_LIST,
        },
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
        {
          name: 'from',
          description: 'Where a group begins that has committed nothing.',
          schema: { type: 'string', enum: ['earliest', 'latest'], default: 'earliest' },
        },
      ],
      responses: { 200: { description: 'Records.', content: { 'application/json': ref('GroupRecords') } } },
    },
  },
  {
    method: 'POST',
    path: '/v1/groups/{group}/commit',
    handle: commitGroup,
    operation: {
      id: 'commitGroup',
      tag: 'groups',
      summary: 'Commit what the last read of the group was given',
      responses: { 204: { description: 'Committed.' } },
    },
  },
];
