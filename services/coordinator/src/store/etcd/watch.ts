import { create } from '@bufbuild/protobuf';
import { present } from '@weir/base/assert.ts';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import { revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { ETCD_PROGRESS_MS, ETCD_SILENCE_MS, RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { WatchRequestSchema } from '@weir/proto/etcd/rpc_pb.js';
import type { WatchRequest as EtcdWatchRequest, WatchResponse } from '@weir/proto/etcd/rpc_pb.js';
import { StoreFault } from '../metadata-store.ts';
import type { Watch, WatchHandlers, WatchLoss, WatchRequest } from '../metadata-store.ts';
import { EtcdError, failureOfCancel } from './failure.ts';
import type { EtcdFailure } from './failure.ts';
import { revisionOf } from './messages.ts';
import type { EtcdMessages } from './messages.ts';
import { RevisionGroups } from './revision-groups.ts';

/** A stream of etcd's Watch on some member. */
export interface WatchStream {
  send(request: EtcdWatchRequest): void;
  close(): void;
  /** Closes it because of a failure: the next one is on another member. */
  giveUp(failure: EtcdFailure): void;
}

/** What a watch needs of etcd. */
export interface WatchedEtcd {
  /** @throws EtcdError when no member can be had */
  open(handlers: { message(response: WatchResponse): void; closed(failure: EtcdFailure): void }): Promise<WatchStream>;
  /** The store's revision, which no member that lags can answer. */
  revision(): Promise<Revision>;
}

const PROGRESS = create(WatchRequestSchema, { requestUnion: { case: 'progressRequest', value: {} } });

/**
 * A watch that outlives its streams: it begins again behind what it has told. A member that is silent is left, for it
 * may be paused or cut off; progress answers keep the position ahead of what is compacted while nothing changes.
 */
export class EtcdWatch implements Watch {
  readonly #etcd: WatchedEtcd;
  readonly #messages: EtcdMessages;
  readonly #clock: Clock;
  readonly #request: WatchRequest;
  readonly #handlers: WatchHandlers;
  readonly #cancelTicks: Cancel;
  /** Everything up to here was told, or is known to have been nothing. */
  #position: Revision;
  #state: State = { kind: 'opening' };
  /** Counts streams, so that what is left of an earlier one is told apart. */
  #attempt = 0;
  #backoffMs = RETRY_BACKOFF_MS_MIN;

  constructor(
    etcd: WatchedEtcd,
    watched: {
      readonly request: WatchRequest;
      readonly handlers: WatchHandlers;
      readonly messages: EtcdMessages;
      readonly clock: Clock;
    },
  ) {
    this.#etcd = etcd;
    this.#messages = watched.messages;
    this.#clock = watched.clock;
    this.#request = watched.request;
    this.#handlers = watched.handlers;
    this.#position = watched.request.after;
    this.#cancelTicks = watched.clock.every(ETCD_PROGRESS_MS, () => this.#tick());
    void this.#open();
  }

  close(): void {
    this.#cancelTicks();
    this.#leave();
    this.#state = { kind: 'closed' };
  }

  async #open(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#state = { kind: 'opening' };
    const groups = new RevisionGroups(this.#position);
    try {
      const stream = await this.#etcd.open({
        message: (response) => {
          if (attempt === this.#attempt) this.#take(response, groups);
        },
        closed: (failure) => {
          if (attempt === this.#attempt) this.#broke(failure);
        },
      });
      if (attempt !== this.#attempt) return stream.close();
      this.#state = { kind: 'open', stream, heardMs: this.#clock.monotonicMs() };
      stream.send(this.#creation());
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#broke(error instanceof EtcdError ? error.failure : { kind: 'refused', message: messageOf(error) });
    }
  }

  #creation(): EtcdWatchRequest {
    const { prefix } = this.#request;
    const value = {
      $typeName: 'etcdserverpb.WatchCreateRequest',
      key: this.#messages.key(prefix),
      rangeEnd: this.#messages.end(prefix),
      startRevision: BigInt(this.#position) + 1n,
      fragment: true,
    } as const;
    return create(WatchRequestSchema, { requestUnion: { case: 'createRequest', value } });
  }

  #take(response: WatchResponse, groups: RevisionGroups): void {
    if (this.#state.kind === 'open') this.#state.heardMs = this.#clock.monotonicMs();
    if (response.canceled) return this.#cancelled(response);
    if (response.created) this.#backoffMs = RETRY_BACKOFF_MS_MIN;
    if (response.events.length > 0 || response.fragment) return this.#tell(response, groups);
    const at = revisionOf(response);
    if (at < this.#position) void this.#checkRewound();
    // The answer to the creation says where the member is, not that all until there was told.
    else if (!response.created) this.#position = at;
  }

  #tell(response: WatchResponse, groups: RevisionGroups): void {
    const attempt = this.#attempt;
    const events = response.events.map((event) => ({
      revision: revision(Number(present(event.kv, 'an event has a key').modRevision)),
      event: this.#messages.event(event),
    }));
    try {
      for (const revised of groups.add(events, response.fragment)) {
        this.#position = revised.revision;
        this.#handlers.revised(revised);
        // The handler may have closed it.
        if (attempt !== this.#attempt) return;
      }
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      this.#broke(error.failure);
    }
  }

  #cancelled({ compactRevision, cancelReason }: WatchResponse): void {
    if (compactRevision > 0n) return this.#lose({ kind: 'compacted' });
    this.#broke(failureOfCancel(cancelReason));
  }

  /** A member may lag behind what was read from another one. Only a store that is older as a whole was put back. */
  async #checkRewound(): Promise<void> {
    const attempt = this.#attempt;
    try {
      const newest = await this.#etcd.revision();
      if (attempt === this.#attempt && newest < this.#position) this.#lose({ kind: 'rewound' });
    } catch {
      // Found out with the next answer, or with the next stream.
    }
  }

  #tick(): void {
    if (this.#state.kind !== 'open') return;
    const silentMs = this.#clock.monotonicMs() - this.#state.heardMs;
    if (silentMs <= ETCD_SILENCE_MS) return this.#state.stream.send(PROGRESS);
    this.#broke({ kind: 'unknown', message: `the watch was silent for ${Math.round(silentMs)} ms` });
  }

  #broke(failure: EtcdFailure): void {
    if (failure.kind === 'refused') {
      const message = `etcd refuses a watch: ${failure.message}`;
      return this.#lose({ kind: 'fault', fault: new StoreFault(message, { retriable: false }) });
    }
    this.#leave(failure);
    const attempt = this.#attempt;
    const cancel = this.#clock.after(this.#backoffMs, () => {
      if (attempt === this.#attempt) void this.#open();
    });
    this.#state = { kind: 'waiting', cancel };
    this.#backoffMs = Math.min(2 * this.#backoffMs, RETRY_BACKOFF_MS_MAX);
  }

  #lose(loss: WatchLoss): void {
    this.close();
    this.#handlers.lost(loss);
  }

  /** Lets go of the stream, if there is one: nothing of it is heard any more. */
  #leave(failure?: EtcdFailure): void {
    this.#attempt++;
    const state = this.#state;
    if (state.kind === 'waiting') state.cancel();
    if (state.kind !== 'open') return;
    if (failure === undefined) state.stream.close();
    else state.stream.giveUp(failure);
  }
}

type State =
  | { readonly kind: 'opening' }
  | { readonly kind: 'open'; readonly stream: WatchStream; heardMs: number }
  | { readonly kind: 'waiting'; readonly cancel: Cancel }
  | { readonly kind: 'closed' };
