import { VERSION } from './openapi/schema-parts.ts';
import type { Schema } from './openapi/schema-parts.ts';
import { ref } from './openapi/schemas.ts';
import { endSession, keepSession, openSession } from './rest/sessions.ts';
import { createNode, deleteNode, getNode, putNode } from './rest/tree.ts';
import { writeTree } from './rest/tree-operations.ts';
import type { Operation, Parameter, Route } from './route.ts';

const TEXT: Schema = { type: 'string' };
const FLAG: Schema = { type: 'boolean', default: false };
/** Any bytes: a node's data is not looked at. */
const DATA: Readonly<Record<string, Schema>> = { 'application/octet-stream': { type: 'string', format: 'binary' } };

const version: Parameter = {
  name: 'version',
  description: 'Only if the node has this version, else BAD_VERSION (409).',
  schema: VERSION,
};

const FIRST_REVISION: Schema = { type: 'string', pattern: '^([0-9]{1,9}-)?[1-9][0-9]{0,14}$' };
const LAST_REVISION: Schema = { type: 'string', pattern: '^(([0-9]{1,9}-)?[0-9]{1,15})?$' };
const LOCATION = { location: { description: 'Its path.', schema: TEXT, required: true } } as const;

const STAT = { 'application/json': ref('NodeStat') };
const NODE_LINKS = [{ operations: ['getNode', 'putNode', 'deleteNode'], parameters: { path: '$request.path.path' } }];

const read = (id: string, summary: string): Operation => ({
  id,
  tag: 'tree',
  summary,
  description:
    'With watch: server-sent events "changes", one a revision, with {revision, events}; "refused" with an Error when it ' +
    'ends. A beginning that is not kept any more is COMPACTED (410): read the node, and watch from its revision + 1. Below ' +
    '/consumers a revision has a leader_epoch, and an id is both, as 3-17; where what happened is not known any more, an event ' +
    'with "reset": true has all that there is.',
  parameters: [
    { name: 'children', description: "With the names of the node's children.", schema: FLAG },
    {
      name: 'watch',
      description:
        'In place of the node, what happens from now on: to it (data), that it and its children come and go ' +
        "(children), or all of it and below it (recursive; of the root, of users' nodes).",
      schema: { type: 'string', enum: ['data', 'children', 'recursive'] },
    },
    {
      name: 'from',
      description: 'The first revision that is watched; below /consumers with its leader epoch in front, as 3-18.',
      schema: FIRST_REVISION,
    },
    { name: 'last-event-id', from: 'header', description: 'Go on behind this revision.', schema: LAST_REVISION },
  ],
  responses: {
    200: {
      description: 'The node, or the stream of its changes.',
      content: { 'application/json': ref('Node'), 'text/event-stream': ref('TreeEvent') },
    },
  },
});

const session: Parameter = {
  name: 'weir-session',
  from: 'header',
  description: 'The session, as POST /v1/sessions has answered it.',
  schema: TEXT,
};

const neededSession: Parameter = { ...session, schema: { type: 'string', minLength: 1 }, required: true };

/** The namespace over HTTP. Sessions are kept by calls: no gateway has anything of them. */
export const routesTree: readonly Route[] = [
  { method: 'GET', path: '/v1/tree', handle: getNode, operation: read('getRoot', 'The root of the namespace') },
  { method: 'GET', path: '/v1/tree/{+path}', handle: getNode, operation: read('getNode', 'Read or watch a node') },
  {
    method: 'POST',
    path: '/v1/tree',
    body: () => 'whole',
    handle: writeTree,
    operation: {
      id: 'writeTree',
      tag: 'tree',
      summary: 'Do several operations, all or none',
      description:
        'In one transaction, each seeing what those before it did; "check" changes nothing. An error names the operation ' +
        'that could not be done. With a session: only while that lives.',
      parameters: [session],
      request: { 'application/json': ref('TreeOperations') },
      responses: { 200: { description: 'All was done.', content: { 'application/json': ref('TreeWritten') } } },
    },
  },
  {
    method: 'POST',
    path: '/v1/tree/{+path}',
    body: () => 'whole',
    handle: createNode,
    operation: {
      id: 'createNode',
      tag: 'tree',
      summary: 'Create a node',
      description: 'Its parent has to be there. The body, of at most 512 KiB, is its data.',
      parameters: [
        {
          name: 'sequential',
          description: 'Put ten digits behind the path: a number that the parent gives to no other child.',
          schema: FLAG,
        },
        { name: 'ephemeral', description: 'The node goes with the session.', schema: FLAG },
        session,
      ],
      request: DATA,
      bodyMayBeAbsent: true,
      responses: { 201: { description: 'It is there. Location names it.', content: STAT, headers: LOCATION } },
    },
  },
  {
    method: 'PUT',
    path: '/v1/tree/{+path}',
    body: () => 'whole',
    handle: putNode,
    operation: {
      id: 'putNode',
      tag: 'tree',
      summary: "Replace a node's data",
      description: 'Without a version a node that is not there is created.',
      parameters: [version],
      request: DATA,
      bodyMayBeAbsent: true,
      responses: {
        200: { description: 'It was there, and has this data now.', content: STAT },
        201: { description: 'It was created.', content: STAT, headers: LOCATION, links: NODE_LINKS },
      },
    },
  },
  {
    method: 'DELETE',
    path: '/v1/tree/{+path}',
    handle: deleteNode,
    operation: {
      id: 'deleteNode',
      tag: 'tree',
      summary: 'Delete a node that has no children',
      parameters: [version],
      responses: { 204: { description: 'It is not there any more.' } },
    },
  },
  {
    method: 'POST',
    path: '/v1/sessions',
    body: () => 'whole',
    handle: openSession,
    operation: {
      id: 'openSession',
      tag: 'tree',
      summary: 'Open a session, with which ephemeral nodes go',
      description: 'It lives while it has heartbeats, by way of whichever gateway. A body is not needed.',
      request: { 'application/json': ref('NewSession') },
      bodyMayBeAbsent: true,
      responses: {
        201: {
          description: 'It lives.',
          content: { 'application/json': ref('Session') },
          links: [
            {
              operations: ['keepSession', 'endSession', 'createNode'],
              parameters: { 'header.weir-session': '$response.body#/session' },
            },
          ],
        },
      },
    },
  },
  {
    method: 'DELETE',
    path: '/v1/sessions',
    handle: endSession,
    operation: {
      id: 'endSession',
      tag: 'tree',
      summary: 'End a session, and its nodes with it',
      parameters: [neededSession],
      responses: { 204: { description: 'It has ended.' } },
    },
  },
  {
    method: 'POST',
    path: '/v1/sessions/heartbeat',
    handle: keepSession,
    operation: {
      id: 'keepSession',
      tag: 'tree',
      summary: 'Keep a session alive',
      description: 'Several times in its timeout. SESSION_EXPIRED (410) says that it has ended, for good.',
      parameters: [neededSession],
      responses: {
        200: { description: 'It lives for another timeout.', content: { 'application/json': ref('Session') } },
      },
    },
  },
];
