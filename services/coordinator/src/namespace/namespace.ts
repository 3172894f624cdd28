import { assert, present } from '@weir/base/assert.ts';
import { revision as asRevision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import type { ClientSessionRecord, NamespaceChange, NodeEvent, NodeRecord, NodeStat, NodeView } from './node.ts';
import { nameOf, parentOf, ROOT } from '@weir/base/tree-path.ts';

/** A client session with the revision that began it, which is what others see of it. */
export type LiveClientSession = ClientSessionRecord & { readonly revision: Revision };

/** A node that is there. */
interface Entry {
  readonly node: NodeRecord;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
}

/** What is below a node. */
interface Children {
  readonly names: Set<string>;
  /** Made when asked for, and again after a change. */
  sorted: readonly string[] | undefined;
}

/** How many children a node ever had, as it is stored. */
interface Creations {
  readonly count: number;
  readonly revision: Revision;
}

const NO_DATA = new Uint8Array(0);

/**
 * The users' nodes and the sessions that ephemeral ones belong to, as of the image's revision. Only the controller changes
 * it.
 *
 * Invariant: the parent of a node is there, and is not ephemeral. Invariant: the session of an ephemeral node is there;
 * what the store still has of nodes of other sessions is in `stale` and nowhere else.
 */
export class Namespace {
  readonly sessions = new Map<string, LiveClientSession>();
  /** Keys of nodes whose session has ended, with the revision of their last write. They are still to be removed. */
  readonly stale = new Map<string, Revision>();
  readonly #gateways = new Map<string, LiveClientSession>();
  readonly #nodes = new Map<string, Entry>();
  readonly #children = new Map<string, Children>();
  readonly #creations = new Map<string, Creations>();
  readonly #bySession = new Map<string, Set<string>>();
  #bytes = 0;
  #changedAt: Revision = asRevision(0);

  /** Nodes, the root not counted. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Of the data of all nodes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The newest revision at which a node or a session came, went or changed. */
  get changedAt(): Revision {
    return this.#changedAt;
  }

  has(path: string): boolean {
    return path === ROOT || this.#nodes.has(path);
  }

  /** A node as it is now. */
  get(path: string): NodeView | undefined {
    if (path === ROOT) {
      const stat = { ...this.#childrenStat(ROOT), createRevision: 0, modRevision: 0, version: 0, ephemeralOwner: 0 };
      return { path, stat, data: () => NO_DATA };
    }
    const entry = this.#nodes.get(path);
    if (entry === undefined) return undefined;
    const { data } = entry.node;
    return { path, stat: this.#statOf(entry), data: () => data };
  }

  /** A node's record, for who decides on a change of it. */
  record(path: string): (NodeRecord & { readonly created: Revision }) | undefined {
    const entry = this.#nodes.get(path);
    return entry === undefined ? undefined : { ...entry.node, created: entry.createRevision };
  }

  childCount(path: string): number {
    return this.#children.get(path)?.names.size ?? 0;
  }

  /** The names of a node's children, percent-encoded and in byte order. */
  children(path: string): readonly string[] {
    const children = this.#children.get(path);
    if (children === undefined) return [];
    // Percent-encoded names are ASCII: the order of their characters is that of their bytes.
    children.sorted ??= [...children.names].toSorted();
    return children.sorted;
  }

  /** How many children a node ever had, which is the number of its next sequential one. */
  creations(path: string): number {
    return this.#creations.get(path)?.count ?? 0;
  }

  /** How many ephemeral nodes a session has. */
  nodesOf(sessionId: string): number {
    return this.#bySession.get(sessionId)?.size ?? 0;
  }

  /** Gateways whose session lives, by their ids. */
  get gateways(): ReadonlyMap<string, LiveClientSession> {
    return this.#gateways;
  }

  /** The revision at which the key that a change writes was written last; 0 when there is none. */
  revisionOf(change: NamespaceChange): number {
    switch (change.kind) {
      case 'clientSessionBegan':
        return this.sessions.get(change.session.id)?.revision ?? 0;
      case 'clientSessionEnded':
        return this.sessions.get(change.sessionId)?.revision ?? 0;
      case 'node':
        return this.#keyRevision(change.node.path);
      case 'nodeGone':
      case 'staleNode':
        return this.#keyRevision(change.path);
      case 'nodeCreations':
        return this.#creations.get(change.path)?.revision ?? 0;
    }
  }

  /** Takes in one key as it was written at a revision, which may be an old one. Sessions come first, then nodes. */
  load(change: NamespaceChange, revision: Revision): void {
    this.#apply(change, revision);
  }

  /** After a load: when it changed last, as far as is known. */
  loadedAt(changedAt: Revision): void {
    this.#changedAt = changedAt;
  }

  /** Takes in what a committed transaction wrote. What went comes first, children before parents, then the rest the other way. */
  apply(changes: readonly NamespaceChange[], revision: Revision): NodeEvent[] {
    if (changes.some(({ kind }) => kind !== 'staleNode')) this.#changedAt = revision;
    const events = changes.flatMap((change) => this.#apply(change, revision)).toSorted(inEventOrder);
    return events.map(({ kind, path }) =>
      kind === 'deleted' ? { kind, path } : { kind, path, node: present(this.get(path), `${path} is there`) },
    );
  }

  #apply(change: NamespaceChange, revision: Revision): Pick<NodeEvent, 'kind' | 'path'>[] {
    switch (change.kind) {
      case 'clientSessionBegan':
        assert(!this.sessions.has(change.session.id), 'a client session began twice');
        this.#beginSession({ ...change.session, revision });
        return [];
      case 'clientSessionEnded':
        return this.#endSession(change.sessionId);
      case 'node':
        return this.#put(change.node, revision);
      case 'nodeGone':
        this.#remove(change.path);
        return [{ kind: 'deleted', path: change.path }];
      case 'nodeCreations':
        if (change.count === 0) this.#creations.delete(change.path);
        else this.#creations.set(change.path, { count: change.count, revision });
        return [];
      case 'staleNode':
        assert(this.stale.delete(change.path), `${change.path} is not stale`);
        return [];
    }
  }

  #put(node: NodeRecord, revision: Revision): Pick<NodeEvent, 'kind' | 'path'>[] {
    const { path, owner } = node;
    if (owner !== undefined && !this.sessions.has(owner)) {
      // Only in a load: an earlier coordinator ended the session and did not come to remove its nodes.
      this.stale.set(path, revision);
      return [];
    }
    this.stale.delete(path);
    const before = this.#nodes.get(path);
    const createRevision = node.created ?? revision;
    if (before?.createRevision === createRevision) {
      this.#nodes.set(path, { node, createRevision, modRevision: revision });
      this.#bytes += node.data.length - before.node.data.length;
      return [{ kind: 'changed', path }];
    }
    if (before !== undefined) this.#remove(path);
    this.#nodes.set(path, { node, createRevision, modRevision: revision });
    this.#bytes += node.data.length;
    this.#link(path);
    if (owner !== undefined) {
      const owned = this.#bySession.get(owner) ?? new Set();
      this.#bySession.set(owner, owned.add(path));
    }
    if (before === undefined) return [{ kind: 'created', path }];
    // Deleted and created again in one transaction: another node.
    return [
      { kind: 'deleted', path },
      { kind: 'created', path },
    ];
  }

  #remove(path: string): void {
    const { node } = present(this.#nodes.get(path), `there is no node ${path}`);
    this.#nodes.delete(path);
    this.#bytes -= node.data.length;
    const parent = parentOf(path);
    const siblings = present(this.#children.get(parent), `${parent} has children`);
    siblings.names.delete(nameOf(path));
    siblings.sorted = undefined;
    if (siblings.names.size === 0) this.#children.delete(parent);
    if (node.owner === undefined) return;
    const owned = this.#bySession.get(node.owner);
    owned?.delete(path);
    if (owned?.size === 0) this.#bySession.delete(node.owner);
  }

  #link(path: string): void {
    const parent = parentOf(path);
    const siblings = this.#children.get(parent) ?? { names: new Set(), sorted: undefined };
    siblings.names.add(nameOf(path));
    siblings.sorted = undefined;
    this.#children.set(parent, siblings);
  }

  #beginSession(session: LiveClientSession): void {
    this.sessions.set(session.id, session);
    const { gateway } = session;
    if (gateway === undefined) return;
    // Of two that call themselves the same, the newer one is shown.
    const shown = this.#gateways.get(gateway.id);
    if (shown === undefined || shown.revision < session.revision) this.#gateways.set(gateway.id, session);
  }

  #endSession(sessionId: string): Pick<NodeEvent, 'kind' | 'path'>[] {
    const session = present(this.sessions.get(sessionId), 'a client session ended twice');
    this.sessions.delete(sessionId);
    if (session.gateway !== undefined) this.#endGateway(session.gateway.id);
    const paths = [...(this.#bySession.get(sessionId) ?? [])].toSorted();
    for (const path of paths) {
      this.stale.set(path, present(this.#nodes.get(path), `${path} is there`).modRevision);
      this.#remove(path);
    }
    return paths.map((path) => ({ kind: 'deleted', path }));
  }

  #endGateway(id: string): void {
    this.#gateways.delete(id);
    for (const session of this.sessions.values()) if (session.gateway?.id === id) this.#beginSession(session);
  }

  #keyRevision(path: string): number {
    return this.#nodes.get(path)?.modRevision ?? this.stale.get(path) ?? 0;
  }

  #statOf({ node, createRevision, modRevision }: Entry): NodeStat {
    const { path, version, owner } = node;
    const ephemeralOwner = owner === undefined ? 0 : present(this.sessions.get(owner), 'its session is there').revision;
    return { createRevision, modRevision, version, ephemeralOwner, ...this.#childrenStat(path) };
  }

  /** Every child came once, and those that are not there any more went once: as in ZooKeeper, only the first is stored. */
  #childrenStat(path: string): Pick<NodeStat, 'childrenVersion' | 'childCount'> {
    const childCount = this.childCount(path);
    return { childCount, childrenVersion: 2 * this.creations(path) - childCount };
  }
}

/** The order of events of one revision: what went, children before parents; then the rest, parents before children. */
export function inEventOrder(a: Pick<NodeEvent, 'kind' | 'path'>, b: Pick<NodeEvent, 'kind' | 'path'>): number {
  const aGoes = a.kind === 'deleted';
  const bGoes = b.kind === 'deleted';
  if (aGoes !== bGoes) return aGoes ? -1 : 1;
  const [first, second] = aGoes ? [b, a] : [a, b];
  if (first.path === second.path) return 0;
  return first.path < second.path ? -1 : 1;
}
