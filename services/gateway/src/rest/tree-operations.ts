import { TreeWriteError } from '@weir/client/namespace/namespace-client.ts';
import type { TreeOperation, TreeWritten } from '@weir/client/namespace/namespace-client.ts';
import { statJson } from '@weir/client/namespace/node-json.ts';
import { operationsFromJson } from '@weir/client/namespace/operations-json.ts';
import type { GatewayContext } from '../context.ts';
import { jsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure, invalidBody } from '../http/failure.ts';
import { parseJson } from '../json/body-shape.ts';
import { sessionOf } from './sessions.ts';

/** POST /v1/tree: all of some operations or none, in one transaction. */
export async function writeTree(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  const operations = operationsOf(request.body);
  const session = sessionOf(request);
  const ephemeral = operations.findIndex((operation) => operation.kind === 'create' && operation.ephemeral === true);
  if (ephemeral !== -1 && session === undefined) {
    throw new HttpFailure('INVALID_REQUEST', `operation ${ephemeral} is ephemeral: name a session in Weir-Session`);
  }
  try {
    const options = session === undefined ? {} : { session };
    const { revision, written } = await context.client.namespace.multi(operations, options);
    return jsonReply(200, { revision, nodes: written.map(writtenJson) });
  } catch (error) {
    if (!(error instanceof TreeWriteError) || error.operation === undefined) throw error;
    throw new HttpFailure(error.code, `operation ${error.operation}: ${error.message}`, { operation: error.operation });
  }
}

/** A node after the whole write; of one that is not there any more, its path alone. */
function writtenJson({ path, node }: TreeWritten): object {
  return node === undefined ? { path, deleted: true } : statJson(node);
}

/** @throws HttpFailure MALFORMED_JSON, or INVALID_BODY with all problems */
function operationsOf(body: Buffer): readonly TreeOperation[] {
  const found = operationsFromJson(parseJson(body, 'a JSON array of operations'));
  if ('problems' in found) throw invalidBody(found.problems);
  return found.operations;
}
