import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN, SUBSCRIPTION_CREDIT_BYTES_MAX } from '@weir/base/limits.ts';
import { batchBytesOf, lastOffsetOf, BATCH_HEADER_BYTES } from '@weir/records/batch-header.ts';
import { backoffMs } from '../backoff.ts';
import type { TopicInfo } from '../metadata/cluster-image.ts';
import type { Metadata } from '../metadata/metadata.ts';
import type { ClientWorld } from '../world.ts';
import type { FetchLink, LinkReader } from './fetch-link.ts';

const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** Where to begin, and how much may come. */
export interface SubscribeRequest {
  readonly topic: string;
  readonly partition: number;
  /** First offset wanted. The first batch may begin before it. */
  readonly offset: number;
  /** Bytes that may come before more credit is given; at most SUBSCRIPTION_CREDIT_BYTES_MAX count. */
  readonly creditBytes: number;
}

/** How far the partition goes, with every frame. */
export interface FetchMarks {
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/** A frame's place. */
export interface FrameInfo extends FetchMarks {
  /** The first offset wanted of the frame: records before it are to be skipped. */
  readonly fromOffset: number;
  /** Where the next frame begins. */
  readonly nextOffset: number;
}

/** What a subscription tells its owner; none of it before `subscribe` returns. */
export interface SubscriptionHandlers {
  /** Whole batches, in order. The buffer belongs to the receiver. */
  batches(records: Buffer, info: FrameInfo): void;
  /** All that was committed has been seen. Comes again after a change of leader. */
  caughtUp(info: FetchMarks): void;
  /** It cannot go on; the last that is called. */
  ended(why: Refusal): void;
}

/** A running subscription. */
export interface Subscription {
  /** Lets the broker send that many more bytes. */
  credit(bytes: number): void;
  /** Handlers are not called again. */
  close(): void;
}

/** What a subscription needs of the fetcher. */
export interface SubscriptionParts {
  readonly metadata: Metadata;
  readonly world: ClientWorld;
  /** The stream to a partition's leader; undefined while there is none. */
  readonly linkTo: (topic: TopicInfo, partition: number) => FetchLink | undefined;
  readonly over: (subscription: PartitionReader) => void;
}

type State =
  | { readonly kind: 'parked' }
  | { readonly kind: 'backoff'; readonly cancel: Cancel }
  | { readonly kind: 'open'; readonly link: FetchLink; readonly id: number; readonly leaderEpoch: number }
  | { readonly kind: 'over' };

/**
 * One partition read from an offset on, wherever its leader is: after a change of leader or a broken stream it goes on
 * at the next offset by itself.
 *
 * Invariant: `#creditBytes` is what was granted and has not come; negative after a batch that was larger than the rest.
 */
export class PartitionReader implements Subscription, LinkReader {
  readonly #request: SubscribeRequest;
  readonly #handlers: SubscriptionHandlers;
  readonly #parts: SubscriptionParts;
  #state: State = { kind: 'parked' };
  #next: number;
  #creditBytes: number;
  /** The same as the broker counts it: a new subscription cannot begin below 0. */
  #brokerCreditBytes = 0;
  #failures = 0;
  /** What it has begun to read: a topic that was created again under the same name is another one. */
  #topicId: TopicId | undefined;

  constructor(request: SubscribeRequest, handlers: SubscriptionHandlers, parts: SubscriptionParts) {
    this.#request = request;
    this.#handlers = handlers;
    this.#parts = parts;
    this.#next = request.offset;
    this.#creditBytes = Math.min(request.creditBytes, SUBSCRIPTION_CREDIT_BYTES_MAX);
    // Not in the caller's own turn: it has no subscription to close yet.
    parts.world.clock.endOfTurn(() => {
      if (this.#state.kind === 'parked') this.#begin();
    });
  }

  credit(bytes: number): void {
    const granted = Math.min(bytes, SUBSCRIPTION_CREDIT_BYTES_MAX - this.#creditBytes);
    if (granted <= 0 || this.#state.kind === 'over') return;
    this.#creditBytes += granted;
    if (this.#state.kind !== 'open') return;
    const lacking = this.#creditBytes - this.#brokerCreditBytes;
    if (lacking <= 0) return;
    this.#brokerCreditBytes += lacking;
    this.#state.link.credit(this.#state.id, lacking);
  }

  close(): void {
    const { kind } = this.#state;
    if (kind === 'over') return;
    if (this.#state.kind === 'open') this.#state.link.remove(this.#state.id);
    this.#over();
  }

  /** Ends it from our side. */
  end(why: Refusal): void {
    if (this.#state.kind === 'over') return;
    this.close();
    this.#handlers.ended(why);
  }

  /** A topic was deleted. */
  topicDeleted(id: TopicId): void {
    if (this.#topicId === id) this.end(this.#gone());
  }

  /** The image has changed: a parked one looks for its leader, an open one whether it is still the same. */
  imageChanged(): void {
    if (this.#state.kind === 'parked') return this.#attach();
    if (this.#state.kind !== 'open') return;
    const topic = this.#parts.metadata.image.topic(this.#request.topic);
    if (topic !== undefined && topic.id !== this.#topicId) return this.end(this.#gone());
    const partition = topic?.partitions[this.#request.partition];
    if (partition === undefined || partition.leaderEpoch <= this.#state.leaderEpoch) return;
    this.#state.link.remove(this.#state.id);
    this.#attach();
  }

  frame(records: Buffer, marks: FetchMarks): void {
    this.#failures = 0;
    if (records.length === 0) return this.#handlers.caughtUp(marks);
    const fromOffset = this.#next;
    const nextOffset = nextOffsetAfter(records);
    if (nextOffset === undefined) {
      return this.end({ code: 'CORRUPT_MESSAGE', message: `a frame of ${this.#name()} is not made of whole batches` });
    }
    this.#creditBytes -= records.length;
    this.#brokerCreditBytes -= records.length;
    this.#next = Math.max(fromOffset, nextOffset);
    this.#handlers.batches(records, { ...marks, fromOffset, nextOffset: this.#next });
  }

  failed(why: Refusal): void {
    if (this.#state.kind !== 'open') return;
    if (!ERRORS[why.code].retriable) {
      this.#over();
      return this.#handlers.ended(why);
    }
    this.#tryAgain(why);
  }

  broken(why: Refusal): void {
    if (this.#state.kind === 'open') this.#tryAgain(why);
  }

  #begin(): void {
    const { metadata } = this.#parts;
    const { topic, partition } = this.#request;
    const known = metadata.image.topic(topic);
    if (known === undefined) {
      this.#state = { kind: 'parked' };
      metadata.findTopic(topic).then(
        () => {
          if (this.#state.kind === 'parked') this.#begin();
        },
        (error: unknown) => {
          const why: Refusal =
            error instanceof WeirError ? error : { code: 'UNKNOWN_SERVER_ERROR', message: `${error}` };
          if (why.code === 'UNKNOWN_TOPIC_OR_PARTITION' || !ERRORS[why.code].retriable) this.end(why);
          else if (this.#state.kind === 'parked') this.#tryAgain(why);
        },
      );
      return;
    }
    if (known.partitions[partition] === undefined) {
      const message = `topic "${topic}" has partitions 0 to ${known.partitions.length - 1}, not ${partition}`;
      return this.end({ code: 'UNKNOWN_TOPIC_OR_PARTITION', message });
    }
    this.#attach();
  }

  #attach(): void {
    this.#state = { kind: 'parked' };
    const { topic: name, partition } = this.#request;
    const topic = this.#parts.metadata.image.topic(name);
    if (topic !== undefined && topic.id !== (this.#topicId ??= topic.id)) return this.end(this.#gone());
    const link = topic === undefined ? undefined : this.#parts.linkTo(topic, partition);
    if (topic === undefined || link === undefined) return;
    if (link.full) {
      return this.end({ code: 'THROTTLING_QUOTA_EXCEEDED', message: `too many readers at the broker ${link.address}` });
    }
    const { leaderEpoch } = topic.partitions[partition]!;
    this.#brokerCreditBytes = Math.max(0, this.#creditBytes);
    const id = link.add(this, {
      topicId: topic.idBytes,
      partition,
      leaderEpoch,
      offset: this.#next,
      creditBytes: this.#brokerCreditBytes,
    });
    this.#state = { kind: 'open', link, id, leaderEpoch };
  }

  #tryAgain(why: Refusal): void {
    const { world } = this.#parts;
    this.#failures++;
    const waitMs = backoffMs(this.#failures, BACKOFF, world.random);
    world.logger.debug({ code: why.code, tries: this.#failures }, `reading ${this.#name()}: ${why.message}`);
    this.#state = { kind: 'backoff', cancel: world.clock.after(waitMs, () => this.#begin()) };
  }

  #over(): void {
    if (this.#state.kind === 'backoff') this.#state.cancel();
    this.#state = { kind: 'over' };
    this.#parts.over(this);
  }

  #gone(): Refusal {
    return { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `topic "${this.#request.topic}" was deleted` };
  }

  #name(): string {
    return `${this.#request.topic}/${this.#request.partition}`;
  }
}

/** The offset after a frame's last record; undefined when it is not whole batches one after another. */
function nextOffsetAfter(records: Buffer): number | undefined {
  let next: number | undefined;
  for (let at = 0; at < records.length;) {
    if (records.length - at < BATCH_HEADER_BYTES) return undefined;
    const bytes = batchBytesOf(records, at);
    if (bytes < BATCH_HEADER_BYTES || bytes > records.length - at) return undefined;
    next = lastOffsetOf(records, at) + 1;
    at += bytes;
  }
  return next;
}
