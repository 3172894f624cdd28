import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { isErrorCode, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { METADATA_WAIT_MS, SESSIONS_PER_CLIENT_MAX } from '@weir/base/limits.ts';
import {
  BeginSessionRequestSchema,
  EndSessionRequestSchema,
  GetNodeRequestSchema,
  ListChildrenRequestSchema,
  NamespaceService,
  TouchSessionRequestSchema,
  WriteNodesRequestSchema,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { NodeOperationSchema } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { Connections } from '../connections.ts';
import { CoordinatorLink } from '../coordinator-link.ts';
import { followBrokers } from '../follow-brokers.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import { Metadata } from '../metadata/metadata.ts';
import type { ClientWorld } from '../world.ts';
import type { LogRevision } from './consumer-node.ts';
import { consumerPathOf } from './consumer-path.ts';
import { ConsumerTree } from './consumer-tree.ts';
import { NamespaceSession } from './namespace-session.ts';
import type { SessionOptions } from './namespace-session.ts';
import { nodeOf } from './tree-node.ts';
import type { NodeStat, TreeNode } from './tree-node.ts';
import { WatchLink } from './watch-link.ts';
import type { NamespaceWatch, WatchHandlers, WatchOptions } from './watch-link.ts';

const GET = protobufMethod(NamespaceService.method.getNode);
const LIST = protobufMethod(NamespaceService.method.listChildren);
const WRITE = protobufMethod(NamespaceService.method.writeNodes);
const BEGIN_SESSION = protobufMethod(NamespaceService.method.beginSession);
const TOUCH_SESSION = protobufMethod(NamespaceService.method.touchSession);
const END_SESSION = protobufMethod(NamespaceService.method.endSession);

/** How often the pages of a list of children are read anew because they did not fit together. */
const LIST_TRIES = 10;

/** One step of a write. A version that is given must be the node's. */
export type TreeOperation =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly data?: Uint8Array | string;
      /** The node goes with the session that the write names. */
      readonly ephemeral?: boolean;
      /** Ten digits are put behind the path: a number that its parent gives to no other child. */
      readonly sequential?: boolean;
    }
  | { readonly kind: 'set'; readonly path: string; readonly data: Uint8Array | string; readonly version?: number }
  | { readonly kind: 'delete'; readonly path: string; readonly version?: number }
  | { readonly kind: 'check'; readonly path: string; readonly version?: number };

/** As of when something was read: a watch from the next revision on misses nothing. */
export interface TreeRevision {
  /** Below /consumers: of the log of a group. Of /consumers itself, which is of many logs, 0. */
  readonly revision: number;
  /** Below /consumers: in which the log's leader has told it, to be given to a watch as `fromEpoch`. */
  readonly leaderEpoch?: number;
}

/** Whose ephemeral nodes are created: a session of this client, or the id of one that somebody keeps by calls. */
export type SessionRef = Pick<NamespaceSession, 'id'> & Partial<Pick<NamespaceSession, 'signal'>>;

/** A session that is kept by calls. */
export interface CalledSession {
  /** Whoever has it may act for the session. */
  readonly id: string;
  /** It ends when it was not touched for so long. */
  readonly timeoutMs: number;
  /** What others see of it, as `ephemeralOwner` of its nodes. */
  readonly owner: number;
}

/** What became of one step of a write. */
export interface TreeWritten {
  /** With the number of a sequential node. */
  readonly path: string;
  /** After the whole write; undefined when the node is not there any more. */
  readonly node: NodeStat | undefined;
}

/** A write that was refused: nothing was done. */
export class TreeWriteError extends WeirError {
  /** The step that could not be done, from 0; undefined when it was all of them together. */
  readonly operation: number | undefined;

  constructor(code: ErrorCode, message: string, operation: number | undefined) {
    super(code, message);
    this.operation = operation;
  }
}

/** What a client of the namespace is told when it is made. */
export interface NamespaceClientOptions {
  /** host:port each; tried in turn. */
  readonly coordinators: readonly string[];
  /** What it calls itself in the coordinator's log. */
  readonly name: string;
  /** How long a call waits for a coordinator that answers. Default: METADATA_WAIT_MS. */
  readonly waitMs?: number;
}

/**
 * The namespace: a tree of small nodes, for what a few processes have to agree on. Paths are as "/a/b", each component
 * percent-encoded. Every call rejects with a WeirError; after COORDINATOR_UNAVAILABLE and REQUEST_TIMED_OUT a write may have
 * been done or not.
 */
export class NamespaceClient {
  readonly #link: CoordinatorLink;
  readonly #watches: WatchLink;
  readonly #name: string;
  readonly #world: ClientWorld;
  readonly #sessions = new Set<NamespaceSession>();
  readonly #options: NamespaceClientOptions;
  readonly #shared: Pick<LeaderCallParts, 'metadata' | 'connections'> | undefined;
  /** Made when somebody asks for what is below /consumers. */
  #consumers: ConsumerTree | undefined;
  /** Of its own, where nobody shares theirs. */
  #metadata: Metadata | undefined;
  #connections: Connections | undefined;

  /** @param shared - of whoever has a metadata and connections to brokers already: what is below /consumers is asked there */
  constructor(
    options: NamespaceClientOptions,
    world: ClientWorld,
    shared?: Pick<LeaderCallParts, 'metadata' | 'connections'>,
  ) {
    this.#options = options;
    this.#shared = shared;
    this.#link = new CoordinatorLink(options.coordinators, world, options.waitMs);
    this.#watches = new WatchLink(this.#link, world);
    this.#name = options.name;
    this.#world = world;
  }

  /** A node, and the tree's revision. @throws WeirError NODE_NOT_FOUND, as a rejection */
  async get(path: string): Promise<TreeRevision & { readonly node: TreeNode }> {
    const { node, ...at } = await this.#read(path, false);
    if (node === undefined) throw new WeirError('NODE_NOT_FOUND', `${path} is not there`);
    return { ...at, node };
  }

  /** What is known of a node besides its data, if it is there, and the tree's revision. */
  async exists(path: string): Promise<TreeRevision & { readonly node: NodeStat | undefined }> {
    const { node, ...at } = await this.#read(path, true);
    return { ...at, node: node === undefined ? undefined : statOf(node) };
  }

  /**
   * The names of a node's children, percent-encoded and in byte order, at one revision. Below /consumers those of more than one answer
   * are read one after the other: names that come or go meanwhile may be among them or not.
   */
  async children(path: string): Promise<TreeRevision & { readonly names: readonly string[] }> {
    const consumers = consumerPathOf(path);
    if (consumers !== undefined) return revised(await this.#consumerTree.children(consumers));
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      const found = await this.#readPages(path);
      if (found !== undefined) return found;
    }
    throw new WeirError('COORDINATOR_UNAVAILABLE', `the children of ${path} change faster than they can be read`);
  }

  /** Creates a node. With a session it is ephemeral: it goes when the session ends. */
  async create(
    path: string,
    data: Uint8Array | string = '',
    options: { readonly session?: SessionRef; readonly sequential?: boolean } = {},
  ): Promise<NodeStat> {
    const { session, sequential = false } = options;
    const ephemeral = session !== undefined;
    const [written] = (await this.multi([{ kind: 'create', path, data, ephemeral, sequential }], options)).written;
    return written!.node!;
  }

  /** Creates a node without data and those above it, where they are not there. */
  async createPath(path: string): Promise<void> {
    const components = path.split('/').slice(1);
    for (let depth = 1; depth <= components.length; depth++) {
      try {
        await this.create(`/${components.slice(0, depth).join('/')}`);
      } catch (error) {
        if (!(error instanceof WeirError && error.code === 'NODE_EXISTS')) throw error;
      }
    }
  }

  /** Replaces a node's data, if it has that version. */
  async set(path: string, data: Uint8Array | string, options: { readonly version?: number } = {}): Promise<NodeStat> {
    const [written] = (await this.multi([{ kind: 'set', path, data, ...options }])).written;
    return written!.node!;
  }

  /** Deletes a node, if it has that version. */
  async delete(path: string, options: { readonly version?: number } = {}): Promise<void> {
    await this.multi([{ kind: 'delete', path, ...options }]);
  }

  /**
   * Does all of some operations or none, in one transaction; each sees what those before it did. With a session it is done
   * only while that lives.
   *
   * @throws TreeWriteError, as a rejection
   */
  async multi(
    operations: readonly TreeOperation[],
    { session }: { readonly session?: SessionRef } = {},
  ): Promise<{ readonly revision: number; readonly written: readonly TreeWritten[] }> {
    if (session?.signal?.aborted === true)
      throw new TreeWriteError('SESSION_EXPIRED', 'the session is over', undefined);
    const request = create(WriteNodesRequestSchema, {
      operations: operations.map(operationMessage),
      sessionId: session?.id ?? '',
    });
    const { code, message, refusedOperation, revision, nodes } = await this.#link.call(WRITE, request);
    if (code !== 'NONE') {
      const index = refusedOperation < 0 ? undefined : refusedOperation;
      throw new TreeWriteError(isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR', message, index);
    }
    const written = nodes.map(({ path, node }) => ({
      path,
      node: node === undefined ? undefined : statOf(nodeOf(node)),
    }));
    return { revision: Number(revision), written };
  }

  /** Watches nodes, over broken connections, and below /consumers over changes of who leads. */
  watch(options: WatchOptions, handlers: WatchHandlers): NamespaceWatch {
    const consumers = consumerPathOf(options.path);
    if (consumers !== undefined) return this.#consumerTree.watch(consumers, options, handlers);
    return this.#watches.watch(options, handlers);
  }

  /**
   * Opens a session, whose ephemeral nodes go when it ends.
   *
   * @throws WeirError, as a rejection: COORDINATOR_UNAVAILABLE when none answers within `timeoutMs`, POLICY_VIOLATION when
   * this client has SESSIONS_PER_CLIENT_MAX already
   */
  openSession({
    timeoutMs = METADATA_WAIT_MS,
    gateway,
  }: { readonly timeoutMs?: number } & Pick<SessionOptions, 'gateway'> = {}): Promise<NamespaceSession> {
    return new Promise((resolve, reject) => {
      if (this.#sessions.size >= SESSIONS_PER_CLIENT_MAX) {
        throw new WeirError(
          'POLICY_VIOLATION',
          `a client has at most ${SESSIONS_PER_CLIENT_MAX} sessions: use another`,
        );
      }
      const options = { name: this.#name, ...(gateway === undefined ? {} : { gateway }) };
      const cancel = this.#world.clock.after(timeoutMs, () => {
        session.abandon('no coordinator answers');
        reject(new WeirError('COORDINATOR_UNAVAILABLE', `no coordinator opened a session within ${timeoutMs} ms`));
      });
      const session = new NamespaceSession(this.#link, options, this.#world, {
        done: () => {
          cancel();
          resolve(session);
        },
        failed: ({ code, message }) => {
          cancel();
          reject(new WeirError(code, message));
        },
      });
      this.#sessions.add(session);
      session.signal.addEventListener('abort', () => this.#sessions.delete(session), { once: true });
    });
  }

  /**
   * Begins a session that is kept by calls, by whoever has its id: no connection of this client's carries it. A stream may
   * attach to it: from then on, when that breaks, it ends as one of `openSession` does unless it is called in time.
   *
   * @param name - what whoever it is for calls itself
   */
  async beginCalledSession(name: string): Promise<CalledSession> {
    const { sessionId, timeoutMs, owner } = await this.#link.call(
      BEGIN_SESSION,
      create(BeginSessionRequestSchema, { name }),
    );
    return { id: sessionId, timeoutMs, owner: Number(owner) };
  }

  /**
   * Keeps a session alive, also one of `openSession`: whose stream broke has come back by this.
   *
   * @throws WeirError, as a rejection: SESSION_EXPIRED when it has ended; any other says nothing of that, so that it may live
   */
  async touchCalledSession(id: string): Promise<CalledSession> {
    const request = create(TouchSessionRequestSchema, { sessionId: id });
    const { timeoutMs, owner } = await this.#link.call(TOUCH_SESSION, request);
    return { id, timeoutMs, owner: Number(owner) };
  }

  /** Ends a session, and its nodes with it; whoever has a stream for it is told. One that has ended is none that fails. */
  async endCalledSession(id: string): Promise<void> {
    await this.#link.call(END_SESSION, create(EndSessionRequestSchema, { sessionId: id }));
  }

  /** Ends every session of its own, with its nodes, and every watch. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    this.#watches.close();
    this.#link.close();
    this.#consumers?.close();
    this.#metadata?.close();
    this.#connections?.close();
  }

  get #consumerTree(): ConsumerTree {
    this.#consumers ??= new ConsumerTree(
      { ...(this.#shared ?? this.#ownParts()), world: this.#world },
      this.#options.waitMs ?? METADATA_WAIT_MS,
    );
    return this.#consumers;
  }

  #ownParts(): Pick<LeaderCallParts, 'metadata' | 'connections'> {
    const { coordinators, name } = this.#options;
    const metadata = new Metadata({ coordinators, name, autoCreateTopics: false }, this.#world);
    const connections = new Connections(this.#world.transport);
    metadata.listen(() => followBrokers(metadata.image, connections));
    this.#metadata = metadata;
    this.#connections = connections;
    return { metadata, connections };
  }

  async #read(path: string, statOnly: boolean): Promise<TreeRevision & { node: TreeNode | undefined }> {
    const consumers = consumerPathOf(path);
    if (consumers !== undefined) return revised(await this.#consumerTree.read(consumers, statOnly));
    const { revision, node } = await this.#link.call(GET, create(GetNodeRequestSchema, { path, statOnly }));
    return { revision: Number(revision), node: node === undefined ? undefined : nodeOf(node) };
  }

  /** Undefined when the children changed while they were read. */
  async #readPages(path: string): Promise<{ revision: number; names: string[] } | undefined> {
    const names: string[] = [];
    let first: { readonly revision: bigint; readonly version: string } | undefined;
    for (;;) {
      const request = create(ListChildrenRequestSchema, { path, after: names.at(-1) ?? '' });
      const page = await this.#link.call(LIST, request);
      const { childrenVersion = 0n, createRevision = 0n } = page.node ?? {};
      const version = `${createRevision}/${childrenVersion}`;
      first ??= { revision: page.revision, version };
      // The cluster's own nodes do not count: of them only pages of one revision fit together for certain.
      const fits = page.revision === first.revision || (childrenVersion !== 0n && version === first.version);
      if (!fits) return undefined;
      names.push(...page.names);
      if (!page.more) return { revision: Number(first.revision), names };
    }
  }
}

/** Of /consumers itself no epoch is told: it is of many logs. */
function revised<T extends LogRevision>({
  leaderEpoch,
  ...read
}: T): Omit<T, 'leaderEpoch'> & { leaderEpoch?: number } {
  return leaderEpoch === -1 ? read : { ...read, leaderEpoch };
}

function statOf(node: TreeNode): NodeStat {
  const { data: _, ...stat } = node;
  return stat;
}

function operationMessage(operation: TreeOperation): MessageInitShape<typeof NodeOperationSchema> {
  switch (operation.kind) {
    case 'create': {
      const { path, data = '', ephemeral = false, sequential = false } = operation;
      return { operation: { case: 'create', value: { path, data: bytesOf(data), ephemeral, sequential } } };
    }
    case 'set': {
      const { path, data, version } = operation;
      return { operation: { case: 'set', value: { path, data: bytesOf(data), ...versionOf(version) } } };
    }
    case 'delete':
      return { operation: { case: 'delete', value: { path: operation.path, ...versionOf(operation.version) } } };
    case 'check':
      return { operation: { case: 'check', value: { path: operation.path, ...versionOf(operation.version) } } };
  }
}

function versionOf(version: number | undefined): { version?: number } {
  return version === undefined ? {} : { version };
}

function bytesOf(data: Uint8Array | string): Uint8Array<ArrayBuffer> {
  return (typeof data === 'string' ? Buffer.from(data) : data) as Uint8Array<ArrayBuffer>;
}
