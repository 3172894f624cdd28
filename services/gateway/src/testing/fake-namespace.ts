import { WeirError } from '@weir/base/errors.ts';
import { TreeWriteError } from '@weir/client/namespace/namespace-client.ts';
import type { CalledSession, TreeOperation } from '@weir/client/namespace/namespace-client.ts';
import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';
import type { NodeStat, TreeEvent, TreeNode } from '@weir/client/namespace/tree-node.ts';
import type { NamespaceWatch, WatchHandlers, WatchOptions } from '@weir/client/namespace/watch-link.ts';
import type { GatewayNamespace } from '../gateway-client.ts';

/** A few nodes in memory that answer as those of a real coordinator do, for tests of the gateway. */
export class FakeNamespace implements GatewayNamespace {
  /** Watches that begin below it are too old. */
  oldest = 1;
  readonly watches = new Set<{ readonly options: WatchOptions; readonly handlers: WatchHandlers }>();
  readonly #nodes = new Map<string, TreeNode>();
  readonly #living = new Set<string>();
  #sessions = 0;
  #revision = 10;
  #created = 0;

  get(path: string): Promise<{ revision: number; node: TreeNode }> {
    return this.#done(() => ({ revision: this.#revision, node: this.#node(path) }));
  }

  children(path: string): Promise<{ revision: number; names: string[] }> {
    return this.#done(() => {
      const prefix = path === '/' ? '/' : `${path}/`;
      const below = [...this.#nodes.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length));
      return { revision: this.#revision, names: below.filter((name) => !name.includes('/')).toSorted() };
    });
  }

  create(path: string, data: Uint8Array | string, { sequential = false } = {}): Promise<NodeStat> {
    return this.#done(() => {
      const named = sequential ? path + String(this.#created).padStart(10, '0') : path;
      if (this.#nodes.has(named)) throw new WeirError('NODE_EXISTS', `${named} is there already`);
      this.#created++;
      return this.#put('created', named, { data, version: 0, createRevision: this.#revision + 1 });
    });
  }

  set(path: string, data: Uint8Array | string, { version }: { version?: number } = {}): Promise<NodeStat> {
    return this.#done(() => {
      const node = this.#expect(path, version);
      return this.#put('changed', path, { data, version: node.version + 1, createRevision: node.createRevision });
    });
  }

  delete(path: string, { version }: { version?: number } = {}): Promise<void> {
    return this.#done(() => {
      this.#expect(path, version);
      this.#nodes.delete(path);
      this.#tell(++this.#revision, { kind: 'deleted', path });
    });
  }

  watch(options: WatchOptions, handlers: WatchHandlers): NamespaceWatch {
    const watch = { options, handlers };
    queueMicrotask(() => {
      if ((options.from ?? this.oldest) < this.oldest) {
        handlers.ended({ code: 'COMPACTED', message: `changes are kept from revision ${this.oldest} on` });
        return;
      }
      this.watches.add(watch);
      handlers.started?.(this.#revision);
    });
    return { close: () => void this.watches.delete(watch) };
  }

  multi(...[operations]: Parameters<GatewayNamespace['multi']>): ReturnType<GatewayNamespace['multi']> {
    return this.#done(() => {
      const before = new Map(this.#nodes);
      try {
        const paths = operations.map((operation, index) => this.#step(operation, index));
        const written = paths.map((path) => ({ path, node: this.#nodes.get(path) }));
        return { revision: this.#revision, written };
      } catch (error) {
        this.#nodes.clear();
        for (const [path, node] of before) this.#nodes.set(path, node);
        throw error;
      }
    });
  }

  beginCalledSession(): Promise<CalledSession> {
    return this.#done(() => {
      const id = `session ${++this.#sessions}`;
      this.#living.add(id);
      return { id, timeoutMs: 6_000, owner: 7 };
    });
  }

  touchCalledSession(id: string): Promise<CalledSession> {
    return this.#done(() => {
      if (!this.#living.has(id)) throw new WeirError('SESSION_EXPIRED', 'the session has ended');
      return { id, timeoutMs: 6_000, owner: 7 };
    });
  }

  endCalledSession(id: string): Promise<void> {
    return this.#done(() => void this.#living.delete(id));
  }

  #step(operation: TreeOperation, index: number): string {
    const { kind, path } = operation;
    try {
      if (kind === 'create') {
        if (this.#nodes.has(path)) throw new WeirError('NODE_EXISTS', `${path} is there already`);
        this.#put('created', path, { data: operation.data ?? '', version: 0, createRevision: this.#revision + 1 });
        return path;
      }
      const node = this.#expect(path, operation.version);
      if (kind === 'set') this.#put('changed', path, { ...node, data: operation.data, version: node.version + 1 });
      if (kind === 'delete') this.#nodes.delete(path);
      return path;
    } catch (error) {
      throw new TreeWriteError((error as WeirError).code, (error as WeirError).message, index);
    }
  }

  openSession(): Promise<NamespaceSession> {
    const session = { id: 'session', owner: 7, signal: new AbortController().signal, close: () => Promise.resolve() };
    return Promise.resolve(session as unknown as NamespaceSession);
  }

  #node(path: string): TreeNode {
    const stat = {
      createRevision: 0,
      modRevision: 0,
      version: 0,
      childrenVersion: 0,
      childCount: 0,
      ephemeralOwner: 0,
    };
    if (path === '/') return { path, ...stat, data: Buffer.from('') };
    return this.#expect(path, undefined);
  }

  #expect(path: string, version: number | undefined): TreeNode {
    const node = this.#nodes.get(path);
    if (node === undefined) throw new WeirError('NODE_NOT_FOUND', `${path} is not there`);
    if (version !== undefined && version !== node.version)
      throw new WeirError('BAD_VERSION', `${path} has another version`);
    return node;
  }

  #put(
    kind: 'created' | 'changed',
    path: string,
    { data, ...known }: { data: Uint8Array | string; version: number; createRevision: number },
  ): NodeStat {
    const modRevision = ++this.#revision;
    const rest = { modRevision, childrenVersion: 0, childCount: 0, ephemeralOwner: 0 };
    const node = { path, ...known, ...rest, data: Buffer.from(data) };
    this.#nodes.set(path, node);
    this.#tell(modRevision, { kind, path, node });
    const { data: _, ...stat } = node;
    return stat;
  }

  #tell(revision: number, event: TreeEvent): void {
    for (const { options, handlers } of this.watches) {
      if (event.path.startsWith(options.path)) handlers.events(revision, [event]);
    }
  }

  #done<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      resolve(work());
    });
  }
}
