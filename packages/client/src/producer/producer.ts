import { WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { Cancel } from '@weir/base/clock.ts';
import { DELIVERY_TIMEOUT_MS, LINGER_MS, PRODUCER_BUFFER_BYTES_MAX } from '@weir/base/limits.ts';
import { singleRecordBatchBytes } from '@weir/records/batch-builder.ts';
import type { Connections } from '../connections.ts';
import type { ImageChange, TopicInfo } from '../metadata/cluster-image.ts';
import type { Metadata } from '../metadata/metadata.ts';
import type { ClientWorld } from '../world.ts';
import { Delivery } from './delivery.ts';
import { LINGERING } from './partition-queue.ts';
import type { PartitionQueue } from './partition-queue.ts';
import * as refusals from './refusals.ts';
import { SendCall } from './send-call.ts';
import type { ProducerRecord, SendOptions, SendOutcome } from './send-call.ts';
import { TopicSender } from './topic-sender.ts';

export type { ProducerRecord, SendOptions, SendOutcome } from './send-call.ts';

/** What may be set; the defaults are in limits.ts. */
export interface ProducerOptions {
  /** A record waits this long for company; 0: until the end of the turn. */
  readonly lingerMs?: number;
  readonly bufferBytesMax?: number;
  readonly deliveryTimeoutMs?: number;
}

/** Where a record is. */
export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}

/** A call whose topic is not known yet. */
interface EarlyCall {
  readonly call: SendCall;
  readonly records: readonly ProducerRecord[];
  readonly bytes: number;
}

/**
 * Sends records to the leaders of their partitions, as an idempotent producer (KIP-98). Records for one partition keep the
 * order in which they were handed in and are written once, over retries and changes of leader too. With acks=leader they may
 * be written twice, as a retry after a broken stream cannot be told from something new.
 */
export class Producer {
  readonly #metadata: Metadata;
  readonly #world: ClientWorld;
  readonly #lingerMs: number;
  readonly #bufferBytesMax: number;
  readonly #topics = new Map<string, TopicSender>();
  readonly #delivery: Delivery;
  readonly #early = new Map<string, EarlyCall[]>();
  /** In the order in which they are due, since all wait as long; an entry of a queue that went early is skipped. */
  #lingering: { readonly queue: PartitionQueue; readonly dueMs: number }[] = [];
  #lingerTimer: Cancel | undefined;
  readonly #open = new Set<SendCall>();
  #bufferedBytes = 0;
  #flushes: { readonly waitsFor: Set<SendCall>; readonly resolve: () => void }[] = [];
  #closed = false;

  constructor(metadata: Metadata, connections: Connections, world: ClientWorld, options: ProducerOptions = {}) {
    this.#metadata = metadata;
    this.#world = world;
    this.#lingerMs = options.lingerMs ?? LINGER_MS;
    this.#bufferBytesMax = options.bufferBytesMax ?? PRODUCER_BUFFER_BYTES_MAX;
    this.#delivery = new Delivery(
      { metadata, connections, world },
      {
        timeoutMs: options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS,
        released: (bytes) => void (this.#bufferedBytes -= bytes),
      },
    );
    metadata.listen((changes) => this.#imageChanged(changes));
  }

  /** Bytes of records that have no outcome yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * Sends records, which must not change until `done`. It is called once, never before this returns, when every
   * record has its outcome: an offset, or a refusal such as MESSAGE_TOO_LARGE, UNKNOWN_TOPIC_OR_PARTITION,
   * THROTTLING_QUOTA_EXCEEDED (the buffer is full), REQUEST_TIMED_OUT, or
   * OUT_OF_ORDER_SEQUENCE_NUMBER (the partition has lost what it had acknowledged). After the latter two they may be there.
   */
  sendMany(
    topic: string,
    records: readonly ProducerRecord[],
    options: SendOptions,
    done: (outcome: SendOutcome) => void,
  ): void {
    const call = new SendCall(records.length, options, (settled) => {
      this.#open.delete(settled);
      this.#settleFlushes(settled);
      done(settled);
    });
    this.#open.add(call);
    const sender = this.#early.size > 0 && this.#early.has(topic) ? undefined : this.#sender(topic);
    if (this.#closed) this.#refuseAll(call, records.length, refusals.closed());
    else if (sender === undefined) this.#holdEarly(topic, call, records);
    else this.#append(sender, call, records);
  }

  /** Sends one record. @throws WeirError (as a rejection) for what `sendMany` gives as a refusal */
  send(topic: string, record: ProducerRecord, options: SendOptions = {}): Promise<RecordPlace> {
    return new Promise((resolve, reject) => {
      this.sendMany(topic, [record], options, (outcome) => {
        const why = outcome.refusals.get(0);
        if (why === undefined) resolve({ partition: outcome.partition[0]!, offset: outcome.offset[0]! });
        else reject(new WeirError(why.code, why.message));
      });
    });
  }

  /** Resolves when everything that was handed in before has its outcome; nothing of it waits for company any more. */
  flush(): Promise<void> {
    for (const { queue } of this.#lingering.splice(0)) {
      if (queue.state.kind === 'lingering') this.#delivery.ready(queue);
    }
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#flushes.push({ waitsFor: new Set(this.#open), resolve }));
  }

  /** Refuses what has no outcome yet. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lingerTimer?.();
    this.#delivery.close(refusals.closed());
  }

  #sender(name: string): TopicSender | undefined {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const info = this.#metadata.image.topic(name);
    if (info === undefined) return undefined;
    const sender = new TopicSender(info, this.#world.random);
    this.#topics.set(name, sender);
    return sender;
  }

  #append(sender: TopicSender, call: SendCall, records: readonly ProducerRecord[]): void {
    const { clock } = this.#world;
    const now = { monoMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    let refused = 0;
    for (let i = 0; i < records.length; i++) {
      const record = records[i]!;
      const bytes = singleRecordBatchBytes(record);
      const partition = sender.partitionFor(record);
      const queue = sender.queue(partition);
      if (queue === undefined || bytes > sender.maxBytes || this.#bufferedBytes + bytes > this.#bufferBytesMax) {
        refused++;
        if (queue !== undefined) call.partition[i] = partition;
        call.refuse(i, this.#whyNot(sender, partition, queue === undefined, bytes));
        continue;
      }
      call.partition[i] = partition;
      this.#bufferedBytes += bytes;
      queue.append(record, call, i, bytes, now);
      const { state } = queue;
      if (state.kind === 'idle') this.#linger(queue, now.monoMs);
      else if (!queue.full) continue;
      else if (state.kind === 'lingering') this.#delivery.ready(queue);
      else if (state.kind === 'sending' && queue.sendable) state.link.enqueue(queue);
    }
    this.#settleLater(call, refused);
  }

  /** Settles in a later turn what was refused at once, and calls without records. */
  #settleLater(call: SendCall, refused: number): void {
    if (refused > 0 || call.count === 0) this.#world.clock.endOfTurn(() => call.settle(refused));
  }

  #refuseAll(call: SendCall, count: number, why: Refusal): void {
    for (let i = 0; i < count; i++) call.refuse(i, why);
    this.#settleLater(call, count);
  }

  #whyNot(sender: TopicSender, partition: number, unknown: boolean, bytes: number): Refusal {
    if (unknown) return refusals.unknownPartition(sender, partition);
    if (bytes > sender.maxBytes) return refusals.tooLarge(sender, bytes);
    return refusals.bufferFull(this.#bufferBytesMax);
  }

  #linger(queue: PartitionQueue, nowMs: number): void {
    this.#delivery.begin(queue);
    queue.state = LINGERING;
    if (this.#lingerMs === 0 || queue.full) return this.#delivery.ready(queue);
    this.#lingering.push({ queue, dueMs: nowMs + this.#lingerMs });
    this.#lingerTimer ??= this.#world.clock.after(this.#lingerMs, () => this.#lingeringDue());
  }

  #lingeringDue(): void {
    this.#lingerTimer = undefined;
    // A timer may fire a fraction of a millisecond early.
    const nowMs = this.#world.clock.monotonicMs() + 1;
    let due = 0;
    while (due < this.#lingering.length && this.#lingering[due]!.dueMs <= nowMs) due++;
    const ready = this.#lingering.splice(0, due);
    for (const { queue } of ready) if (queue.state.kind === 'lingering') this.#delivery.ready(queue);
    const [next] = this.#lingering;
    if (next !== undefined) {
      this.#lingerTimer = this.#world.clock.after(Math.max(1, next.dueMs - nowMs), () => this.#lingeringDue());
    }
  }

  #imageChanged(changes: readonly ImageChange[]): void {
    for (const change of changes) {
      if (change.kind === 'topic') this.#refresh(change.topic);
      if (change.kind === 'topicDeleted') this.#topicDeleted(change.id, change.name);
      if (change.kind !== 'all') continue;
      for (const name of this.#topics.keys()) {
        const info = this.#metadata.image.topic(name);
        if (info !== undefined) this.#refresh(info);
      }
    }
    this.#delivery.metadataChanged();
  }

  #refresh(info: TopicInfo): void {
    const sender = this.#topics.get(info.name);
    // Created again under the same name: the former is gone, though nobody has told of it here.
    if (sender !== undefined && sender.info.id !== info.id) this.#topicDeleted(sender.info.id, info.name);
    else sender?.refresh(info);
  }

  #topicDeleted(id: TopicId, name: string): void {
    if (this.#topics.get(name)?.info.id === id) this.#topics.delete(name);
    this.#delivery.topicDeleted(id);
  }

  /** Keeps a call until its topic is known: behind earlier ones, and within the buffer's bound. */
  #holdEarly(topic: string, call: SendCall, records: readonly ProducerRecord[]): void {
    let bytes = 0;
    for (const record of records) bytes += singleRecordBatchBytes(record);
    if (this.#bufferedBytes + bytes > this.#bufferBytesMax) {
      return this.#refuseAll(call, records.length, refusals.bufferFull(this.#bufferBytesMax));
    }
    this.#bufferedBytes += bytes;
    const waiting = this.#early.get(topic);
    if (waiting !== undefined) return void waiting.push({ call, records, bytes });
    this.#early.set(topic, [{ call, records, bytes }]);
    this.#metadata.awaitTopic(topic).then(
      () => this.#releaseEarly(topic, undefined),
      (error: unknown) => this.#releaseEarly(topic, error),
    );
  }

  #releaseEarly(topic: string, error: unknown): void {
    const waiting = this.#early.get(topic) ?? [];
    this.#early.delete(topic);
    const sender = error === undefined && !this.#closed ? this.#sender(topic) : undefined;
    for (const { call, records, bytes } of waiting) {
      this.#bufferedBytes -= bytes;
      if (sender !== undefined) {
        this.#append(sender, call, records);
        continue;
      }
      const code = error instanceof WeirError ? error.code : 'UNKNOWN_SERVER_ERROR';
      const message = error instanceof Error ? error.message : 'the client is closed';
      this.#refuseAll(call, records.length, { code, message });
    }
  }

  #settleFlushes(call: SendCall): void {
    if (this.#flushes.length === 0) return;
    for (const flush of this.#flushes) {
      flush.waitsFor.delete(call);
      if (flush.waitsFor.size === 0) flush.resolve();
    }
    this.#flushes = this.#flushes.filter((flush) => flush.waitsFor.size > 0);
  }
}
