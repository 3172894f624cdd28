import { WeirError } from '@weir/base/errors.ts';
import type { initProducerId } from '@weir/kafka/apis/init-producer-id.ts';
import { outcomeOfFailure } from './admin.ts';
import type { Admin } from './admin.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';

/** What a broker is registered as. */
export interface BrokerRegistrationId {
  readonly brokerId: number;
  readonly brokerEpoch: number;
}

/** Stands where a producer has no id, and no epoch of it, yet: it has both or neither. */
const NONE = -1;

/** Gives out producer ids, of which the coordinator allots a block at a time: none is ever given out twice. */
export class ProducerIds {
  readonly #admin: Pick<Admin, 'allocateProducerIds'>;
  readonly #registration: () => BrokerRegistrationId;
  #next = 0;
  #end = 0;
  #fetching: Promise<void> | undefined;

  constructor(admin: Pick<Admin, 'allocateProducerIds'>, registration: () => BrokerRegistrationId) {
    this.#admin = admin;
    this.#registration = registration;
  }

  /** Answers an idempotent producer with a new id, in epoch 0. */
  async answer(exchange: Exchange<typeof initProducerId>): Promise<void> {
    const { transactionalId, producerId: knownId, producerEpoch: knownEpoch } = exchange.request;
    const isHalf = (knownId === NONE) !== (knownEpoch === NONE);
    if (transactionalId !== null || isHalf) {
      exchange.answer({
        throttleTimeMs: 0,
        errorCode: errorNumber('INVALID_REQUEST'),
        producerId: -1,
        producerEpoch: -1,
      });
      return;
    }
    try {
      const producerId = await this.take();
      exchange.answer({ throttleTimeMs: 0, errorCode: 0, producerId, producerEpoch: 0 });
    } catch (error) {
      const { errorCode } = outcomeOfFailure(error);
      exchange.answer({ throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 });
    }
  }

  /** A new id. @throws WeirError (as a rejection) when the coordinator gives none */
  async take(): Promise<number> {
    while (this.#next === this.#end) {
      // Whoever comes meanwhile waits for the same block.
      this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
      await this.#fetching;
    }
    return this.#next++;
  }

  async #fetch(): Promise<void> {
    const { brokerId, brokerEpoch } = this.#registration();
    const { firstId, count } = await this.#admin.allocateProducerIds(brokerId, brokerEpoch);
    if (count === 0) throw new WeirError('COORDINATOR_UNAVAILABLE', 'the coordinator gave no producer ids');
    this.#next = Number(firstId);
    this.#end = this.#next + count;
  }
}
