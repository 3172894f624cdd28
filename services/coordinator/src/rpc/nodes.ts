import { create } from '@bufbuild/protobuf';
import { refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { CHILDREN_PAGE_MAX } from '@weir/base/limits.ts';
import {
  GetNodeResponseSchema,
  ListChildrenResponseSchema,
  WriteNodesResponseSchema,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type {
  GetNodeRequest,
  GetNodeResponse,
  ListChildrenRequest,
  ListChildrenResponse,
  NodeOperation as NodeOperationMessage,
  WriteNodesRequest,
  WriteNodesResponse,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { CommandResult } from '../controller/controller.ts';
import type { NodeOperation } from '../namespace/write-nodes.ts';
import type { NamespaceHost } from '../namespace-host.ts';
import { nodeMessage } from './node-messages.ts';

/** Answers GetNode. @throws WeirError */
export function getNode(namespace: NamespaceHost, { path, statOnly }: GetNodeRequest): GetNodeResponse {
  const found = namespace.read(path);
  if ('code' in found) throw new WeirError(found.code, found.message);
  const { revision, node } = found;
  return create(GetNodeResponseSchema, {
    revision: BigInt(revision),
    ...(node === undefined ? {} : { node: nodeMessage(node, { withData: !statOnly }) }),
  });
}

/** Answers ListChildren. @throws WeirError */
export function listChildren(
  namespace: NamespaceHost,
  { path, after, limit }: ListChildrenRequest,
): ListChildrenResponse {
  const most = limit === 0 ? CHILDREN_PAGE_MAX : Math.min(limit, CHILDREN_PAGE_MAX);
  const found = namespace.readChildren(path, { after, limit: most });
  if ('code' in found) throw new WeirError(found.code, found.message);
  const { revision, node, names, more } = found;
  return create(ListChildrenResponseSchema, {
    revision: BigInt(revision),
    names: [...names],
    more,
    node: nodeMessage(node, { withData: false }),
  });
}

/** Answers WriteNodes. Rejects with a WeirError when it was not even considered. */
export function writeNodes(namespace: NamespaceHost, request: WriteNodesRequest): Promise<WriteNodesResponse> {
  return new Promise((resolve, reject) => {
    const operations: NodeOperation[] = [];
    for (const [index, message] of request.operations.entries()) {
      const operation = operationOf(message);
      if (operation === undefined) {
        return resolve(
          refusedMessage(index, refusal('INVALID_REQUEST', 'this coordinator does not know the operation')),
        );
      }
      operations.push(operation);
    }
    const sessionId = request.sessionId === '' ? undefined : request.sessionId;
    namespace.write(operations, sessionId, (result) => {
      if (result.kind === 'refused') reject(new WeirError(result.refusal.code, result.refusal.message));
      else resolve(writtenMessage(result));
    });
  });
}

function operationOf({ operation }: NodeOperationMessage): NodeOperation | undefined {
  switch (operation.case) {
    case 'create': {
      const { path, data, ephemeral, sequential } = operation.value;
      return { kind: 'create', path, data: ownCopy(data), ephemeral, sequential };
    }
    case 'set': {
      const { path, data, version } = operation.value;
      return { kind: 'set', path, data: ownCopy(data), version };
    }
    case 'delete':
      return { kind: 'delete', path: operation.value.path, version: operation.value.version };
    case 'check':
      return { kind: 'check', path: operation.value.path, version: operation.value.version };
    case undefined:
      return undefined;
  }
}

/** What was decoded refers to the whole message, which would stay as long as the node. */
function ownCopy(data: Uint8Array): Uint8Array {
  return data.slice();
}

function writtenMessage(result: CommandResult): WriteNodesResponse {
  if (result.kind === 'nodesRefused') return refusedMessage(result.index ?? -1, result.refusal);
  const { revision, nodes } = result as Extract<CommandResult, { kind: 'nodesWritten' }>;
  return create(WriteNodesResponseSchema, {
    code: 'NONE',
    refusedOperation: -1,
    revision: BigInt(revision),
    nodes: nodes.map(({ path, node }) => ({
      path,
      ...(node === undefined ? {} : { node: nodeMessage(node, { withData: false }) }),
    })),
  });
}

function refusedMessage(refusedOperation: number, { code, message }: Refusal): WriteNodesResponse {
  return create(WriteNodesResponseSchema, { code, message, refusedOperation });
}
