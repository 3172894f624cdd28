import { create } from '@bufbuild/protobuf';
import type { Cancel } from '@weir/base/clock.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { PRODUCER_ID_WAIT_MS, RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import { BrokerService, InitProducerIdRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { backoffMs } from '../backoff.ts';
import type { LeaderCallParts } from '../leader-calls.ts';

const INIT_PRODUCER_ID = protobufMethod(BrokerService.method.initProducerId);
const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** What goes with them. */
export interface ProducerIdsOwner {
  /** There is an id. */
  given(): void;
  /** Whether anybody still waits for one: else nobody is asked any more. */
  awaited(): boolean;
}

/** The producer's id, from any broker: asked for when it is needed first, and again when it is used up. */
export class ProducerIds {
  readonly #parts: LeaderCallParts;
  readonly #owner: ProducerIdsOwner;
  #id: number | undefined;
  #isAsking = false;
  #failures = 0;
  #next: number;
  #cancel: Cancel | undefined;
  /** Why the last broker that was asked gave none. */
  lastRefusal: Refusal | undefined;

  constructor(parts: LeaderCallParts, owner: ProducerIdsOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#next = Math.floor(parts.world.random.unit() * 0x1_0000);
  }

  /**
   * The id, another one than `spent`. Undefined while there is none: then it is being asked for, and the owner is told.
   */
  other(spent: number | undefined): number | undefined {
    if (this.#id === spent) this.#id = undefined;
    if (this.#id === undefined && !this.#isAsking) {
      this.#isAsking = true;
      this.#ask();
    }
    return this.#id;
  }

  /** Asks nobody any more. */
  close(): void {
    this.#cancel?.();
  }

  #ask(): void {
    this.#askBroker().then(
      (id) => {
        this.#isAsking = false;
        this.#failures = 0;
        this.lastRefusal = undefined;
        this.#id = id;
        this.#owner.given();
      },
      (error: unknown) => {
        if (!(error instanceof TransportError)) throw error;
        this.#failed(error.failure);
      },
    );
  }

  async #askBroker(): Promise<number> {
    const { metadata, connections } = this.#parts;
    const brokers = [...metadata.image.brokers()].filter(({ active }) => active);
    if (brokers.length === 0) throw new TransportError(NO_BROKER);
    const { grpcAddress } = brokers[this.#next++ % brokers.length]!;
    const request = create(InitProducerIdRequestSchema);
    const answer = await connections.to(grpcAddress).call(INIT_PRODUCER_ID, request, {
      deadlineMs: PRODUCER_ID_WAIT_MS,
    });
    return Number(answer.producerId);
  }

  #failed({ code, message }: Refusal): void {
    this.#failures++;
    this.lastRefusal = { code, message };
    const { clock, random, logger } = this.#parts.world;
    const waitMs = backoffMs(this.#failures, BACKOFF, random);
    logger.debug({ tries: this.#failures, code }, `no producer id, trying again in ${waitMs} ms: ${message}`);
    this.#cancel = clock.after(waitMs, () => {
      if (this.#owner.awaited()) return this.#ask();
      this.#isAsking = false;
      this.#failures = 0;
    });
  }
}

const NO_BROKER = {
  kind: 'unreachable',
  code: 'BROKER_NOT_AVAILABLE',
  message: 'no broker is known to be there',
} as const;
