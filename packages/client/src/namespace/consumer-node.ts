import { ConsumerEventKind } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type { ConsumerEvent, ConsumerNode, ConsumerRevision } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type { TreeEvent, TreeNode } from './tree-node.ts';

/** A place in the log of a partition of `__consumer_offsets`. */
export interface LogRevision {
  readonly leaderEpoch: number;
  readonly revision: number;
}

/** A message as a node. What only stored nodes have is 0. */
export function consumerNodeOf({ path, data, modRevision, childCount }: ConsumerNode): TreeNode {
  const never = { createRevision: 0, version: 0, childrenVersion: 0, ephemeralOwner: 0 };
  return { path, data, ...never, modRevision: Number(modRevision), childCount };
}

/** A message as an event; undefined for a kind that a newer broker knows and we do not. */
export function consumerEventOf({ kind, path, node }: ConsumerEvent): TreeEvent | undefined {
  switch (kind) {
    case ConsumerEventKind.CREATED:
    case ConsumerEventKind.CHANGED:
      if (node === undefined) return undefined;
      return { kind: kind === ConsumerEventKind.CREATED ? 'created' : 'changed', path, node: consumerNodeOf(node) };
    case ConsumerEventKind.DELETED:
      return { kind: 'deleted', path };
    case ConsumerEventKind.UNSPECIFIED:
      return undefined;
    default:
      return undefined;
  }
}

/** A message as a place; 0 where there is none. */
export function logRevisionOf(at: ConsumerRevision | undefined): LogRevision {
  return { leaderEpoch: at?.leaderEpoch ?? -1, revision: Number(at?.revision ?? 0) };
}
