import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  CONSUMER_WATCH_STREAMS_MAX,
  CONSUMER_WATCHES_MAX,
  CONSUMER_WATCHES_PER_STREAM_MAX,
} from '@weir/base/group-limits.ts';
import { WATCH_PROGRESS_MS } from '@weir/base/limits.ts';
import type { Stream, StreamHandlers } from '@weir/base/transport.ts';
import {
  ConsumerEventKind,
  ConsumerWatchKind,
  WatchConsumersResponseSchema,
} from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type {
  ConsumerEventSchema,
  ConsumerRevision,
  StartConsumerWatch,
  WatchConsumersRequest,
  WatchConsumersResponse,
} from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import type { GroupShard } from '../group/group-shard.ts';
import type { ConsumerEvent } from '../group/tree/consumer-node.ts';
import type { TreeBatch, TreeWatch, TreeWatchKind, TreeWatchOutput } from '../group/tree/tree-watches.ts';
import { askedPath, atOf, nodeMessage, shardRefusal } from './consumer-messages.ts';

/** The streams of watches of one broker. */
export class ConsumerWatchStreams {
  /** On all of them. */
  watches = 0;
  readonly #streams = new Set<ConsumerWatchStream>();
  #ended: Refusal | undefined;

  /** Takes in a new stream; the reason when it cannot. */
  join(stream: ConsumerWatchStream): Refusal | undefined {
    if (this.#ended !== undefined) return this.#ended;
    if (this.#streams.size >= CONSUMER_WATCH_STREAMS_MAX) {
      const message = `this broker has ${CONSUMER_WATCH_STREAMS_MAX} streams of watches, which is the most it takes`;
      return refusal('THROTTLING_QUOTA_EXCEEDED', message);
    }
    this.#streams.add(stream);
    return undefined;
  }

  part(stream: ConsumerWatchStream): void {
    this.#streams.delete(stream);
  }

  /** Lets go of every client: each looks for who leads next. */
  stop(why: Refusal): void {
    this.#ended = why;
    for (const stream of this.#streams) stream.abort(why);
  }
}

interface WatchStreamParts {
  readonly groups: GroupCoordinator;
  readonly clock: Clock;
  readonly consumerWatches: ConsumerWatchStreams;
}

/** Answers one client's stream of watches. */
export function acceptConsumerWatches(
  parts: WatchStreamParts,
  stream: Stream<WatchConsumersResponse>,
): StreamHandlers<WatchConsumersRequest> {
  const watches = new ConsumerWatchStream(parts, stream);
  const refused = parts.consumerWatches.join(watches);
  if (refused !== undefined) watches.abort(refused);
  return {
    message: (request) => watches.message(request),
    drained: () => watches.drained(),
    closed: () => watches.closed(),
  };
}

interface OpenWatch {
  readonly id: number;
  readonly watch: TreeWatch;
  readonly shard: GroupShard;
  readonly withData: boolean;
}

/**
 * The watches of one client, which share its stream. While that is full nothing is given to any: each then falls behind, and is told what
 * there is in place of what happened when that is not kept any more.
 */
class ConsumerWatchStream implements TreeWatchOutput {
  readonly #parts: WatchStreamParts;
  readonly #stream: Stream<WatchConsumersResponse>;
  readonly #byId = new Map<number, OpenWatch>();
  readonly #byWatch = new Map<TreeWatch, OpenWatch>();
  readonly #stopProgress: Cancel;
  full = false;
  /** Answers to requests that wait for the client to read: so many, and it is cut off. */
  #unread = 0;
  #over = false;

  constructor(parts: WatchStreamParts, stream: Stream<WatchConsumersResponse>) {
    this.#parts = parts;
    this.#stream = stream;
    this.#stopProgress = parts.clock.every(WATCH_PROGRESS_MS, () => this.#progress());
  }

  message({ request }: WatchConsumersRequest): void {
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

  events(watch: TreeWatch, { revision, events, complete, reset }: TreeBatch): void {
    const { id, shard, withData } = this.#byWatch.get(watch)!;
    const value = {
      at: atOf(shard, revision),
      events: events.map((one) => eventMessage(one, withData)),
      complete,
      reset,
    };
    this.#send(id, { case: 'events', value });
  }

  ended(watch: TreeWatch, why: Refusal): void {
    const { id } = this.#byWatch.get(watch)!;
    this.#forget(watch, id);
    this.#send(id, { case: 'ended', value: why });
  }

  drained(): void {
    this.full = false;
    this.#unread = 0;
    // In turn: one that was given something goes to the end.
    for (const [watch, open] of this.#byWatch) {
      if (this.full) return;
      if (watch.place.kind === 'current') continue;
      this.#byWatch.delete(watch);
      this.#byWatch.set(watch, open);
      open.shard.tree.watches.pump(watch);
    }
  }

  closed(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopProgress();
    const { consumerWatches } = this.#parts;
    consumerWatches.part(this);
    consumerWatches.watches -= this.#byId.size;
    for (const { watch, shard } of this.#byId.values()) shard.tree.watches.stop(watch);
    this.#byId.clear();
    this.#byWatch.clear();
  }

  /** Tells the watches that have everything up to which revision that is. */
  #progress(): void {
    for (const { id, watch, shard } of this.#byId.values()) {
      if (this.full || this.#over) return;
      if (watch.place.kind === 'current') this.#send(id, { case: 'progress', value: { at: atOf(shard) } });
    }
  }

  #start(start: StartConsumerWatch): void {
    const { watchId: id, from, partition, withData } = start;
    if (this.#byId.has(id)) return this.abort(refusal('INVALID_REQUEST', `the stream has a watch ${id} already`));
    const refuse = (why: Refusal): void => this.#answer(id, { case: 'ended', value: why });
    const { consumerWatches, groups } = this.#parts;
    if (this.#byId.size >= CONSUMER_WATCHES_PER_STREAM_MAX || consumerWatches.watches >= CONSUMER_WATCHES_MAX) {
      const message = `this broker has as many watches as it takes, ${CONSUMER_WATCHES_PER_STREAM_MAX} on one stream`;
      return refuse(refusal('THROTTLING_QUOTA_EXCEEDED', message));
    }
    const kind = kindOf(start.kind);
    if (kind === undefined) return refuse(refusal('INVALID_REQUEST', 'this broker does not know that kind of watch'));
    const asked = askedPath(start.path);
    if ('code' in asked) return refuse(asked);
    const { path, group } = asked;
    const shard = group === undefined ? groups.shardAt(partition) : groups.shardOf(group);
    if (typeof shard === 'string') return refuse(shardRefusal(shard));
    const watch = shard.tree.watches.start({ path, kind, group }, this, beginningOf(shard, from));
    const open: OpenWatch = { id, watch, shard, withData };
    this.#byId.set(id, open);
    this.#byWatch.set(watch, open);
    consumerWatches.watches++;
    this.#answer(id, { case: 'started', value: { at: atOf(shard) } });
    shard.tree.watches.pump(watch);
  }

  #stop(id: number): void {
    const open = this.#byId.get(id);
    if (open === undefined) return;
    open.shard.tree.watches.stop(open.watch);
    this.#forget(open.watch, id);
  }

  #forget(watch: TreeWatch, id: number): void {
    this.#byId.delete(id);
    this.#byWatch.delete(watch);
    this.#parts.consumerWatches.watches--;
  }

  abort(why: Refusal): void {
    if (this.#over) return;
    this.#stream.abort({ kind: 'refused', ...why });
    this.closed();
  }

  #answer(id: number, response: MessageInitShape<typeof WatchConsumersResponseSchema>['response'] & object): void {
    this.#send(id, response);
    if (!this.full || ++this.#unread <= CONSUMER_WATCHES_PER_STREAM_MAX) return;
    this.abort(refusal('SLOW_READER', 'the client asks for watches and does not read what becomes of them'));
  }

  #send(watchId: number, response: MessageInitShape<typeof WatchConsumersResponseSchema>['response'] & object): void {
    if (!this.#stream.send(create(WatchConsumersResponseSchema, { watchId, response }))) this.full = true;
  }
}

/** Where a watch begins. What was seen in an epoch that ended earlier is of a log that went on otherwise. */
function beginningOf(shard: GroupShard, from: ConsumerRevision | undefined): number | 'now' | 'lost' {
  if (from === undefined) return 'now';
  const { leaderEpoch, revision } = from;
  const first = Number(revision);
  if (leaderEpoch >= 0) {
    const { endOffset } = shard.partition.epochEnd(leaderEpoch);
    if (endOffset === -1 || first - 1 > endOffset) return 'lost';
  }
  return first;
}

function kindOf(kind: ConsumerWatchKind): TreeWatchKind | undefined {
  switch (kind) {
    case ConsumerWatchKind.DATA:
      return 'data';
    case ConsumerWatchKind.CHILDREN:
      return 'children';
    case ConsumerWatchKind.RECURSIVE:
      return 'recursive';
    case ConsumerWatchKind.UNSPECIFIED:
      return undefined;
    default:
      return undefined;
  }
}

const EVENT_KINDS: Readonly<Record<ConsumerEvent['kind'], ConsumerEventKind>> = {
  created: ConsumerEventKind.CREATED,
  changed: ConsumerEventKind.CHANGED,
  deleted: ConsumerEventKind.DELETED,
};

function eventMessage(event: ConsumerEvent, withData: boolean): MessageInitShape<typeof ConsumerEventSchema> {
  const { path } = event;
  const kind = EVENT_KINDS[event.kind];
  return event.kind === 'deleted' ? { kind, path } : { kind, path, node: nodeMessage(event.node, { withData }) };
}
