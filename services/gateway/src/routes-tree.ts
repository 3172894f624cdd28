import { ref } from './openapi/schemas.ts';
import type { Schema } from './openapi/schemas.ts';
import { createNode, deleteNode, getNode, putNode } from './rest/tree.ts';
import type { Operation, Parameter, Route } from './route.ts';

const TEXT: Schema = { type: 'string' };
const FLAG: Schema = { enum: ['true', 'false'], default: 'false' };
/** Any bytes: a node's data is not looked at. */
const DATA: Readonly<Record<string, Schema>> = { 'application/octet-stream': { type: 'string', format: 'binary' } };

const version: Parameter = {
  name: 'version',
  description: 'Only if the node has this version, else BAD_VERSION (409).',
  schema: { type: 'integer', minimum: 0 },
};

const STAT = { 'application/json': ref('NodeStat') };

const read = (id: string, summary: string): Operation => ({
  id,
  tag: 'tree',
  summary,
  description:
    'With watch: server-sent events "changes", one a revision, with {revision, events}; "refused" with an Error when it ' +
    'ends. A beginning that is not kept any more is COMPACTED (410): read the node, and watch from its revision + 1.',
  parameters: [
    { name: 'children', description: "With the names of the node's children.", schema: FLAG },
    {
      name: 'watch',
      description:
        'In place of the node, what happens from now on: to it (data), that it and its children come and go ' +
        "(children), or all of it and below it (recursive; of the root, of users' nodes).",
      schema: { enum: ['data', 'children', 'recursive'] },
    },
    { name: 'from', description: 'The first revision that is watched.', schema: { type: 'integer', minimum: 1 } },
    { name: 'last-event-id', from: 'header', description: 'Go on behind this revision.', schema: TEXT },
  ],
  responses: {
    200: {
      description: 'The node, or the stream of its changes.',
      content: { 'application/json': ref('Node'), 'text/event-stream': TEXT },
    },
  },
});

/** The namespace over HTTP. Ephemeral nodes need a session, which HTTP does not have: they are made over gRPC. */
export const routesTree: readonly Route[] = [
  { method: 'GET', path: '/v1/tree', handle: getNode, operation: read('getRoot', 'The root of the namespace') },
  { method: 'GET', path: '/v1/tree/{+path}', handle: getNode, operation: read('getNode', 'Read or watch a node') },
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
      ],
      request: DATA,
      responses: { 201: { description: 'It is there. Location names it.', content: STAT } },
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
      responses: {
        200: { description: 'It was there, and has this data now.', content: STAT },
        201: { description: 'It was created.', content: STAT },
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
];
