import type { MessageInitShape } from '@bufbuild/protobuf';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { isWithin, parsePath } from '@weir/base/tree-path.ts';
import type { ConsumerNodeSchema, ConsumerRevisionSchema } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type { GroupError } from '../group/group-error.ts';
import type { GroupShard } from '../group/group-shard.ts';
import type { ConsumerNode } from '../group/tree/consumer-node.ts';
import { CONSUMERS, pathOf, placeAt } from '../group/tree/consumer-place.ts';
import { outcomeOf } from './group-answer.ts';

/** A node's path in its one spelling, and the group that it is about: none of /consumers itself. */
export interface AskedPath {
  readonly path: string;
  readonly group: string | undefined;
}

/** Reads a path, or why it cannot be one of ours. */
export function askedPath(text: string): AskedPath | Refusal {
  const parsed = parsePath(text);
  if (!parsed.ok) return parsed.refusal;
  const { path } = parsed;
  if (!isWithin(path, CONSUMERS)) {
    return refusal('INVALID_REQUEST', `brokers answer for ${CONSUMERS}; ask the coordinator for ${path}`);
  }
  const [, , encoded] = path.split('/');
  const place = placeAt(path);
  return {
    path: place === undefined ? path : pathOf(place),
    group: encoded === undefined ? undefined : decodeURIComponent(encoded),
  };
}

/** Why a broker does not answer for some groups. */
export function shardRefusal(error: GroupError): Refusal {
  return refusal(error, outcomeOf(error).message);
}

/** Where a log is, as a message. */
export function atOf(
  { epoch, tree }: GroupShard,
  revision: number = tree.revision,
): MessageInitShape<typeof ConsumerRevisionSchema> {
  return { leaderEpoch: epoch, revision: BigInt(revision) };
}

/** A node as a message. */
export function nodeMessage(
  { path, modRevision, childCount, data }: ConsumerNode,
  { withData }: { readonly withData: boolean },
): MessageInitShape<typeof ConsumerNodeSchema> {
  const bytes = withData ? { data: data() as Uint8Array<ArrayBuffer> } : {};
  return { path, ...bytes, modRevision: BigInt(modRevision), childCount };
}
