import { revision } from '@weir/base/ids.ts';
import type { GatewayRecord, NamespaceChange } from './node.ts';
import { ROOT } from '@weir/base/tree-path.ts';

/** Where the namespace is kept. */
export const NAMESPACE_KEYS = {
  /** By the session's id, which only its client knows. */
  clientSessions: '/client-sessions/',
  /** By the node's path. */
  nodes: '/nodes/',
  /** How many children each node ever had, by its path. */
  creations: '/node-creations/',
} as const;

/** The key that a change writes. */
export function namespaceKeyOf(change: NamespaceChange): string {
  switch (change.kind) {
    case 'clientSessionBegan':
      return `${NAMESPACE_KEYS.clientSessions}${change.session.id}`;
    case 'clientSessionEnded':
      return `${NAMESPACE_KEYS.clientSessions}${change.sessionId}`;
    case 'node':
      return NAMESPACE_KEYS.nodes + change.node.path.slice(1);
    case 'nodeGone':
    case 'staleNode':
      return NAMESPACE_KEYS.nodes + change.path.slice(1);
    case 'nodeCreations':
      return NAMESPACE_KEYS.creations + change.path.slice(1);
  }
}

/** What a change puts under its key, less the format version; undefined when it deletes it. */
export function namespaceValueOf(change: NamespaceChange): object | undefined {
  switch (change.kind) {
    case 'clientSessionBegan': {
      const { name, gateway } = change.session;
      return { name, ...(gateway === undefined ? {} : { gateway }) };
    }
    case 'node': {
      const { data, version, created, owner } = change.node;
      return { ...storedData(data), version, ...(created === undefined ? {} : { created }), ...(owner && { owner }) };
    }
    case 'nodeCreations':
      return change.count === 0 ? undefined : { count: change.count };
    case 'clientSessionEnded':
    case 'nodeGone':
    case 'staleNode':
      return undefined;
  }
}

/** The change that wrote a key; undefined when the key is none of the namespace's. */
export function namespaceChangeOf(key: string, stored: () => object): NamespaceChange | undefined {
  if (key.startsWith(NAMESPACE_KEYS.clientSessions)) {
    const { name, gateway } = stored() as { name: string; gateway?: GatewayRecord };
    const id = key.slice(NAMESPACE_KEYS.clientSessions.length);
    return { kind: 'clientSessionBegan', session: { id, name, gateway } };
  }
  if (key.startsWith(NAMESPACE_KEYS.nodes)) {
    const value = stored() as StoredNode;
    const created = value.created === undefined ? undefined : revision(value.created);
    const path = ROOT + key.slice(NAMESPACE_KEYS.nodes.length);
    const { version, owner } = value;
    return { kind: 'node', node: { path, data: dataOf(value), version, created, owner } };
  }
  if (key.startsWith(NAMESPACE_KEYS.creations)) {
    const { count } = stored() as { count: number };
    return { kind: 'nodeCreations', path: ROOT + key.slice(NAMESPACE_KEYS.creations.length), count };
  }
  return undefined;
}

interface StoredNode {
  readonly text?: string;
  readonly base64?: string;
  readonly version: number;
  /** Absent: the revision at which this was written. */
  readonly created?: number;
  readonly owner?: string;
}

/** As text where that is UTF-8 and no longer than base64, so that a person can read a store. */
function storedData(data: Uint8Array): Pick<StoredNode, 'text' | 'base64'> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const base64 = bytes.toString('base64');
  const text = bytes.toString('utf8');
  const isText = Buffer.byteLength(JSON.stringify(text)) <= base64.length + 2 && Buffer.from(text).equals(bytes);
  return isText ? { text } : { base64 };
}

function dataOf({ text, base64 = '' }: StoredNode): Uint8Array {
  return text === undefined ? Buffer.from(base64, 'base64') : Buffer.from(text);
}
