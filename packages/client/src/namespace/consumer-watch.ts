import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, isErrorCode, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { RECONNECT_MS_MAX, RECONNECT_MS_MIN } from '@weir/base/limits.ts';
import { ConsumerWatchKind } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type { ConsumerWatchEvents, WatchConsumersResponse } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import { backoffMs } from '../backoff.ts';
import type { ClientWorld } from '../world.ts';
import { consumerEventOf, logRevisionOf } from './consumer-node.ts';
import type { LogRevision } from './consumer-node.ts';
import type { ConsumerWatchLink, LinkedWatch } from './consumer-watch-link.ts';
import type { TreeEvent } from './tree-node.ts';
import type { LogEvents, RevisionLog, WatchOptions } from './watch-link.ts';

const BACKOFF = { minMs: RECONNECT_MS_MIN, maxMs: RECONNECT_MS_MAX };

/** What a watch over one log needs of the rest. */
export interface ConsumerWatchParts {
  readonly world: ClientWorld;
  /** host:port of who leads a partition of `__consumer_offsets` now; undefined: nobody. */
  leaderOf(partition: number): string | undefined;
  /** To a broker, made when there is none. */
  linkTo(address: string): ConsumerWatchLink;
}

/** What a watch over one log tells its owner. */
export interface ConsumerWatchHandlers {
  started(revision: number, log: RevisionLog): void;
  events(revision: number, events: readonly TreeEvent[], log: LogEvents): void;
  progress(revision: number, log: RevisionLog): void;
  ended(why: Refusal): void;
}

/** One watch over the groups of one log: it follows the log's leader, and goes on behind the last revision that came. */
export class ConsumerWatch implements LinkedWatch {
  readonly #parts: ConsumerWatchParts;
  readonly #options: Pick<WatchOptions, 'path' | 'kind' | 'withData'>;
  readonly #partition: number;
  readonly #handlers: ConsumerWatchHandlers;
  /** The first revision that is wanted, and the epoch in which the one before it was told; undefined until it has stood once. */
  #next: LogRevision | undefined;
  #hasStood = false;
  #isClosed = false;
  /** What has come of a revision that is not complete yet. */
  #partial: TreeEvent[] = [];
  #link: ConsumerWatchLink | undefined;
  #failures = 0;
  #cancelRetry: Cancel | undefined;

  constructor(
    parts: ConsumerWatchParts,
    options: Pick<WatchOptions, 'path' | 'kind' | 'withData'>,
    { partition, next }: { readonly partition: number; readonly next: LogRevision | undefined },
    handlers: ConsumerWatchHandlers,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#partition = partition;
    this.#next = next;
    this.#handlers = handlers;
    this.#start();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#link?.stop(this);
    this.#link = undefined;
  }

  /** The metadata has changed: perhaps another broker leads. */
  look(): void {
    if (this.#link === undefined || this.#isClosed) return;
    const address = this.#parts.leaderOf(this.#partition);
    if (address === undefined || address === this.#link.address) return;
    this.#link.stop(this);
    this.#start();
  }

  received(response: WatchConsumersResponse['response']): void {
    switch (response.case) {
      case 'started': {
        const { leaderEpoch, revision } = logRevisionOf(response.value.at);
        this.#failures = 0;
        this.#next ??= { leaderEpoch, revision: revision + 1 };
        if (this.#hasStood) return;
        this.#hasStood = true;
        return this.#handlers.started(revision, { partition: this.#partition, leaderEpoch });
      }
      case 'events':
        return this.#events(response.value);
      case 'progress': {
        const { leaderEpoch, revision } = logRevisionOf(response.value.at);
        this.#next = { leaderEpoch, revision: revision + 1 };
        return this.#handlers.progress(revision, { partition: this.#partition, leaderEpoch });
      }
      case 'ended': {
        this.#link?.ended(this);
        const { code, message } = response.value;
        return this.#ended(refusal(isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR', message));
      }
      case undefined:
    }
  }

  broken(why: string): void {
    this.#link = undefined;
    this.#retry(why);
  }

  #start(): void {
    this.#cancelRetry = undefined;
    this.#link = undefined;
    this.#partial = [];
    const address = this.#parts.leaderOf(this.#partition);
    if (address === undefined) return this.#retry(`nobody leads partition ${this.#partition} of the groups`);
    const { path, kind, withData = true } = this.#options;
    const from = this.#next && { leaderEpoch: this.#next.leaderEpoch, revision: BigInt(this.#next.revision) };
    this.#link = this.#parts.linkTo(address);
    this.#link.start(this, {
      path,
      kind: KINDS[kind],
      partition: this.#partition,
      withData,
      ...(from === undefined ? {} : { from }),
    });
  }

  #events({ at, events, complete, reset }: ConsumerWatchEvents): void {
    for (const message of events) {
      const event = consumerEventOf(message);
      if (event !== undefined) this.#partial.push(event);
    }
    if (!complete) return;
    const told = this.#partial;
    this.#partial = [];
    const { leaderEpoch, revision } = logRevisionOf(at);
    this.#next = { leaderEpoch, revision: revision + 1 };
    this.#handlers.events(revision, told, { partition: this.#partition, leaderEpoch, reset });
  }

  #ended(why: Refusal): void {
    this.#link = undefined;
    if (ERRORS[why.code].retriable) return this.#retry(`${why.message} (${why.code})`);
    this.#isClosed = true;
    this.#handlers.ended(why);
  }

  /** It goes on where it was, wherever that is then. */
  #retry(why: string): void {
    if (this.#isClosed) return;
    const { clock, random, logger } = this.#parts.world;
    const waitMs = backoffMs(++this.#failures, BACKOFF, random);
    logger.debug({ tries: this.#failures }, `${this.#options.path} is not watched for now: ${why}`);
    this.#cancelRetry = clock.after(waitMs, () => this.#start());
  }
}

const KINDS: Readonly<Record<WatchOptions['kind'], ConsumerWatchKind>> = {
  data: ConsumerWatchKind.DATA,
  children: ConsumerWatchKind.CHILDREN,
  recursive: ConsumerWatchKind.RECURSIVE,
};
