import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Revision } from '@weir/base/ids.ts';
import { CLIENT_SESSIONS_MAX, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import type { Namespace } from './namespace.ts';
import type { ClientSessionRecord, NamespaceChange, NodeView } from './node.ts';
import { decideWrite } from './write-nodes.ts';
import type { NodeOperation } from './write-nodes.ts';

/** Begins a client's session. */
export interface BeginClientSession {
  readonly kind: 'beginClientSession';
  readonly session: ClientSessionRecord;
}

/**
 * Ends sessions: of each one key is deleted, with which all its nodes read as absent. Those that end at the same moment share
 * transactions.
 */
export interface EndClientSessions {
  readonly kind: 'endClientSessions';
  readonly sessionIds: readonly string[];
}

/** Does all of some operations or none. */
export interface WriteNodes {
  readonly kind: 'writeNodes';
  readonly operations: readonly NodeOperation[];
  /** Whose the ephemeral nodes among them are. */
  readonly sessionId: string | undefined;
}

/** Removes from the store what it still has of nodes whose session has ended, as much as one transaction takes. */
export interface SweepNodes {
  readonly kind: 'sweepNodes';
}

/** What became of the nodes of a write, in the order of its operations. */
export type WriteResult =
  | { readonly kind: 'nodesRefused'; readonly index: number | undefined; readonly refusal: Refusal }
  | {
      readonly kind: 'nodesWritten';
      readonly revision: Revision;
      readonly nodes: readonly { readonly path: string; readonly node: NodeView | undefined }[];
    };

/** What the commands see of the cluster's image. */
export interface NamespaceImage {
  readonly namespace: Namespace;
  readonly revision: Revision;
}

/** The namespace's commands. */
export type NamespaceCommand = BeginClientSession | EndClientSessions | WriteNodes | SweepNodes;

/** The steps of beginning a session; why it cannot begin, if so. */
export function* beginClientSession(
  { namespace }: NamespaceImage,
  { session }: BeginClientSession,
): Generator<NamespaceChange[], Refusal | undefined, void> {
  if (namespace.sessions.size >= CLIENT_SESSIONS_MAX) {
    const message = `the coordinator has ${CLIENT_SESSIONS_MAX} client sessions, which is the most it takes`;
    return refusal('THROTTLING_QUOTA_EXCEEDED', message);
  }
  yield [{ kind: 'clientSessionBegan', session }];
  return undefined;
}

/** The steps of ending sessions. One that has ended already is fine. */
export function* endClientSessions(
  { namespace }: NamespaceImage,
  { sessionIds }: EndClientSessions,
): Generator<NamespaceChange[], void, void> {
  const living = sessionIds.filter((sessionId) => namespace.sessions.has(sessionId));
  yield living.map((sessionId): NamespaceChange => ({ kind: 'clientSessionEnded', sessionId }));
}

/**
 * The steps of a write.
 *
 * @param fits - whether changes are written in one transaction: what would take two is refused
 */
export function* writeNodes(
  image: NamespaceImage,
  { operations, sessionId }: WriteNodes,
  fits: (changes: readonly NamespaceChange[]) => boolean,
): Generator<NamespaceChange[], WriteResult, void> {
  const decision = decideWrite(image.namespace, operations, sessionId);
  if (decision.kind === 'refused') return { kind: 'nodesRefused', index: decision.index, refusal: decision.refusal };
  const { changes, paths } = decision;
  if (!fits(changes)) {
    const message = 'the write does not fit one transaction, which takes 127 keys and 1 MiB: split it';
    return { kind: 'nodesRefused', index: undefined, refusal: refusal('MESSAGE_TOO_LARGE', message) };
  }
  yield changes;
  const nodes = paths.map((path) => ({ path, node: image.namespace.get(path) }));
  return { kind: 'nodesWritten', revision: image.revision, nodes };
}

/** The steps of a sweep: one. */
export function* sweepNodes({ namespace }: NamespaceImage): Generator<NamespaceChange[], void, void> {
  const paths = namespace.stale.keys().take(TXN_OPERATIONS_MAX - 1);
  yield paths.map((path): NamespaceChange => ({ kind: 'staleNode', path })).toArray();
}
