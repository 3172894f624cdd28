import type { Revision } from '@weir/base/ids.ts';

/** A node as it is stored. Its data is never changed in place. */
export interface NodeRecord {
  readonly path: string;
  readonly data: Uint8Array;
  /** Counts the writes of its data since it was created, from 0. */
  readonly version: number;
  /** The revision that created it; undefined for the write that does. */
  readonly created: Revision | undefined;
  /** The client session that it ends with; undefined for a persistent node. */
  readonly owner: string | undefined;
}

/** A client's session, written under its id, which only the client knows. Its revision is what others see of it. */
export interface ClientSessionRecord {
  readonly id: string;
  /** What the client calls itself. */
  readonly name: string;
  /** Set for a gateway's. */
  readonly gateway: GatewayRecord | undefined;
}

/** A gateway, as it announces itself with its session. */
export interface GatewayRecord {
  readonly id: string;
  /** host:port where it is reached over HTTP. */
  readonly httpAddress: string;
}

/** One key's new contents. */
export type NamespaceChange =
  | { readonly kind: 'clientSessionBegan'; readonly session: ClientSessionRecord }
  /** Its nodes read as absent from then on. */
  | { readonly kind: 'clientSessionEnded'; readonly sessionId: string }
  | { readonly kind: 'node'; readonly node: NodeRecord }
  | { readonly kind: 'nodeGone'; readonly path: string }
  /** How many children a node ever had; 0 removes the key with its node. */
  | { readonly kind: 'nodeCreations'; readonly path: string; readonly count: number }
  /** Removes a node that reads as absent already, since its session has ended. */
  | { readonly kind: 'staleNode'; readonly path: string };

/** What is known of a node besides its data. */
export interface NodeStat {
  /** Grows from one holder of a path to the next: a fencing token. */
  readonly createRevision: number;
  /** Of the last write of its data. */
  readonly modRevision: number;
  /** Counts the writes of its data since it was created, from 0. */
  readonly version: number;
  /** Counts the children that came and went. */
  readonly childrenVersion: number;
  readonly childCount: number;
  /** The revision of the session that it ends with; 0 for a persistent node. */
  readonly ephemeralOwner: number;
}

/** A node as it was at one revision. */
export interface NodeView {
  readonly path: string;
  readonly stat: NodeStat;
  /** Made when asked for: of the nodes that show the cluster's metadata most are never read. */
  readonly data: () => Uint8Array;
}

/** One change of one node. */
export type NodeEvent =
  | { readonly kind: 'created' | 'changed'; readonly path: string; readonly node: NodeView }
  | { readonly kind: 'deleted'; readonly path: string };

/** Whether a change is one of the namespace's. */
export function isNamespaceChange(change: { readonly kind: string }): change is NamespaceChange {
  return NAMESPACE_KINDS.has(change.kind);
}

const NAMESPACE_KINDS: ReadonlySet<string> = new Set(
  Object.keys({
    clientSessionBegan: true,
    clientSessionEnded: true,
    node: true,
    nodeGone: true,
    nodeCreations: true,
    staleNode: true,
  } satisfies Record<NamespaceChange['kind'], true>),
);
