import { WeirError } from '@weir/base/errors.ts';
import { NODE_DATA_BYTES_MAX } from '@weir/base/limits.ts';
import { nodeJson, statJson } from '@weir/client/namespace/node-json.ts';
import { revisionJson } from '@weir/client/namespace/revision-text.ts';
import type { NodeStat } from '@weir/client/namespace/tree-node.ts';
import type { GatewayContext } from '../context.ts';
import { emptyReply, jsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';
import { sessionOf } from './sessions.ts';
import { startOf, watchTree } from '../stream/tree-watch.ts';

/** Versions are 32-bit numbers. */
const VERSIONS = { min: 0, max: 0xffff_ffff };
/** A node that comes and goes between the two halves of a PUT is put at the latest then. */
const PUT_TRIES = 10;

/** GET /v1/tree/{+path}: the node; with its children; or, as server-sent events, what happens to it. */
export async function getNode(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const { query } = request;
  query.allow(['children', 'watch', 'from']);
  const path = pathOf(request);
  const withChildren = query.choice('children', ['true', 'false']) === 'true';
  const watch = query.choice('watch', ['data', 'children', 'recursive']);
  if (watch !== undefined) return watchTree(context, request, { path, kind: watch });
  // What is no revision is told without a watch as well.
  startOf(request);
  if (query.text('from') !== undefined) throw new HttpFailure('INVALID_REQUEST', 'from goes with watch');
  const { namespace } = context.client;
  const { revision, leaderEpoch, node } = await namespace.get(path);
  const at = revisionJson(revision, leaderEpoch === undefined ? undefined : { leaderEpoch });
  if (!withChildren) return jsonReply(200, { ...at, ...nodeJson(node) });
  const { names } = await namespace.children(path);
  return jsonReply(200, { ...at, ...nodeJson(node), children: names });
}

/** POST /v1/tree/{+path}: creates the node; the body is its data. */
export async function createNode(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow(['sequential', 'ephemeral']);
  const sequential = request.query.choice('sequential', ['true', 'false']) === 'true';
  const isEphemeral = request.query.choice('ephemeral', ['true', 'false']) === 'true';
  const session = isEphemeral ? sessionOf(request) : undefined;
  if (isEphemeral && session === undefined) {
    const message =
      'an ephemeral node goes with a session: open one with POST /v1/sessions, and name it in Weir-Session';
    throw new HttpFailure('INVALID_REQUEST', message);
  }
  const options = { sequential, ...(session === undefined ? {} : { session }) };
  return created(await context.client.namespace.create(pathOf(request), dataOf(request), options));
}

/** PUT /v1/tree/{+path}: the node has the body as its data from now on, whether it was there before or not. */
export async function putNode(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow(['version']);
  const version = request.query.integer('version', VERSIONS);
  const path = pathOf(request);
  const data = dataOf(request);
  const { namespace } = context.client;
  for (let tries = 0; tries < PUT_TRIES; tries++) {
    try {
      return jsonReply(200, statJson(await namespace.set(path, data, version === undefined ? {} : { version })));
    } catch (error) {
      if (version !== undefined || !isRefused(error, 'NODE_NOT_FOUND')) throw error;
    }
    try {
      return created(await namespace.create(path, data));
    } catch (error) {
      if (!isRefused(error, 'NODE_EXISTS')) throw error;
    }
  }
  throw new HttpFailure('OVERLOADED', `${path} comes and goes faster than it can be put: try again`);
}

/** DELETE /v1/tree/{+path} */
export async function deleteNode(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow(['version']);
  const version = request.query.integer('version', VERSIONS);
  await context.client.namespace.delete(pathOf(request), version === undefined ? {} : { version });
  return emptyReply(204);
}

/** As it was sent, percent-encoded. */
function pathOf({ params }: GatewayRequest): string {
  return `/${params['path'] ?? ''}`;
}

function dataOf({ body }: GatewayRequest): Uint8Array {
  if (body.length <= NODE_DATA_BYTES_MAX) return body;
  const message = `a node's data has at most ${NODE_DATA_BYTES_MAX} bytes, not ${body.length}: keep more in a topic`;
  throw new HttpFailure('MESSAGE_TOO_LARGE', message);
}

function created(node: NodeStat): GatewayReply {
  return jsonReply(201, statJson(node), { location: `/v1/tree${node.path}` });
}

function isRefused(error: unknown, code: string): boolean {
  return error instanceof WeirError && error.code === code;
}
