import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Revision } from '@weir/base/ids.ts';
import { WATCH_PROGRESS_MS, WATCHES_PER_STREAM_MAX } from '@weir/base/limits.ts';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import type { Stream, StreamHandlers } from '@weir/base/transport.ts';
import type { StartWatch, WatchRequest, WatchResponse } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { Coordinator } from '../coordinator.ts';
import type { NodeEvent } from '../namespace/node.ts';
import type { Watch, WatchOutput } from '../namespace/watches.ts';
import type { NamespaceHost, NamespaceStream } from '../namespace-host.ts';
import {
  watchEndedMessage,
  watchEventsMessage,
  watchKindOf,
  watchProgressMessage,
  watchStartedMessage,
} from './node-messages.ts';

/** Answers one client's stream of watches. */
export function acceptWatches(
  coordinator: Coordinator,
  clock: Clock,
  stream: Stream<WatchResponse>,
): StreamHandlers<WatchRequest> {
  const { namespace } = coordinator;
  const watches = new WatchStream(namespace, clock, stream);
  const refused = namespace.join(watches);
  if (refused !== undefined) watches.abort(refused);
  return {
    message: (request) => watches.message(request),
    drained: () => watches.drained(),
    closed: () => watches.closed(),
  };
}

interface OpenWatch {
  readonly id: number;
  readonly watch: Watch;
  readonly withData: boolean;
}

/**
 * The watches of one client, which share its stream. While that is full nothing is given to it: each watch then is behind in
 * the history, and ends when what it lacks is not kept any more.
 */
class WatchStream implements WatchOutput, NamespaceStream {
  readonly #namespace: NamespaceHost;
  readonly #stream: Stream<WatchResponse>;
  readonly #byId = new Map<number, OpenWatch>();
  readonly #byWatch = new Map<Watch, OpenWatch>();
  readonly #stopProgress: Cancel;
  full = false;
  /** Answers to requests that wait for the client to read: so many, and it is cut off. */
  #unread = 0;
  #over = false;

  constructor(namespace: NamespaceHost, clock: Clock, stream: Stream<WatchResponse>) {
    this.#namespace = namespace;
    this.#stream = stream;
    this.#stopProgress = clock.every(WATCH_PROGRESS_MS, () => this.#progress());
  }

  message({ request }: WatchRequest): void {
    if (this.#over) return;
    switch (request.case) {
      case 'start':
        return this.#start(request.value);
      case 'stop':
        return this.#stop(request.value.watchId);
      case undefined:
        return this.abort(refusal('INVALID_REQUEST', 'this request neither starts nor stops a watch'));
    }
  }

  events(watch: Watch, batch: { revision: Revision; events: readonly NodeEvent[]; complete: boolean }): void {
    const { id, withData } = this.#byWatch.get(watch)!;
    this.#send(watchEventsMessage(id, batch, { withData }));
  }

  ended(watch: Watch, why: Refusal): void {
    const { id } = this.#byWatch.get(watch)!;
    this.#forget(watch, id);
    this.#send(watchEndedMessage(id, why, this.#namespace.oldest(watch.request.path)));
  }

  drained(): void {
    this.full = false;
    this.#unread = 0;
    // In turn: one that was given something goes to the end.
    for (const [watch, open] of this.#byWatch) {
      if (this.full) return;
      if (watch.behind === undefined) continue;
      this.#byWatch.delete(watch);
      this.#byWatch.set(watch, open);
      this.#namespace.pump(watch);
      if (watch.behind !== undefined) return;
    }
  }

  abort(why: Refusal): void {
    if (this.#over) return;
    this.#stream.abort({ kind: 'refused', ...why });
    this.closed();
  }

  closed(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopProgress();
    this.#namespace.part(this);
    for (const watch of this.#byWatch.keys()) this.#namespace.stopWatch(watch);
  }

  /** Tells the watches that have everything up to which revision that is. */
  #progress(): void {
    for (const { id, watch } of this.#byId.values()) {
      if (this.full || this.#over) return;
      if (watch.behind === undefined) this.#send(watchProgressMessage(id, this.#namespace.revision));
    }
  }

  #start({ watchId: id, path, kind: kindMessage, fromRevision, withData }: StartWatch): void {
    if (this.#byId.has(id)) return this.abort(refusal('INVALID_REQUEST', `the stream has a watch ${id} already`));
    const refuse = (why: Refusal, oldest = 0): void => this.#answer(watchEndedMessage(id, why, oldest));
    if (this.#byId.size >= WATCHES_PER_STREAM_MAX) {
      return refuse(
        refusal('POLICY_VIOLATION', `a stream has at most ${WATCHES_PER_STREAM_MAX} watches: open another`),
      );
    }
    const kind = watchKindOf(kindMessage);
    if (kind === undefined)
      return refuse(refusal('INVALID_REQUEST', 'this coordinator does not know that kind of watch'));
    const from = fromRevision === 0n ? undefined : Number(fromRevision);
    const started = this.#namespace.startWatch({ path, kind, from }, this);
    if ('code' in started) {
      return refuse(started, started.code === 'COMPACTED' ? this.#namespace.oldest(path) : 0);
    }
    const open: OpenWatch = { id, watch: started, withData };
    this.#byId.set(id, open);
    this.#byWatch.set(started, open);
    this.#answer(watchStartedMessage(id, this.#namespace.revision));
    this.#namespace.pump(started);
  }

  #stop(id: number): void {
    const open = this.#byId.get(id);
    if (open === undefined) return;
    this.#namespace.stopWatch(open.watch);
    this.#forget(open.watch, id);
  }

  #forget(watch: Watch, id: number): void {
    this.#byId.delete(id);
    this.#byWatch.delete(watch);
  }

  #answer(message: WatchResponse): void {
    this.#send(message);
    if (!this.full || ++this.#unread <= WATCHES_PER_STREAM_MAX) return;
    this.abort(refusal('SLOW_READER', 'the client asks for watches and does not read what becomes of them'));
  }

  #send(message: WatchResponse): void {
    if (!this.#stream.send(message)) this.full = true;
  }
}
