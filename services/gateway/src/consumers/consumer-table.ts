import type { Cancel } from '@weir/base/clock.ts';
import { HTTP_CONSUMER_CHECK_MS, HTTP_CONSUMER_IDLE_MS } from '@weir/base/group-limits.ts';
import type { World } from '@weir/runtime/world.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { HttpFailure } from '../http/failure.ts';
import type { HttpConsumerSettings } from './consumer-settings.ts';
import { HttpConsumer } from './http-consumer.ts';
import type { HttpConsumerName } from './http-consumer.ts';

interface Entry {
  readonly consumer: HttpConsumer;
  usedMs: number;
}

/**
 * The consumers of REST v2 that this gateway has. One that nobody calls for HTTP_CONSUMER_IDLE_MS is closed; what was handed out last
 * is then not taken for read.
 */
export class ConsumerTable {
  readonly #client: Pick<GatewayClient, 'consumer'>;
  readonly #world: Pick<World, 'clock' | 'logger'>;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  readonly #cancel: Cancel;
  /** Told of each that expires. */
  onExpired: (consumer: HttpConsumer) => void = () => {};

  constructor(client: Pick<GatewayClient, 'consumer'>, world: Pick<World, 'clock' | 'logger'>, limit: number) {
    this.#client = client;
    this.#world = world;
    this.#limit = limit;
    this.#cancel = world.clock.every(HTTP_CONSUMER_CHECK_MS, () => this.#check());
  }

  get count(): number {
    return this.#entries.size;
  }

  /** @throws HttpFailure CONSUMER_EXISTS, OVERLOADED */
  create(who: HttpConsumerName, settings: HttpConsumerSettings): HttpConsumer {
    const key = keyOf(who);
    if (this.#entries.has(key)) throw exists(who);
    this.requireRoom();
    const consumer = new HttpConsumer(who, settings, this.#client);
    this.#entries.set(key, { consumer, usedMs: this.#world.clock.monotonicMs() });
    return consumer;
  }

  /** @throws HttpFailure OVERLOADED: it has as many as it may */
  requireRoom(): void {
    if (this.#entries.size < this.#limit) return;
    const message = `this gateway has ${this.#limit} consumers, which is its limit: delete some, or try another gateway`;
    throw new HttpFailure('OVERLOADED', message);
  }

  has(who: HttpConsumerName): boolean {
    return this.#entries.has(keyOf(who));
  }

  /** A consumer that is called, and is idle from now on. @throws HttpFailure UNKNOWN_CONSUMER */
  find(who: HttpConsumerName): HttpConsumer {
    const entry = this.#entries.get(keyOf(who));
    if (entry === undefined) throw unknown(who);
    entry.usedMs = this.#world.clock.monotonicMs();
    return entry.consumer;
  }

  /** @throws HttpFailure (as a rejection) UNKNOWN_CONSUMER */
  async delete(who: HttpConsumerName): Promise<void> {
    const consumer = this.find(who);
    this.#entries.delete(keyOf(who));
    await consumer.close({ isDone: true });
  }

  /** Another gateway has it, if there is one here: it leaves its group. */
  async drop(who: HttpConsumerName): Promise<void> {
    const entry = this.#entries.get(keyOf(who));
    this.#entries.delete(keyOf(who));
    await entry?.consumer.close({ isDone: false });
  }

  /** All leave their groups. */
  async close(): Promise<void> {
    this.#cancel();
    const all = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(all.map(({ consumer }) => consumer.close({ isDone: false })));
  }

  #check(): void {
    const nowMs = this.#world.clock.monotonicMs();
    for (const [key, entry] of this.#entries) {
      if (entry.consumer.isPolling) entry.usedMs = nowMs;
      if (nowMs - entry.usedMs < HTTP_CONSUMER_IDLE_MS) continue;
      const { groupId, name } = entry.consumer;
      this.#world.logger.info({ group: groupId, consumer: name }, 'a consumer expired: nobody has called it');
      this.#entries.delete(key);
      this.onExpired(entry.consumer);
      entry.consumer
        .close({ isDone: false })
        .catch((error: unknown) => this.#world.logger.debug({ err: error }, 'an expired consumer did not close'));
    }
  }
}

/** A consumer's key in a map. */
export function keyOf({ groupId, name }: HttpConsumerName): string {
  return `${groupId}\0${name}`;
}

/** The failure for a consumer that is to be created and is there already. */
export function exists({ groupId, name }: HttpConsumerName): HttpFailure {
  const message = `group "${groupId}" has a consumer "${name}" already: DELETE it, or choose another name`;
  return new HttpFailure('CONSUMER_EXISTS', message);
}

/** The failure for a consumer that is not there. */
export function unknown({ groupId, name }: HttpConsumerName): HttpFailure {
  const message =
    name === ''
      ? `nothing was read for group "${groupId}" here, or not for long: GET /v1/groups/{group}/records?topics= does that`
      : `group "${groupId}" has no consumer "${name}": create it with POST /consumers/{group}`;
  return new HttpFailure('UNKNOWN_CONSUMER', message);
}
