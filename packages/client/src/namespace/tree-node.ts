import type { Node, NodeEvent as NodeEventMessage } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { NodeEventKind } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';

/** What is known of a node besides its data. */
export interface NodeStat {
  /** In its one spelling, each component percent-encoded. */
  readonly path: string;
  /** Grows from one holder of the path to the next: a fencing token. 0 for nodes that the store has no key of. */
  readonly createRevision: number;
  /** Of the last write of its data. */
  readonly modRevision: number;
  /** Counts the writes of its data since it was created, from 0. */
  readonly version: number;
  /** Counts the children that came and went. */
  readonly childrenVersion: number;
  readonly childCount: number;
  /** `owner` of the session that it ends with; 0 for a persistent node. */
  readonly ephemeralOwner: number;
}

/** A node. */
export interface TreeNode extends NodeStat {
  readonly data: Uint8Array;
}

/** One change of one node. */
export type TreeEvent =
  | { readonly kind: 'created' | 'changed'; readonly path: string; readonly node: TreeNode }
  | { readonly kind: 'deleted'; readonly path: string };

/** A message as a node. Revisions are numbers: 2^53 of them are centuries of transactions. */
export function nodeOf(message: Node): TreeNode {
  return {
    path: message.path,
    data: message.data,
    createRevision: Number(message.createRevision),
    modRevision: Number(message.modRevision),
    version: message.version,
    childrenVersion: Number(message.childrenVersion),
    childCount: message.childCount,
    ephemeralOwner: Number(message.ephemeralOwner),
  };
}

/** A message as an event; undefined for a kind that a newer coordinator knows and we do not. */
export function eventOf({ kind, path, node }: NodeEventMessage): TreeEvent | undefined {
  switch (kind) {
    case NodeEventKind.CREATED:
    case NodeEventKind.CHANGED:
      if (node === undefined) return undefined;
      return { kind: kind === NodeEventKind.CREATED ? 'created' : 'changed', path, node: nodeOf(node) };
    case NodeEventKind.DELETED:
      return { kind: 'deleted', path };
    case NodeEventKind.UNSPECIFIED:
      return undefined;
    default:
      return undefined;
  }
}
