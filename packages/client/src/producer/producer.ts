import { ERRORS, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { Cancel } from '@weir/base/clock.ts';
import {
  DELIVERY_TIMEOUT_MS,
  LINGER_MS,
  PRODUCER_BUFFER_BYTES_MAX,
  RETRY_BACKOFF_MS_MAX,
  RETRY_BACKOFF_MS_MIN,
} from '@weir/base/limits.ts';
import { singleRecordBatchBytes } from '@weir/records/batch-builder.ts';
import { backoffMs } from '../backoff.ts';
import type { Connections } from '../connections.ts';
import type { BrokerInfo, ImageChange, TopicInfo } from '../metadata/cluster-image.ts';
import { noLeaderMessage } from '../metadata/no-leader.ts';
import type { Metadata } from '../metadata/metadata.ts';
import type { ClientWorld } from '../world.ts';
import type { ProducerBatch } from './batch.ts';
import { IDLE, LINGERING, PARKED } from './partition-queue.ts';
import type { PartitionQueue } from './partition-queue.ts';
import { ProduceLink } from './produce-link.ts';
import { SendCall } from './send-call.ts';
import type { ProducerRecord, SendOptions, SendOutcome } from './send-call.ts';
import { TopicSender } from './topic-sender.ts';

export type { ProducerRecord, SendOptions, SendOutcome } from './send-call.ts';

const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

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
 * Sends records to the leaders of their partitions. Records for one partition keep the order in which they were
 * handed in, over retries too. Until producers are idempotent, a retry after a broken stream may write a batch twice:
 * delivery is at least once.
 */
export class Producer {
  readonly #metadata: Metadata;
  readonly #connections: Connections;
  readonly #world: ClientWorld;
  readonly #lingerMs: number;
  readonly #bufferBytesMax: number;
  readonly #deliveryTimeoutMs: number;
  readonly #topics = new Map<string, TopicSender>();
  readonly #links = new Map<number, ProduceLink>();
  readonly #early = new Map<string, EarlyCall[]>();
  /** Queues that hold anything. */
  readonly #active = new Set<PartitionQueue>();
  /** In the order in which they are due, since all wait as long; an entry of a queue that went early is skipped. */
  #lingering: { readonly queue: PartitionQueue; readonly dueMs: number }[] = [];
  #lingerTimer: Cancel | undefined;
  #sweep: Cancel | undefined;
  readonly #open = new Set<SendCall>();
  #bufferedBytes = 0;
  #flushes: { readonly waitsFor: Set<SendCall>; readonly resolve: () => void }[] = [];
  #closed = false;

  constructor(metadata: Metadata, connections: Connections, world: ClientWorld, options: ProducerOptions = {}) {
    this.#metadata = metadata;
    this.#connections = connections;
    this.#world = world;
    this.#lingerMs = options.lingerMs ?? LINGER_MS;
    this.#bufferBytesMax = options.bufferBytesMax ?? PRODUCER_BUFFER_BYTES_MAX;
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS;
    metadata.listen((changes) => this.#imageChanged(changes));
  }

  /** Bytes of records that have no outcome yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * Sends records, which must not change until `done`. It is called once, never before this returns, when every
   * record has its outcome: an offset, or a refusal such as MESSAGE_TOO_LARGE, UNKNOWN_TOPIC_OR_PARTITION,
   * THROTTLING_QUOTA_EXCEEDED (the buffer is full) or REQUEST_TIMED_OUT.
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
    if (this.#closed) this.#refuseAll(call, records.length, { code: 'SHUTTING_DOWN', message: 'the client is closed' });
    else if (sender === undefined) this.#holdEarly(topic, call, records);
    else this.#append(sender, call, records);
  }

  /** Sends one record. @throws WeirError (as a rejection) for what `sendMany` gives as a refusal */
  send(topic: string, record: ProducerRecord, options: SendOptions = {}): Promise<RecordPlace> {
    return new Promise((resolve, reject) => {
      this.sendMany(topic, [record], options, ({ partition, offset, refusals }) => {
        const why = refusals.get(0);
        if (why === undefined) resolve({ partition: partition[0]!, offset: offset[0]! });
        else reject(new WeirError(why.code, why.message));
      });
    });
  }

  /** Resolves when everything that was handed in before has its outcome; nothing of it waits for company any more. */
  flush(): Promise<void> {
    for (const { queue } of this.#lingering.splice(0)) {
      if (queue.state.kind === 'lingering') this.#ready(queue);
    }
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#flushes.push({ waitsFor: new Set(this.#open), resolve }));
  }

  /** Refuses what has no outcome yet. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const why: Refusal = { code: 'SHUTTING_DOWN', message: 'the client is closed' };
    this.#lingerTimer?.();
    this.#sweep?.();
    for (const link of this.#links.values()) link.cut(why);
    this.#expire(Number.POSITIVE_INFINITY, why);
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
      const { kind } = queue.state;
      if (kind === 'idle') this.#linger(queue, now.monoMs);
      else if (kind === 'lingering' && queue.full) this.#ready(queue);
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
    const { name, partitions } = sender.info;
    if (unknown) {
      const message = `topic "${name}" has partitions 0 to ${partitions.length - 1}, not ${partition}`;
      return { code: 'UNKNOWN_TOPIC_OR_PARTITION', message };
    }
    if (bytes > sender.maxBytes) {
      const message = `the record takes ${bytes} bytes in a batch; topic "${name}" takes at most ${sender.maxBytes}`;
      return { code: 'MESSAGE_TOO_LARGE', message };
    }
    return bufferFull(this.#bufferBytesMax);
  }

  #linger(queue: PartitionQueue, nowMs: number): void {
    this.#active.add(queue);
    this.#startSweep();
    queue.state = LINGERING;
    if (this.#lingerMs === 0 || queue.full) return this.#ready(queue);
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
    for (const { queue } of ready) if (queue.state.kind === 'lingering') this.#ready(queue);
    const [next] = this.#lingering;
    if (next !== undefined) {
      this.#lingerTimer = this.#world.clock.after(Math.max(1, next.dueMs - nowMs), () => this.#lingeringDue());
    }
  }

  /** Puts a queue in line at its leader, or parks it until there is one. */
  #ready(queue: PartitionQueue): void {
    if (queue.topic.deleted) return this.#abandon(queue);
    const leader = this.#leaderOf(queue);
    if (leader === undefined) queue.state = PARKED;
    else this.#linkTo(leader).enqueue(queue);
  }

  #leaderOf(queue: PartitionQueue): BrokerInfo | undefined {
    const { image } = this.#metadata;
    const leader = image.topicById(queue.topic.info.id)?.partitions[queue.index]?.leader ?? -1;
    return leader === -1 ? undefined : image.broker(leader);
  }

  #linkTo(broker: BrokerInfo): ProduceLink {
    const known = this.#links.get(broker.id);
    if (known !== undefined) return known;
    const link = new ProduceLink(broker.grpcAddress, this.#connections.to(broker.grpcAddress), this.#world.clock, {
      delivered: (queue, batch, baseOffset) => this.#delivered(queue, batch, baseOffset),
      failed: (queue, batch, why) => this.#failed(queue, batch, why),
      emptied: (queue) => this.#active.delete(queue),
    });
    this.#links.set(broker.id, link);
    return link;
  }

  #delivered(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number): void {
    queue.failures = 0;
    this.#goOn(queue);
    this.#bufferedBytes -= batch.heldBytes;
    batch.delivered(baseOffset);
  }

  #failed(queue: PartitionQueue, batch: ProducerBatch | undefined, why: Refusal): void {
    const current = queue.state.kind === 'inFlight' ? queue.state.batch : undefined;
    // A batch whose time ran out while it was in flight has its outcome already.
    const alive = batch !== undefined && batch === current;
    const { deleted } = queue.topic;
    if (this.#closed || (alive && (deleted || !ERRORS[why.code].retriable))) {
      this.#goOn(queue);
      if (alive) this.#refuse(batch, deleted ? goneRefusal(queue) : why);
      return;
    }
    if (alive) queue.putBack(batch);
    if (queue.empty) return this.#goOn(queue);
    queue.failures++;
    queue.lastRefusal = why;
    const waitMs = backoffMs(queue.failures, BACKOFF, this.#world.random);
    const triedEpoch = queue.topic.info.partitions[queue.index]?.leaderEpoch ?? -1;
    const cancel = this.#world.clock.after(waitMs, () => this.#ready(queue));
    queue.state = { kind: 'backoff', cancel, triedEpoch };
    this.#world.logger.debug(
      { topic: queue.topic.info.name, partition: queue.index, tries: queue.failures, code: why.code },
      `produce failed, trying again in ${waitMs} ms: ${why.message}`,
    );
  }

  /** After a batch: what gathered meanwhile has waited long enough. */
  #goOn(queue: PartitionQueue): void {
    queue.state = IDLE;
    if (queue.empty) this.#active.delete(queue);
    // Once closed, what gathered is left where it will be refused.
    else if (!this.#closed) this.#ready(queue);
  }

  #refuse(batch: ProducerBatch, why: Refusal): void {
    this.#bufferedBytes -= batch.heldBytes;
    batch.refused(why);
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
    for (const [id, link] of this.#links) {
      const broker = this.#metadata.image.broker(id);
      if (broker?.active === true && broker.grpcAddress === link.address) continue;
      this.#links.delete(id);
      link.cut({ code: 'NOT_LEADER_OR_FOLLOWER', message: `broker ${id} at ${link.address} is gone` });
    }
    for (const queue of this.#active) {
      const { state } = queue;
      if (state.kind === 'parked') {
        this.#ready(queue);
      } else if (state.kind === 'backoff' && this.#leaderEpoch(queue) > state.triedEpoch) {
        state.cancel();
        this.#ready(queue);
      }
    }
  }

  #leaderEpoch(queue: PartitionQueue): number {
    return queue.topic.info.partitions[queue.index]?.leaderEpoch ?? -1;
  }

  #refresh(info: TopicInfo): void {
    const sender = this.#topics.get(info.name);
    // Created again under the same name: the former is gone, though nobody has told of it here.
    if (sender !== undefined && sender.info.id !== info.id) this.#topicDeleted(sender.info.id, info.name);
    else sender?.refresh(info);
  }

  /** What is in flight has its answer to come; what waits is refused. */
  #topicDeleted(id: TopicId, name: string): void {
    if (this.#topics.get(name)?.info.id === id) this.#topics.delete(name);
    for (const queue of this.#active) {
      if (queue.topic.info.id !== id) continue;
      queue.topic.deleted = true;
      const { state } = queue;
      if (state.kind === 'backoff') state.cancel();
      if (state.kind === 'lingering' || state.kind === 'parked' || state.kind === 'backoff') this.#abandon(queue);
    }
  }

  /** Refuses all that waits in a queue whose topic is gone. */
  #abandon(queue: PartitionQueue): void {
    queue.state = IDLE;
    this.#active.delete(queue);
    const why = goneRefusal(queue);
    for (const batch of queue.takeCreatedBefore(Number.POSITIVE_INFINITY)) this.#refuse(batch, why);
  }

  #startSweep(): void {
    if (this.#sweep !== undefined || this.#closed) return;
    const intervalMs = Math.min(1_000, Math.max(10, this.#deliveryTimeoutMs / 10));
    this.#sweep = this.#world.clock.every(intervalMs, () => {
      this.#expire(this.#world.clock.monotonicMs() - this.#deliveryTimeoutMs, undefined);
      if (this.#active.size > 0) return;
      this.#sweep?.();
      this.#sweep = undefined;
    });
  }

  /** Refuses every batch created up to a moment, those in flight too: what became of these is not known. */
  #expire(createdMs: number, why: Refusal | undefined): void {
    const stuck = new Map<ProduceLink, Refusal>();
    for (const queue of this.#active) {
      const { state } = queue;
      const expired = queue.takeCreatedBefore(createdMs);
      if (state.kind === 'inFlight' && state.batch.createdMs <= createdMs) expired.unshift(state.batch);
      if (expired.length === 0) continue;
      const reason = why ?? this.#lateRefusal(queue);
      if (state.kind === 'inFlight' || state.kind === 'waiting') stuck.set(state.link, reason);
      if (state.kind === 'inFlight' && expired[0] === state.batch) queue.state = { kind: 'waiting', link: state.link };
      for (const batch of expired) this.#refuse(batch, reason);
      if (queue.empty && (state.kind === 'parked' || state.kind === 'backoff' || state.kind === 'lingering')) {
        if (state.kind === 'backoff') state.cancel();
        queue.state = IDLE;
        this.#active.delete(queue);
      }
    }
    // A link that kept a batch for so long is as good as broken: the others on it are tried again.
    for (const [link, reason] of stuck) link.cut(reason);
  }

  #lateRefusal(queue: PartitionQueue): Refusal {
    const { info } = queue.topic;
    const tried = queue.failures > 0 && queue.lastRefusal !== undefined ? `; last: ${queue.lastRefusal.message}` : '';
    const within = `within ${this.#deliveryTimeoutMs} ms${tried}`;
    if (queue.state.kind === 'parked') {
      return { code: 'LEADER_NOT_AVAILABLE', message: `${noLeaderMessage(info, queue.index)} (waited ${within})` };
    }
    return {
      code: 'REQUEST_TIMED_OUT',
      message: `partition ${queue.index} of "${info.name}" did not answer ${within}`,
    };
  }

  /** Keeps a call until its topic is known: behind earlier ones, and within the buffer's bound. */
  #holdEarly(topic: string, call: SendCall, records: readonly ProducerRecord[]): void {
    let bytes = 0;
    for (const record of records) bytes += singleRecordBatchBytes(record);
    if (this.#bufferedBytes + bytes > this.#bufferBytesMax) {
      return this.#refuseAll(call, records.length, bufferFull(this.#bufferBytesMax));
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

function goneRefusal({ topic }: PartitionQueue): Refusal {
  return { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `topic "${topic.info.name}" was deleted` };
}

function bufferFull(maxBytes: number): Refusal {
  return { code: 'THROTTLING_QUOTA_EXCEEDED', message: `${maxBytes} bytes wait to be sent already; try again later` };
}
