import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Cancel } from '@weir/base/clock.ts';
import { CONSUMER_WATCHES_PER_STREAM_MAX } from '@weir/base/group-limits.ts';
import { SESSION_TIMEOUT_MS, WATCH_PROGRESS_MS } from '@weir/base/limits.ts';
import { ConsumerTreeService, WatchConsumersRequestSchema } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type {
  StartConsumerWatchSchema,
  WatchConsumersRequest,
  WatchConsumersResponse,
} from '@weir/proto/weir/broker/v1/consumers_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { OpenedStream } from '../connections.ts';
import type { LeaderCallParts } from '../leader-calls.ts';

const WATCH = protobufMethod(ConsumerTreeService.method.watchConsumers);
/** Watches hear of progress every WATCH_PROGRESS_MS: a stream that is silent for much longer leads nowhere. */
const SILENCE_MS = WATCH_PROGRESS_MS + SESSION_TIMEOUT_MS;

/** A watch that goes over a link. */
export interface LinkedWatch {
  received(response: WatchConsumersResponse['response']): void;
  /** The link is gone, and nothing more comes over it. */
  broken(why: string): void;
}

/** What to begin, but for its number. */
export type WatchStart = Omit<MessageInitShape<typeof StartConsumerWatchSchema>, 'watchId' | '$typeName'>;

/** The watches of one client at one broker, on one stream. It is made for the first and gone with the last. */
export class ConsumerWatchLink {
  readonly address: string;
  readonly #parts: LeaderCallParts;
  readonly #gone: (link: ConsumerWatchLink) => void;
  readonly #watches = new Map<number, LinkedWatch>();
  readonly #ids = new Map<LinkedWatch, number>();
  readonly #opened: OpenedStream<WatchConsumersRequest>;
  readonly #cancelListening: Cancel;
  #lastId = 0;
  #heardMs: number;
  #isOver = false;

  /** @param gone - it is over: the next watch needs another one */
  constructor(address: string, parts: LeaderCallParts, gone: (link: ConsumerWatchLink) => void) {
    this.address = address;
    this.#parts = parts;
    this.#gone = gone;
    const { clock } = parts.world;
    this.#heardMs = clock.monotonicMs();
    this.#opened = parts.connections.open(address, WATCH, {
      message: ({ watchId, response }) => {
        this.#heardMs = clock.monotonicMs();
        this.#watches.get(watchId)?.received(response);
      },
      drained: () => {},
      closed: (failure) => this.#break(failure?.message ?? 'the broker ended the stream'),
    });
    this.#cancelListening = clock.every(WATCH_PROGRESS_MS, () => this.#listen());
  }

  get hasRoom(): boolean {
    return !this.#isOver && this.#watches.size < CONSUMER_WATCHES_PER_STREAM_MAX;
  }

  start(watch: LinkedWatch, start: WatchStart): void {
    // It ended while it was made.
    if (this.#isOver) return void this.#parts.world.clock.after(0, () => watch.broken('the broker cannot be reached'));
    const watchId = ++this.#lastId;
    this.#watches.set(watchId, watch);
    this.#ids.set(watch, watchId);
    this.#send({ case: 'start', value: { ...start, watchId } });
  }

  /** Nothing more is told to a watch. */
  stop(watch: LinkedWatch): void {
    const watchId = this.#ids.get(watch);
    if (watchId === undefined) return;
    this.#forget(watch, watchId);
    this.#send({ case: 'stop', value: { watchId } });
    if (this.#watches.size === 0) this.#end('nothing is watched there any more');
  }

  /** The broker has ended a watch. */
  ended(watch: LinkedWatch): void {
    const watchId = this.#ids.get(watch);
    if (watchId !== undefined) this.#forget(watch, watchId);
    if (this.#watches.size === 0) this.#end('nothing is watched there any more');
  }

  #listen(): void {
    if (this.#parts.world.clock.monotonicMs() - this.#heardMs < SILENCE_MS) return;
    this.#opened.cut();
    this.#break(`nothing came for ${SILENCE_MS} ms`);
  }

  #break(why: string): void {
    if (this.#isOver) return;
    this.#end(why);
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    this.#ids.clear();
    for (const watch of watches) watch.broken(why);
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelListening();
    this.#gone(this);
    this.#opened.stream.abort({ kind: 'broken', code: 'COORDINATOR_NOT_AVAILABLE', message: why });
  }

  #forget(watch: LinkedWatch, watchId: number): void {
    this.#watches.delete(watchId);
    this.#ids.delete(watch);
  }

  #send(request: NonNullable<MessageInitShape<typeof WatchConsumersRequestSchema>['request']>): void {
    if (!this.#isOver) this.#opened.stream.send(create(WatchConsumersRequestSchema, { request }));
  }
}
