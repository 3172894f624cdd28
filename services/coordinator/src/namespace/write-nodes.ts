import { refusal } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import {
  EPHEMERAL_NODES_PER_SESSION_MAX,
  NAMESPACE_BYTES_MAX,
  NAMESPACE_NODES_MAX,
  NODE_DATA_BYTES_MAX,
  NODE_OPERATIONS_MAX,
  NODE_PATH_BYTES_MAX,
} from '@weir/base/limits.ts';
import { Draft } from './draft.ts';
import type { Namespace } from './namespace.ts';
import type { NamespaceChange } from './node.ts';
import { parentOf, parsePath, ROOT } from '@weir/base/tree-path.ts';
import { systemWriteRefusal } from './system-roots.ts';

/** One step of a write. A version that is given must be the node's. */
export type NodeOperation =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly data: Uint8Array;
      /** It ends with the session that the write names. */
      readonly ephemeral: boolean;
      /** The parent's next number is put behind the path's last component, which may be empty. */
      readonly sequential: boolean;
    }
  | { readonly kind: 'set'; readonly path: string; readonly data: Uint8Array; readonly version: number | undefined }
  | { readonly kind: 'delete'; readonly path: string; readonly version: number | undefined }
  /** Changes nothing: the rest is done only if the node is there with this version. */
  | { readonly kind: 'check'; readonly path: string; readonly version: number | undefined };

/** What a write comes to. */
export type WriteDecision =
  /** `index`: of the operation that cannot be done, for which reason none is; undefined when it is all of them together. */
  | { readonly kind: 'refused'; readonly index: number | undefined; readonly refusal: Refusal }
  /** `paths`: of each operation's node. */
  | { readonly kind: 'accepted'; readonly changes: NamespaceChange[]; readonly paths: readonly string[] };

/** Digits of a sequential node's number: ZooKeeper's. */
const SEQUENCE_DIGITS = 10;
const SEQUENCE_MAX = 10 ** SEQUENCE_DIGITS - 1;

/**
 * Decides on operations that are done together or not at all, each seeing what those before it did.
 *
 * @param sessionId - the session that ephemeral nodes belong to; it need not live
 */
export function decideWrite(
  namespace: Namespace,
  operations: readonly NodeOperation[],
  sessionId: string | undefined,
): WriteDecision {
  if (operations.length > NODE_OPERATIONS_MAX) {
    const message = `a write has at most ${NODE_OPERATIONS_MAX} operations, not ${operations.length}`;
    return { kind: 'refused', index: undefined, refusal: refusal('INVALID_REQUEST', message) };
  }
  if (sessionId !== undefined && !namespace.sessions.has(sessionId)) {
    const message = 'the session has ended: open a new one, and create its nodes again';
    return { kind: 'refused', index: undefined, refusal: refusal('SESSION_EXPIRED', message) };
  }
  const draft = new Draft(namespace);
  const paths: string[] = [];
  let created = 0;
  let ephemeral = 0;
  for (const [index, operation] of operations.entries()) {
    const done = apply(draft, operation, sessionId);
    if (typeof done !== 'string') return { kind: 'refused', index, refusal: done };
    paths.push(done);
    if (operation.kind !== 'create') continue;
    created++;
    if (operation.ephemeral) ephemeral++;
  }
  const full = limitRefusal(namespace, { draft, created, ephemeral, sessionId });
  if (full !== undefined) return { kind: 'refused', index: undefined, refusal: full };
  return { kind: 'accepted', changes: draft.changes(), paths };
}

/** The path of the node, or why it cannot be done. */
function apply(draft: Draft, operation: NodeOperation, sessionId: string | undefined): string | Refusal {
  const prefix = operation.kind === 'create' && operation.sequential;
  const parsed = parsePath(operation.path, { prefix });
  if (!parsed.ok) return parsed.refusal;
  const { path } = parsed;
  const system = systemWriteRefusal(path, operation.kind);
  if (system !== undefined) return system;
  switch (operation.kind) {
    case 'create':
      return create(draft, path, operation, sessionId);
    case 'set': {
      if (path === ROOT) return refused('INVALID_PATH', 'the root has no data of its own: set that of a node below it');
      const refusedFor = dataRefusal(operation.data) ?? versionRefusal(draft, path, operation.version);
      if (refusedFor !== undefined) return refusedFor;
      draft.set(path, operation.data);
      return path;
    }
    case 'delete': {
      if (path === ROOT) return refused('INVALID_PATH', 'the root is always there and cannot be deleted');
      const refusedFor = versionRefusal(draft, path, operation.version);
      if (refusedFor !== undefined) return refusedFor;
      const count = draft.childCount(path);
      if (count > 0) return refused('NODE_NOT_EMPTY', `${path} has ${count} children: delete them first`);
      draft.delete(path);
      return path;
    }
    case 'check':
      return versionRefusal(draft, path, operation.version) ?? path;
  }
}

function create(
  draft: Draft,
  asked: string,
  { data, ephemeral, sequential }: Extract<NodeOperation, { kind: 'create' }>,
  sessionId: string | undefined,
): string | Refusal {
  const parent = parentOf(asked);
  const parentNode = draft.node(parent);
  if (parent !== ROOT && parentNode === undefined) {
    return refused('NODE_NOT_FOUND', `${parent} is not there: create it before its children`);
  }
  if (parentNode?.owner !== undefined) {
    return refused('NO_CHILDREN_FOR_EPHEMERALS', `${parent} is ephemeral, and ephemeral nodes have no children`);
  }
  const tooLarge = dataRefusal(data);
  if (tooLarge !== undefined) return tooLarge;
  if (ephemeral && sessionId === undefined) {
    return refused('INVALID_REQUEST', 'an ephemeral node needs a session: open one, and name it in the request');
  }
  const number = draft.creations(parent);
  if (sequential && number > SEQUENCE_MAX) {
    return refused('POLICY_VIOLATION', `${parent} has had as many children as there are numbers for sequential ones`);
  }
  const path = sequential ? `${asked}${String(number).padStart(SEQUENCE_DIGITS, '0')}` : asked;
  if (path.length > NODE_PATH_BYTES_MAX) {
    return refused(
      'INVALID_PATH',
      `with its number the path has ${path.length} bytes, and ${NODE_PATH_BYTES_MAX} at most`,
    );
  }
  if (path === ROOT || draft.node(path) !== undefined) return refused('NODE_EXISTS', `${path} is there already`);
  draft.create({ path, data, version: 0, created: undefined, owner: ephemeral ? sessionId : undefined });
  return path;
}

function versionRefusal(draft: Draft, path: string, version: number | undefined): Refusal | undefined {
  if (path === ROOT) return undefined;
  const node = draft.node(path);
  if (node === undefined) return refusal('NODE_NOT_FOUND', `${path} is not there`);
  if (version === undefined || version === node.version) return undefined;
  const message = `${path} has version ${node.version}, not ${version}: somebody changed it, read it again`;
  return refusal('BAD_VERSION', message);
}

function dataRefusal(data: Uint8Array): Refusal | undefined {
  if (data.length <= NODE_DATA_BYTES_MAX) return undefined;
  const message = `a node's data has at most ${NODE_DATA_BYTES_MAX} bytes, not ${data.length}: keep more in a topic`;
  return refusal('MESSAGE_TOO_LARGE', message);
}

function limitRefusal(
  namespace: Namespace,
  {
    draft,
    created,
    ephemeral,
    sessionId,
  }: {
    readonly draft: Draft;
    readonly created: number;
    readonly ephemeral: number;
    readonly sessionId: string | undefined;
  },
): Refusal | undefined {
  if (created > 0 && namespace.size + created > NAMESPACE_NODES_MAX) {
    return refusal('POLICY_VIOLATION', `the namespace has at most ${NAMESPACE_NODES_MAX} nodes: delete some first`);
  }
  if (draft.bytes > 0 && namespace.bytes + draft.bytes > NAMESPACE_BYTES_MAX) {
    const message = `the namespace has at most ${NAMESPACE_BYTES_MAX} bytes of data: delete some first`;
    return refusal('POLICY_VIOLATION', message);
  }
  if (sessionId === undefined || ephemeral === 0) return undefined;
  if (namespace.nodesOf(sessionId) + ephemeral <= EPHEMERAL_NODES_PER_SESSION_MAX) return undefined;
  const message = `a session has at most ${EPHEMERAL_NODES_PER_SESSION_MAX} ephemeral nodes: open another one`;
  return refusal('POLICY_VIOLATION', message);
}

function refused(code: ErrorCode, message: string): Refusal {
  return refusal(code, message);
}
