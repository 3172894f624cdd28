import type { Cancel } from '@weir/base/clock.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { backoffMs } from '../backoff.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import type { BrokerInfo } from '../metadata/cluster-image.ts';
import type { ProducerBatch } from './batch.ts';
import { IDLE, PARKED } from './partition-queue.ts';
import type { Flight, PartitionQueue, Round } from './partition-queue.ts';
import { ProduceLink } from './produce-link.ts';
import { ProducerIds } from './producer-ids.ts';
import * as refusals from './refusals.ts';

const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** What goes with it. */
export interface DeliveryOptions {
  /** A batch that has no outcome after so long is refused. */
  readonly timeoutMs: number;
  /** So many bytes have their outcome; it is told after this. */
  readonly released: (bytes: number) => void;
}

/** Takes what partitions' queues hold to the leaders, over their changes, until each batch has its outcome. */
export class Delivery {
  readonly #parts: LeaderCallParts;
  readonly #options: DeliveryOptions;
  readonly #links = new Map<number, ProduceLink>();
  readonly #ids: ProducerIds;
  /** Queues that hold anything. */
  readonly #active = new Set<PartitionQueue>();
  #sweep: Cancel | undefined;
  #closed = false;

  constructor(parts: LeaderCallParts, options: DeliveryOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#ids = new ProducerIds(parts, {
      given: () => {
        for (const queue of this.#active) if (queue.state.kind === 'parked') this.ready(queue);
      },
      awaited: () => [...this.#active].some(({ state, needsProducer }) => state.kind === 'parked' && needsProducer),
    });
  }

  /** A queue holds something, whose time runs from now on. */
  begin(queue: PartitionQueue): void {
    this.#active.add(queue);
    this.#startSweep();
  }

  /** Puts a queue in line at its leader, or parks it until there is one, and an id to send under. */
  ready(queue: PartitionQueue): void {
    if (queue.topic.deleted) return this.#abandon(queue);
    const leader = this.#leaderOf(queue);
    queue.triedEpoch = this.#leaderEpoch(queue);
    if (leader === undefined || !this.#hasProducer(queue)) queue.state = PARKED;
    else this.#linkTo(leader).enqueue(queue);
  }

  /** The metadata has moved: whatever waits for, or at, a leader that is no more goes to the next one. */
  metadataChanged(): void {
    for (const [id, link] of this.#links) {
      const broker = this.#parts.metadata.image.broker(id);
      if (broker?.active === true && broker.grpcAddress === link.address) continue;
      this.#links.delete(id);
      link.cut({ code: 'NOT_LEADER_OR_FOLLOWER', message: `broker ${id} at ${link.address} is gone` });
    }
    for (const queue of this.#active) this.#followLeader(queue);
  }

  /** What is in flight has its answer to come; what waits is refused. */
  topicDeleted(id: TopicId): void {
    for (const queue of this.#active) {
      if (queue.topic.info.id !== id) continue;
      queue.topic.deleted = true;
      if (queue.inFlight === 0) this.#abandon(queue);
    }
  }

  /** Refuses all that has no outcome yet. */
  close(why: Refusal): void {
    this.#closed = true;
    this.#sweep?.();
    this.#ids.close();
    for (const link of this.#links.values()) link.cut(why);
    this.#expire(Number.POSITIVE_INFINITY, why);
  }

  #hasProducer(queue: PartitionQueue): boolean {
    if (!queue.needsProducer) return true;
    const id = this.#ids.other(queue.spentId);
    if (id !== undefined) queue.identify(id);
    return id !== undefined;
  }

  #leaderOf(queue: PartitionQueue): BrokerInfo | undefined {
    const { image } = this.#parts.metadata;
    const leader = image.topicById(queue.topic.info.id)?.partitions[queue.index]?.leader ?? -1;
    return leader === -1 ? undefined : image.broker(leader);
  }

  #linkTo(broker: BrokerInfo): ProduceLink {
    const known = this.#links.get(broker.id);
    if (known !== undefined) return known;
    const { connections, world } = this.#parts;
    const { grpcAddress } = broker;
    const link = new ProduceLink(grpcAddress, connections.to(grpcAddress), world.clock, {
      delivered: (flight, baseOffset) => this.#delivered(flight, baseOffset),
      failed: (flight, why, isAnswered) => this.#failed(flight, why, isAnswered),
      dismissed: (queue, why) => this.#dismissed(queue, link, why),
      emptied: (queue) => {
        if (isSending(queue, link)) this.#goOn(queue);
      },
    });
    this.#links.set(broker.id, link);
    return link;
  }

  #delivered(flight: Flight, baseOffset: number): void {
    const { queue, batch } = flight;
    if (batch.flight !== flight) return;
    queue.delivered(flight);
    this.#goOn(queue);
    this.#options.released(batch.heldBytes);
    batch.delivered(baseOffset);
  }

  #failed(flight: Flight, why: Refusal, isAnswered: boolean): void {
    const { queue, batch } = flight;
    // Its time ran out, or it was sent to another leader since.
    if (batch.flight !== flight) return;
    const { deleted } = queue.topic;
    if (!this.#closed && !deleted && !refusals.isFinal(why.code, batch.acks)) {
      queue.failed(flight, why, isAnswered);
      this.#goOn(queue);
      return;
    }
    const isUnknown = !this.#closed && (batch.mayBeThere || !isAnswered);
    queue.giveUp(batch);
    this.#goOn(queue);
    if (deleted) this.#refuse(batch, refusals.topicDeleted(queue));
    else this.#refuse(batch, isUnknown ? refusals.outcomeUnknown(queue, why) : why);
  }

  /** A link ended at which it stood in line. */
  #dismissed(queue: PartitionQueue, link: ProduceLink, why: Refusal): void {
    // It may have gone on meanwhile, by the same link or another.
    if (!isSending(queue, link) || queue.inFlight > 0 || queue.line !== undefined) return;
    if (queue.empty) this.#rest(queue);
    else this.#backOff(queue, why);
  }

  /** After an outcome: what gathered meanwhile has waited long enough. */
  #goOn(queue: PartitionQueue): void {
    if (queue.inFlight > 0) {
      if (queue.state.kind === 'sending' && queue.sendable) queue.state.link.enqueue(queue);
      return;
    }
    const round = queue.endRound();
    if (queue.empty) this.#rest(queue);
    else if (round !== undefined) this.#backOff(queue, round.why);
    // Once closed, what gathered is left where it will be refused.
    else if (this.#closed) queue.state = IDLE;
    else this.ready(queue);
    if (round !== undefined && round.lost.length > 0) this.#lose(queue, round);
  }

  #lose(queue: PartitionQueue, { why, lost }: Round): void {
    const reason = refusals.outcomeUnknown(queue, why);
    this.#parts.world.logger.warn({ code: reason.code, batches: lost.length }, reason.message);
    for (const batch of lost) this.#refuse(batch, reason);
  }

  /** Tries again after a while, or at once where another leader is known by now. */
  #backOff(queue: PartitionQueue, why: Refusal): void {
    queue.failures++;
    queue.lastRefusal = why;
    if (this.#closed) return void (queue.state = IDLE);
    const { clock, logger, random } = this.#parts.world;
    const isLate = this.#leaderEpoch(queue) > queue.triedEpoch;
    const waitMs = isLate ? 0 : backoffMs(queue.failures, BACKOFF, random);
    logger.debug(
      { topic: queue.topic.info.name, partition: queue.index, tries: queue.failures, code: why.code },
      `produce failed, trying again in ${waitMs} ms: ${why.message}`,
    );
    if (isLate) return this.ready(queue);
    queue.state = { kind: 'backoff', cancel: clock.after(waitMs, () => this.ready(queue)) };
  }

  /** Nothing is left of it. */
  #rest(queue: PartitionQueue): void {
    if (queue.state.kind === 'backoff') queue.state.cancel();
    queue.state = IDLE;
    queue.rest();
    this.#active.delete(queue);
  }

  #refuse(batch: ProducerBatch, why: Refusal): void {
    this.#options.released(batch.heldBytes);
    batch.refused(why);
  }

  #followLeader(queue: PartitionQueue): void {
    const { state } = queue;
    if (state.kind === 'parked') return this.ready(queue);
    if (this.#leaderEpoch(queue) <= queue.triedEpoch) return;
    if (state.kind === 'backoff') {
      state.cancel();
      this.ready(queue);
    } else if (state.kind === 'sending') {
      // A leader that was replaced may never say so: it may be cut off, or stand still.
      const leader = this.#leaderOf(queue);
      if (leader === undefined || this.#links.get(leader.id) === state.link) return;
      if (queue.inFlight === 0 || queue.recall()) this.ready(queue);
    }
  }

  #leaderEpoch(queue: PartitionQueue): number {
    return queue.topic.info.partitions[queue.index]?.leaderEpoch ?? -1;
  }

  /** Refuses all that waits in a queue whose topic is gone. */
  #abandon(queue: PartitionQueue): void {
    const abandoned = queue.takeCreatedBefore(Number.POSITIVE_INFINITY);
    this.#rest(queue);
    const why = refusals.topicDeleted(queue);
    for (const batch of abandoned) this.#refuse(batch, why);
  }

  #startSweep(): void {
    if (this.#sweep !== undefined || this.#closed) return;
    const { clock } = this.#parts.world;
    const { timeoutMs } = this.#options;
    this.#sweep = clock.every(Math.min(1_000, Math.max(10, timeoutMs / 10)), () => {
      this.#expire(clock.monotonicMs() - timeoutMs, undefined);
      if (this.#active.size > 0) return;
      this.#sweep?.();
      this.#sweep = undefined;
    });
  }

  /** Refuses every batch created up to a moment, those in flight too: what became of these is not known. */
  #expire(createdMs: number, why: Refusal | undefined): void {
    const late: PartitionQueue[] = [];
    const stuck = new Map<ProduceLink, Refusal>();
    for (const queue of this.#active) {
      const expired = queue.takeCreatedBefore(createdMs);
      if (expired.length === 0) continue;
      const reason = why ?? this.#lateRefusal(queue);
      late.push(queue);
      if (queue.state.kind === 'sending') stuck.set(queue.state.link, reason);
      for (const batch of expired) this.#refuse(batch, reason);
    }
    // A link that kept a batch for so long is as good as broken: the others on it are tried again.
    for (const [link, reason] of stuck) link.cut(reason);
    for (const queue of late) {
      if (queue.state.kind === 'sending') this.#goOn(queue);
      else if (queue.empty) this.#rest(queue);
    }
  }

  #lateRefusal(queue: PartitionQueue): Refusal {
    const within = `within ${this.#options.timeoutMs} ms`;
    if (queue.state.kind !== 'parked') return refusals.noAnswer(queue, within);
    if (this.#leaderOf(queue) === undefined) return refusals.noLeader(queue, within);
    return refusals.noProducerId(within, this.#ids.lastRefusal);
  }
}

/** Whether it sends through this link. */
function isSending({ state }: PartitionQueue, link: ProduceLink): boolean {
  return state.kind === 'sending' && state.link === link;
}
