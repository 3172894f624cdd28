import { uuidFromRandom } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { NAMESPACE_STREAMS_MAX, SESSION_REATTACH_MS, SESSION_TIMEOUT_MS, WATCHES_MAX } from '@weir/base/limits.ts';
import type { World } from '@weir/runtime/world.ts';
import type { Command, CommandResult, ControllerEffect } from './controller/controller.ts';
import type { ClusterImage } from './controller/image.ts';
import type { CoordinatorMetrics } from './metrics.ts';
import type { ClientSessionRecord, NodeView } from './namespace/node.ts';
import { parsePath, ROOT } from '@weir/base/tree-path.ts';
import { isSystemPath, SYSTEM_NAMES, elsewhereRefusal } from './namespace/system-roots.ts';
import type { SystemView } from './namespace/system-view.ts';
import type { NamespaceWatches, Watch, Watches, WatchOutput, WatchRequest } from './namespace/watches.ts';
import type { NodeOperation } from './namespace/write-nodes.ts';
import { SessionTable } from './session/session-table.ts';

/** What the namespace needs of the coordinator. */
export interface NamespaceParts {
  readonly image: ClusterImage;
  readonly systemView: SystemView;
  readonly world: World;
  readonly metrics: Pick<CoordinatorMetrics, 'clientSessionsExpired'>;
  /** With the history that there is. */
  readonly watches: NamespaceWatches;
  /** Whether this coordinator may answer for the sessions: see Tenure. */
  holds(): boolean;
  submit(command: Command, done: (result: CommandResult) => void): void;
}

/** The stream that a client's session is attached to. */
export interface SessionHolder extends NamespaceStream {
  /** The session is over, and the stream with it. */
  end(why: Refusal): void;
}

/** A client's stream, of whichever kind. */
export interface NamespaceStream {
  abort(why: Refusal): void;
}

/** A node as it was read, at the tree's revision then. */
export interface ReadNode {
  readonly revision: Revision;
  readonly node: NodeView | undefined;
}

/** Names of children, and what they are the children of. */
export interface ReadChildren {
  readonly revision: Revision;
  readonly node: NodeView;
  readonly names: readonly string[];
  readonly more: boolean;
}

/** The acting part of the namespace: client sessions in time, reads, and watches as changes are committed. */
export class NamespaceHost {
  readonly #parts: NamespaceParts;
  readonly #sessions: SessionTable;
  readonly #holders = new Map<string, SessionHolder>();
  readonly #streams = new Set<NamespaceStream>();
  readonly #users: Watches;
  readonly #system: Watches;
  #sweeping = false;
  #ended: Refusal | undefined;

  constructor(parts: NamespaceParts) {
    this.#parts = parts;
    const { image, world } = parts;
    this.#users = parts.watches.users;
    this.#system = parts.watches.system;
    this.#sessions = new SessionTable(world.clock.monotonicMs());
    for (const sessionId of image.namespace.sessions.keys()) this.#step('began', sessionId);
  }

  get revision(): Revision {
    return this.#parts.image.revision;
  }

  /** Whether it may answer clients: see Tenure. */
  get holds(): boolean {
    return this.#parts.holds();
  }

  /** Watches that stand. */
  get watches(): number {
    return this.#users.size + this.#system.size;
  }

  /** Takes in a new stream; the reason when it cannot. */
  join(stream: NamespaceStream): Refusal | undefined {
    if (this.#ended !== undefined) return this.#ended;
    if (this.#streams.size >= NAMESPACE_STREAMS_MAX) {
      const message = `the coordinator has ${NAMESPACE_STREAMS_MAX} streams of the namespace, which is the most it takes`;
      return refusal('THROTTLING_QUOTA_EXCEEDED', message);
    }
    this.#streams.add(stream);
    return undefined;
  }

  /** A stream is gone. */
  part(stream: NamespaceStream): void {
    this.#streams.delete(stream);
  }

  /** Lets go of every client; sessions stay as they are, for the next coordinator. */
  stop(why: Refusal): void {
    this.#ended = why;
    for (const stream of this.#streams) stream.abort(why);
  }

  /** The node at a path; why there can be none, if so. */
  read(text: string): ReadNode | Refusal {
    const parsed = parsePath(text);
    if (!parsed.ok) return parsed.refusal;
    const { path } = parsed;
    const elsewhere = elsewhereRefusal(path);
    if (elsewhere !== undefined) return elsewhere;
    return { revision: this.revision, node: this.#node(path) };
  }

  /** A page of the names of a node's children. */
  readChildren(
    text: string,
    { after, limit }: { readonly after: string; readonly limit: number },
  ): ReadChildren | Refusal {
    const found = this.read(text);
    if ('code' in found) return found;
    const { node, revision } = found;
    if (node === undefined) return refusal('NODE_NOT_FOUND', `${text} is not there`);
    const all = this.#children(node.path);
    const from = after === '' ? 0 : firstAfter(all, after);
    return { revision, node, names: all.slice(from, from + limit), more: all.length > from + limit };
  }

  /** Does operations, all or none. */
  write(
    operations: readonly NodeOperation[],
    sessionId: string | undefined,
    done: (result: CommandResult) => void,
  ): void {
    this.#parts.submit({ kind: 'writeNodes', operations, sessionId }, done);
  }

  /** Begins a session. */
  open(record: Omit<ClientSessionRecord, 'id'>, done: (opened: string | Refusal) => void): void {
    const id = uuidFromRandom(this.#parts.world.random.bytes(16));
    this.#parts.submit({ kind: 'beginClientSession', session: { id, ...record } }, (result) => {
      if (result.kind === 'refused') return done(result.refusal);
      this.#step('began', id);
      done(id);
    });
  }

  /** What others see of a session. */
  ownerOf(sessionId: string): number {
    return this.#parts.image.namespace.sessions.get(sessionId)?.revision ?? 0;
  }

  /** Attaches a stream to a session that lives; false when there is none. */
  attach(sessionId: string, holder: SessionHolder): boolean {
    if (!this.#parts.image.namespace.sessions.has(sessionId) || !this.#sessions.has(sessionId)) return false;
    const before = this.#holders.get(sessionId);
    this.#holders.set(sessionId, holder);
    this.#step('attached', sessionId);
    // Half open: its client has long taken it for broken.
    if (before !== holder)
      before?.abort(refusal('NETWORK_EXCEPTION', 'the session was attached to from a newer stream'));
    return true;
  }

  /** A heartbeat came; false when the session has ended and must not be answered. */
  heartbeat(sessionId: string): boolean {
    if (!this.#sessions.has(sessionId) || !this.holds) return false;
    this.#step('heartbeat', sessionId);
    return true;
  }

  /** A stream is gone. Its session, if it still is that stream's, has a short time to be attached to again. */
  leave(sessionId: string, holder: SessionHolder): void {
    const current = this.#holders.get(sessionId);
    if (current !== undefined && current !== holder) return;
    this.#holders.delete(sessionId);
    this.#step('detached', sessionId);
  }

  /** The client wants its session to end now. `done`: it has ended, or why that was refused. */
  close(sessionId: string, done: (refused: Refusal | undefined) => void): void {
    this.#sessions.step({ kind: 'ended', sessionId });
    this.#holders.delete(sessionId);
    this.#end([sessionId], done);
  }

  /** Whoever has a session's id wants it to end now; a stream that it is attached to is told. */
  endByCall(sessionId: string, done: (refused: Refusal | undefined) => void): void {
    const holder = this.#holders.get(sessionId);
    this.close(sessionId, done);
    holder?.end(refusal('SESSION_EXPIRED', 'the session was ended by a call'));
  }

  /** Begins a watch; why not, if so. */
  startWatch(request: WatchRequest, output: WatchOutput): Watch | Refusal {
    const parsed = parsePath(request.path);
    if (!parsed.ok) return parsed.refusal;
    const elsewhere = elsewhereRefusal(parsed.path);
    if (elsewhere !== undefined) return elsewhere;
    if (this.watches >= WATCHES_MAX) {
      return refusal(
        'THROTTLING_QUOTA_EXCEEDED',
        `the coordinator has ${WATCHES_MAX} watches, which is the most it takes`,
      );
    }
    return this.#watchesOf(parsed.path).start({ ...request, path: parsed.path }, output);
  }

  /** Gives a watch what it is behind with. */
  pump(watch: Watch): void {
    this.#watchesOf(watch.request.path).pump(watch);
  }

  stopWatch(watch: Watch): void {
    this.#watchesOf(watch.request.path).stop(watch);
  }

  /** The oldest revision that a watch of a path may begin at. */
  oldest(path: string): number {
    return this.#watchesOf(path).oldest;
  }

  /** Tells watches what a transaction did. */
  changed({ revision, users, system }: Extract<ControllerEffect, { kind: 'nodesChanged' }>): void {
    this.#users.publish(revision, users);
    this.#system.publish(revision, system);
  }

  /** Every SESSION_TICK_MS, after the turn's heartbeats. */
  tick(): void {
    const { clock, logger } = this.#parts.world;
    const expired = this.#sessions.step({ kind: 'tick', nowMs: clock.monotonicMs() });
    for (const { sessionId, why } of expired) {
      const message =
        why === 'silent'
          ? `no heartbeat came for ${SESSION_TIMEOUT_MS} ms`
          : `the connection broke and did not come back within ${SESSION_REATTACH_MS} ms`;
      const name = this.#parts.image.namespace.sessions.get(sessionId)?.name;
      this.#parts.metrics.clientSessionsExpired.inc({ reason: why });
      logger.info({ client: name, owner: this.ownerOf(sessionId) }, `the session of a client is over: ${message}`);
      const holder = this.#holders.get(sessionId);
      this.#holders.delete(sessionId);
      holder?.end(refusal('SESSION_EXPIRED', `the session is over: ${message}`));
    }
    const sessionIds = expired.map(({ sessionId }) => sessionId);
    if (sessionIds.length > 0) this.#end(sessionIds, () => {});
  }

  /** Removes what the store still has of nodes that are gone: a transaction at a time, so that others have their turn. */
  sweep(): void {
    if (this.#sweeping || this.#parts.image.namespace.stale.size === 0) return;
    this.#sweeping = true;
    this.#parts.submit({ kind: 'sweepNodes' }, (result) => {
      this.#sweeping = false;
      // Else the coordinator stops: the next one goes on.
      if (result.kind === 'done') this.sweep();
    });
  }

  #end(sessionIds: readonly string[], done: (refused: Refusal | undefined) => void): void {
    this.#parts.submit({ kind: 'endClientSessions', sessionIds }, (result) => {
      done(result.kind === 'refused' ? result.refusal : undefined);
      this.sweep();
    });
  }

  #node(path: string): NodeView | undefined {
    if (isSystemPath(path)) return this.#parts.systemView.get(path);
    const node = this.#parts.image.namespace.get(path);
    if (path !== ROOT || node === undefined) return node;
    // The cluster's own roots never come and go.
    return { ...node, stat: { ...node.stat, childCount: node.stat.childCount + SYSTEM_NAMES.length } };
  }

  #children(path: string): readonly string[] {
    if (isSystemPath(path)) return this.#parts.systemView.children(path) ?? [];
    const names = this.#parts.image.namespace.children(path);
    return path === ROOT ? [...names, ...SYSTEM_NAMES].toSorted() : names;
  }

  #watchesOf(path: string): Watches {
    return isSystemPath(path) ? this.#system : this.#users;
  }

  #step(kind: 'began' | 'attached' | 'heartbeat' | 'detached', sessionId: string): void {
    this.#sessions.step({ kind, sessionId, nowMs: this.#parts.world.clock.monotonicMs() });
  }
}

/** The index of the first name behind another one. */
function firstAfter(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (names[middle]! <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
