import type { Cancel } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { STREAM_CREDIT_BYTES, STREAM_PING_MS, STREAM_READ_AHEAD_BYTES_MAX } from '@weir/base/limits.ts';
import { TextBytes } from '@weir/base/text-bytes.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { readRecords } from '@weir/records/read-records.ts';
import { knownPartition, knownTopic } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import type { Subscription } from '@weir/client/consumer/subscription.ts';
import type { GatewayReply, GatewayRequest, ReplySink, StreamReader } from '../http/exchange.ts';
import { refusalJson } from '../http/failure.ts';
import { beginPoll } from '../rest/poll.ts';
import type { Poll } from '../rest/poll.ts';
import { addRecordJson } from '../json/record-json.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { EVENT_STREAM_HEAD, firstBlock, STOPPING_BLOCK } from './event-stream.ts';

/** Query parameters of a stream. */
export const STREAM_PARAMETERS = ['partition', 'from'] as const;

/** A cursor longer than this stands at the last event of a batch only; an event may then come twice after a break. */
const CURSOR_PER_EVENT_LENGTH_MAX = 256;
/** The least credit of one partition, however many share a stream. */
const CREDIT_BYTES_MIN = 4 * 1024;

/** GET /v1/topics/{topic}/stream: server-sent events, a record an event, from where `Last-Event-ID` says. */
export async function stream(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const topic = await knownTopic(context, request.params);
  request.query.allow(STREAM_PARAMETERS);
  const from = request.query.choice('from', ['earliest', 'latest']) ?? 'latest';
  const partitionText = request.query.text('partition');
  const partitions =
    partitionText === undefined ? topic.partitions.map(({ index }) => index) : [knownPartition(topic, partitionText)];
  const lastEventId = request.headers['last-event-id'];
  const next = new Map<number, number>();
  if (typeof lastEventId === 'string' && lastEventId !== '') {
    const cursor = decodeCursor(lastEventId, topic);
    for (const partition of partitions) next.set(partition, cursor.get(partition) ?? 0);
  } else {
    // Known before the head is sent: whoever has the head misses nothing that is produced from then on.
    const queries = partitions.map((partition) => ({ partition, timestamp: from }));
    for (const { partition, offset } of await context.client.listOffsets(topic.name, queries))
      next.set(partition, offset);
  }
  context.streams.enter();
  return {
    ...EVENT_STREAM_HEAD,
    start: (sink) => new EventStream({ context, topic, next, sink, poll: beginPoll(context, topic.name, request) }),
  };
}

interface EventStreamParts {
  readonly context: GatewayContext;
  readonly topic: TopicInfo;
  /** The offset that each partition's next event has, at least. */
  readonly next: Map<number, number>;
  readonly sink: ReplySink;
  readonly poll: Poll | undefined;
}

/**
 * One reader of events. A partition gets credit back only for what the reader took: one that stops reading stops the
 * brokers after what they have credit for, and is cut by the server when it takes nothing for HTTP_WRITE_STALL_MS.
 *
 * Invariant: what waits for the reader is at most the credit of all partitions, decoded.
 */
class EventStream implements StreamReader {
  readonly #context: GatewayContext;
  readonly #topic: TopicInfo;
  /** The offset that each partition's next event has, at least. */
  readonly #next: Map<number, number>;
  readonly #sink: ReplySink;
  /** One span for the whole stream. */
  readonly #poll: Poll | undefined;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #creditBytes: number;
  readonly #stopPings: Cancel;
  /** Credit to give back once the reader has caught up. */
  readonly #owed = new Map<number, number>();
  #blocked = false;
  #closed = false;
  /** The error code that it ended with. */
  #refused: string | undefined;

  constructor({ context, topic, next, sink, poll }: EventStreamParts) {
    this.#context = context;
    this.#topic = topic;
    this.#next = next;
    this.#sink = sink;
    this.#poll = poll;
    const share = Math.floor(STREAM_READ_AHEAD_BYTES_MAX / Math.max(1, next.size));
    this.#creditBytes = Math.max(CREDIT_BYTES_MIN, Math.min(STREAM_CREDIT_BYTES, share));
    const what = `${topic.name}, ${next.size} partition${next.size === 1 ? '' : 's'}`;
    this.#write(firstBlock(what, encodeCursor(topic, next)));
    this.#stopPings = context.clock.every(STREAM_PING_MS, () => {
      if (!this.#blocked) this.#write(': ping\n\n');
    });
    for (const partition of next.keys()) this.#subscribe(partition);
  }

  drained(): void {
    this.#blocked = false;
    for (const [partition, bytes] of this.#owed) this.#subscriptions.get(partition)?.credit(bytes);
    this.#owed.clear();
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopPings();
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#context.streams.leave();
    this.#poll?.end(this.#refused);
  }

  draining(): void {
    this.stopping();
  }

  stopping(): void {
    if (this.#closed) return;
    this.#write(STOPPING_BLOCK);
    this.#sink.end();
  }

  #subscribe(partition: number): void {
    const subscription = this.#context.client.subscribe(
      { topic: this.#topic.name, partition, offset: this.#next.get(partition)!, creditBytes: this.#creditBytes },
      {
        batches: (records) => this.#batches(partition, records),
        caughtUp() {},
        ended: (refused) => this.#ended(partition, refused),
      },
    );
    this.#subscriptions.set(partition, subscription);
  }

  #batches(partition: number, records: Buffer): void {
    if (this.#closed) return;
    const out = new TextBytes(records.length);
    let count = 0;
    try {
      const every = encodeCursor(this.#topic, this.#next).length <= CURSOR_PER_EVENT_LENGTH_MAX;
      readRecords(records, (record) => {
        // A fetch begins with the batch that holds the offset, not with the offset.
        if (record.offset < this.#next.get(partition)!) return;
        this.#next.set(partition, record.offset + 1);
        count++;
        this.#poll?.saw(record);
        if (every) out.ascii(`id: ${encodeCursor(this.#topic, this.#next)}\n`);
        out.ascii(record.value === null ? 'event: delete\ndata: ' : 'data: ');
        addRecordJson(out, partition, record, true);
        out.ascii('\n\n');
      });
      // The last event's, for all of them.
      if (!every && count > 0) {
        out.cutTo(out.length - 1);
        out.ascii(`id: ${encodeCursor(this.#topic, this.#next)}\n\n`);
      }
    } catch (error) {
      this.#ended(partition, { code: 'CORRUPT_MESSAGE', message: messageOf(error) });
      return;
    }
    this.#context.metrics.recordsOut.inc(count);
    if (out.length > 0) this.#write(out.take());
    if (this.#blocked) this.#owed.set(partition, (this.#owed.get(partition) ?? 0) + records.length);
    else this.#subscriptions.get(partition)?.credit(records.length);
  }

  #ended(partition: number, refused: Refusal): void {
    if (this.#closed) return;
    this.#subscriptions.get(partition)?.close();
    if (refused.code === 'OFFSET_OUT_OF_RANGE') {
      this.#skipGap(partition).catch((error: unknown) => {
        this.#refuse({ code: 'OFFSET_OUT_OF_RANGE', message: messageOf(error) });
      });
      return;
    }
    this.#refuse(refused);
  }

  /** The records that a cursor points to are gone: says so and goes on with the first one there is. */
  async #skipGap(partition: number): Promise<void> {
    const [earliest] = await this.#context.client.listOffsets(this.#topic.name, [{ partition, timestamp: 'earliest' }]);
    if (this.#closed || earliest === undefined) return;
    const gap = { partition, from: this.#next.get(partition), to: earliest.offset };
    this.#next.set(partition, earliest.offset);
    this.#write(`event: gap\ndata: ${JSON.stringify(gap)}\n\n`);
    this.#subscribe(partition);
  }

  #refuse(refused: Refusal): void {
    if (this.#closed) return;
    this.#refused = refused.code;
    this.#write(`event: refused\ndata: ${refusalJson(refused)}\n\n`);
    this.#sink.end();
  }

  #write(text: string | Buffer): void {
    if (!this.#sink.write(text)) this.#blocked = true;
  }
}
