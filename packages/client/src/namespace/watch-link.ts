import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, isErrorCode, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { RECONNECT_MS_MAX, RECONNECT_MS_MIN, SESSION_TIMEOUT_MS, WATCH_PROGRESS_MS } from '@weir/base/limits.ts';
import { NamespaceService, WatchKind, WatchRequestSchema } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { WatchEvents, WatchRequest, WatchResponse } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { backoffMs } from '../backoff.ts';
import type { OpenedStream } from '../connections.ts';
import type { ClientWorld } from '../world.ts';
import { isLeaving } from '../coordinator-link.ts';
import type { CoordinatorLink } from '../coordinator-link.ts';
import { eventOf } from './tree-node.ts';
import type { TreeEvent } from './tree-node.ts';

const WATCH = protobufMethod(NamespaceService.method.watch);
const BACKOFF = { minMs: RECONNECT_MS_MIN, maxMs: RECONNECT_MS_MAX };
/** Watches hear of progress every WATCH_PROGRESS_MS: a stream that is silent for much longer leads nowhere. */
const SILENCE_MS = WATCH_PROGRESS_MS + SESSION_TIMEOUT_MS;

/** What to watch. */
export interface WatchOptions {
  readonly path: string;
  /**
   * `data`: the node is created, changed, deleted. `children`: the node and its children are created and deleted.
   * `recursive`: all that happens to the node and below it; of the root, to the users' nodes.
   */
  readonly kind: 'data' | 'children' | 'recursive';
  /** The first revision whose changes are wanted: one more than what was read. Default: from now on. */
  readonly from?: number;
  /**
   * Below /consumers: the leader epoch in which the revision before that was told. Without it nobody finds out that the log went on
   * otherwise, as after an unclean election.
   */
  readonly fromEpoch?: number;
  /** Default: true. */
  readonly withData?: boolean;
}

/** Below /consumers: of which log a revision is. Revisions of one log are in order, over all leader epochs. */
export interface RevisionLog {
  /** Of `__consumer_offsets`. */
  readonly partition: number;
  /** In which the revision was told. */
  readonly leaderEpoch: number;
}

/** Below /consumers: what else is told of events. */
export interface LogEvents extends RevisionLog {
  /**
   * They are not what has changed but all that there is of what is watched (of /consumers itself: of the groups of that partition),
   * each node as if it were created: what happened before is not known any more.
   */
  readonly reset: boolean;
}

/** What a watch tells its owner. */
export interface WatchHandlers {
  /**
   * The watch stands for the first time: what changes after this revision will come. Of /consumers itself, which has the revisions of
   * many logs, it is 0 without a log.
   */
  started?(revision: number, log?: RevisionLog): void;
  /** All that one transaction did of what is watched. Revisions come in order, each once. */
  events(revision: number, events: readonly TreeEvent[], log?: LogEvents): void;
  /** Up to this revision there is nothing more than was told. */
  progress?(revision: number, log?: RevisionLog): void;
  /**
   * It is over. COMPACTED: changes were missed, because it began too far back, was away for too long, or a coordinator on
   * SQLite was started again: read what is there, and watch from the revision after it.
   */
  ended(why: Refusal): void;
}

/** A watch that stands. */
export interface NamespaceWatch {
  /** Ends it; nothing is told any more. */
  close(): void;
}

interface Open {
  readonly id: number;
  readonly options: WatchOptions;
  readonly handlers: WatchHandlers;
  /** Where to go on; undefined until it has stood once. */
  next: number | undefined;
  stood: boolean;
  /** What has come of a revision that is not complete yet. */
  partial: TreeEvent[];
}

/** The watches of one client on one stream, which is made again when it breaks: each goes on where it was. */
export class WatchLink {
  readonly #link: CoordinatorLink;
  readonly #world: ClientWorld;
  readonly #open = new Map<number, Open>();
  #ids = 0;
  #opened: OpenedStream<WatchRequest> | undefined;
  #heardMs = 0;
  #failures = 0;
  #closed = false;
  #cancelRetry: Cancel | undefined;
  #cancelListening: Cancel | undefined;

  constructor(link: CoordinatorLink, world: ClientWorld) {
    this.#link = link;
    this.#world = world;
  }

  /** Begins a watch. */
  watch(options: WatchOptions, handlers: WatchHandlers): NamespaceWatch {
    const open: Open = { id: ++this.#ids, options, handlers, next: options.from, stood: false, partial: [] };
    this.#open.set(open.id, open);
    if (this.#opened !== undefined) this.#start(open);
    else if (this.#cancelRetry === undefined) this.#cancelRetry = this.#world.clock.after(0, () => this.#connect());
    return { close: () => this.#stop(open) };
  }

  close(): void {
    this.#closed = true;
    this.#open.clear();
    this.#disconnect('the client is closed');
  }

  #connect(): void {
    this.#cancelRetry = undefined;
    if (this.#closed || this.#open.size === 0 || this.#opened !== undefined) return;
    const opened: OpenedStream<WatchRequest> = this.#link.open(WATCH, {
      message: (message) => {
        if (this.#opened === opened) this.#receive(message);
      },
      drained: () => {},
      closed: (failure) => {
        if (this.#opened !== opened) return;
        if (failure !== undefined && isLeaving(failure)) this.#link.passOver(opened.address);
        this.#broken(opened, failure?.message ?? 'the coordinator ended the stream');
      },
    });
    this.#opened = opened;
    this.#heardMs = this.#world.clock.monotonicMs();
    this.#cancelListening = this.#world.clock.every(WATCH_PROGRESS_MS, () => this.#listen(opened));
    for (const open of this.#open.values()) this.#start(open);
  }

  #start(open: Open): void {
    const { path, kind, withData = true } = open.options;
    open.partial = [];
    const fromRevision = BigInt(open.next ?? 0);
    this.#send({ case: 'start', value: { watchId: open.id, path, kind: KINDS[kind], fromRevision, withData } });
  }

  #stop(open: Open): void {
    if (!this.#open.delete(open.id)) return;
    this.#send({ case: 'stop', value: { watchId: open.id } });
    if (this.#open.size === 0) this.#disconnect('nothing is watched any more');
  }

  #receive({ watchId, response }: WatchResponse): void {
    this.#heardMs = this.#world.clock.monotonicMs();
    this.#failures = 0;
    const open = this.#open.get(watchId);
    if (open === undefined) return;
    switch (response.case) {
      case 'started': {
        const revision = Number(response.value.revision);
        open.next ??= revision + 1;
        if (open.stood) return;
        open.stood = true;
        return open.handlers.started?.(revision);
      }
      case 'events':
        return this.#events(open, response.value);
      case 'progress': {
        const revision = Number(response.value.revision);
        open.next = Math.max(open.next ?? 0, revision + 1);
        return open.handlers.progress?.(revision);
      }
      case 'ended': {
        const { code, message } = response.value;
        return this.#ended(open, refusal(isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR', message));
      }
      case undefined:
        return;
    }
  }

  #events(open: Open, { revision, events, complete }: WatchEvents): void {
    for (const message of events) {
      const event = eventOf(message);
      if (event !== undefined) open.partial.push(event);
    }
    if (!complete) return;
    const told = open.partial;
    open.partial = [];
    open.next = Number(revision) + 1;
    open.handlers.events(Number(revision), told);
  }

  #ended(open: Open, why: Refusal): void {
    if (!ERRORS[why.code].retriable) {
      this.#open.delete(open.id);
      open.handlers.ended(why);
      if (this.#open.size === 0) this.#disconnect('nothing is watched any more');
      return;
    }
    // It goes on where it was, if that is still kept.
    this.#world.clock.after(RECONNECT_MS_MAX, () => {
      if (this.#open.has(open.id) && this.#opened !== undefined) this.#start(open);
    });
  }

  #listen(opened: OpenedStream<WatchRequest>): void {
    const isSilent = this.#world.clock.monotonicMs() - this.#heardMs >= SILENCE_MS;
    // Whoever shares the link has found the active one elsewhere.
    const hasMoved = opened.address !== this.#link.address;
    if (!isSilent && !hasMoved) return;
    if (isSilent) opened.cut();
    this.#broken(opened, hasMoved ? 'another coordinator is asked now' : `nothing came for ${SILENCE_MS} ms`);
  }

  #broken({ address }: OpenedStream<WatchRequest>, why: string): void {
    const heard = this.#failures === 0;
    this.#disconnect(why);
    if (!heard) this.#link.passOver(address);
    this.#failures++;
    if (this.#closed || this.#open.size === 0) return;
    const waitMs = backoffMs(this.#failures, BACKOFF, this.#world.random);
    this.#world.logger.debug({ tries: this.#failures }, `no watches: ${why}`);
    this.#cancelRetry = this.#world.clock.after(waitMs, () => this.#connect());
  }

  #disconnect(why: string): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#cancelListening?.();
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.stream.abort({ kind: 'broken', code: 'COORDINATOR_UNAVAILABLE', message: why });
  }

  #send(request: NonNullable<MessageInitShape<typeof WatchRequestSchema>['request']>): void {
    this.#opened?.stream.send(create(WatchRequestSchema, { request }));
  }
}

const KINDS: Readonly<Record<WatchOptions['kind'], WatchKind>> = {
  data: WatchKind.DATA,
  children: WatchKind.CHILDREN,
  recursive: WatchKind.RECURSIVE,
};
