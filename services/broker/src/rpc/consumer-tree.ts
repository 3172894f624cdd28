import { create } from '@bufbuild/protobuf';
import type { Clock } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import { CONSUMER_TREE_PAGE_BYTES } from '@weir/base/group-limits.ts';
import { CHILDREN_PAGE_MAX } from '@weir/base/limits.ts';
import { onCall, onStream } from '@weir/base/transport.ts';
import type { Handler } from '@weir/base/transport.ts';
import {
  ConsumerTreeService,
  GetConsumerNodeResponseSchema,
  ListConsumerNodesResponseSchema,
} from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type {
  GetConsumerNodeRequest,
  GetConsumerNodeResponse,
  ListConsumerNodesRequest,
  ListConsumerNodesResponse,
} from '@weir/proto/weir/broker/v1/consumers_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import type { GroupError } from '../group/group-error.ts';
import { GroupShard } from '../group/group-shard.ts';
import { CONSUMERS } from '../group/tree/consumer-place.ts';
import { askedPath, atOf, nodeMessage, shardRefusal } from './consumer-messages.ts';
import type { AskedPath } from './consumer-messages.ts';
import { acceptConsumerWatches } from './consumer-watch-stream.ts';
import type { ConsumerWatchStreams } from './consumer-watch-stream.ts';

/** What they need. */
export interface ConsumerTreeParts {
  readonly groups: GroupCoordinator;
  readonly clock: Clock;
  readonly consumerWatches: ConsumerWatchStreams;
}

/** The calls about /consumers: what the groups that this broker coordinates are, as nodes. */
export function consumerTreeHandlers(parts: ConsumerTreeParts): Handler[] {
  const { groups } = parts;
  const { method } = ConsumerTreeService;
  return [
    onCall(protobufMethod(method.getConsumerNode), async (request) => getNode(groups, request)),
    onCall(protobufMethod(method.listConsumerNodes), async (request) => listNodes(groups, request)),
    onStream(protobufMethod(method.watchConsumers), (stream) => acceptConsumerWatches(parts, stream)),
  ];
}

/** @throws WeirError */
function getNode(groups: GroupCoordinator, { path: text, statOnly }: GetConsumerNodeRequest): GetConsumerNodeResponse {
  const { path, group } = pathOrThrow(text);
  if (group === undefined) throw new WeirError('INVALID_REQUEST', `${path} is of all brokers: list its children`);
  const shard = shardOrThrow(groups.shardOf(group));
  const node = shard.tree.node(path);
  return create(GetConsumerNodeResponseSchema, {
    at: atOf(shard),
    ...(node === undefined ? {} : { node: nodeMessage(node, { withData: !statOnly }) }),
  });
}

/** @throws WeirError */
function listNodes(groups: GroupCoordinator, request: ListConsumerNodesRequest): ListConsumerNodesResponse {
  const { path, group } = pathOrThrow(request.path);
  if (group === undefined) return listGroups(groups, request);
  const shard = shardOrThrow(groups.shardOf(group));
  const node = shard.tree.node(path);
  const page = node === undefined ? { names: [], more: false } : pageOf(shard.tree.childNames(path), request);
  return create(ListConsumerNodesResponseSchema, {
    at: atOf(shard),
    ...page,
    ...(node === undefined ? {} : { node: nodeMessage(node, { withData: false }) }),
  });
}

function listGroups(groups: GroupCoordinator, request: ListConsumerNodesRequest): ListConsumerNodesResponse {
  const names: string[] = [];
  for (const partition of new Set(request.partitions)) {
    names.push(...shardOrThrow(groups.shardAt(partition)).tree.groupNames());
  }
  const node = { path: CONSUMERS, childCount: names.length };
  return create(ListConsumerNodesResponseSchema, { ...pageOf(names, request), node });
}

/** Names in byte order, as many as an answer has. */
function pageOf(
  names: readonly string[],
  { after, limit }: Pick<ListConsumerNodesRequest, 'after' | 'limit'>,
): { names: string[]; more: boolean } {
  const most = limit === 0 ? CHILDREN_PAGE_MAX : Math.min(limit, CHILDREN_PAGE_MAX);
  const behind = names.filter((name) => name > after).toSorted();
  const page: string[] = [];
  let bytes = 0;
  for (const name of behind) {
    bytes += name.length;
    if (page.length >= most || (page.length > 0 && bytes > CONSUMER_TREE_PAGE_BYTES)) break;
    page.push(name);
  }
  return { names: page, more: page.length < behind.length };
}

function pathOrThrow(text: string): AskedPath {
  const asked = askedPath(text);
  if ('code' in asked) throw new WeirError(asked.code, asked.message);
  return asked;
}

function shardOrThrow(shard: GroupShard | GroupError): GroupShard {
  if (shard instanceof GroupShard) return shard;
  const { code, message } = shardRefusal(shard);
  throw new WeirError(code, message);
}
