import { sleep } from '@weir/base/clock.ts';
import type { Cancel } from '@weir/base/clock.ts';
import {
  HTTP_CONSUMER_EXPIRED_MS,
  HTTP_CONSUMER_IDLE_MS,
  HTTP_CONSUMER_MOVE_MS,
  HTTP_CONSUMER_MOVE_RETRY_MS,
  HTTP_CONSUMER_SWEEP_MS,
} from '@weir/base/group-limits.ts';
import type { World } from '@weir/runtime/world.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';
import type { ConsumerNodes, ConsumerOwner, StoredConsumer } from './consumer-nodes.ts';
import type { HttpConsumerSettings } from './consumer-settings.ts';
import { exists, keyOf, unknown } from './consumer-table.ts';
import type { ConsumerTable } from './consumer-table.ts';
import type { HttpConsumer, HttpConsumerName } from './http-consumer.ts';
import { OwnerWatch } from './owner-watch.ts';

/** Set on what one gateway passes on to another, which does not pass it on again. */
export const FORWARDED_HEADER = 'weir-forwarded-by';

/** Passes a request on; "unreached": nobody has taken it. `gone`: the owner is not to be waited for any more. */
export type Forward = (
  owner: ConsumerOwner,
  request: GatewayRequest,
  path: string,
  gone: AbortSignal,
) => Promise<GatewayReply | 'unreached'>;

/** What finding consumers takes. */
export interface ConsumerPlacesParts {
  readonly table: ConsumerTable;
  readonly nodes: ConsumerNodes;
  readonly world: Pick<World, 'clock' | 'logger'>;
  readonly forward: Forward;
  /** This gateway, while others see it. */
  readonly self: () => ConsumerOwner | undefined;
}

interface Held {
  readonly session: number;
  /** Of its node. */
  version: number;
  /** Settles when the node has what was to be stored so far: the next write waits for that one's version. */
  saving: Promise<void>;
}

/**
 * Where consumers are. Each has a node that names the gateway that has it; other gateways pass its requests on to that one, and take
 * it over, by a compare-and-set of the node, when that one is gone.
 *
 * Invariant: a gateway serves a consumer only if it has written itself into the consumer's node, and nobody else since, as far as it
 * can know. Two that serve one for a moment are two members of its group.
 */
export class ConsumerPlaces {
  readonly #parts: ConsumerPlacesParts;
  readonly #held = new Map<string, Held>();
  /** Those whose nodes are being made: calls about them wait for that. */
  readonly #creating = new Map<string, Promise<void>>();
  /** Nodes that nobody serves, and since when this gateway has seen that. */
  #unserved = new Map<string, number>();
  readonly #owners: OwnerWatch;
  readonly #cancel: Cancel;
  #isSweeping = false;

  constructor(parts: ConsumerPlacesParts) {
    this.#parts = parts;
    this.#owners = new OwnerWatch(parts.nodes, parts.world);
    this.#cancel = parts.world.clock.every(HTTP_CONSUMER_SWEEP_MS, () => void this.#sweepNow());
  }

  /** @throws HttpFailure (as a rejection) CONSUMER_EXISTS, OVERLOADED, COORDINATOR_UNAVAILABLE */
  async create(who: HttpConsumerName, settings: HttpConsumerSettings): Promise<HttpConsumer> {
    const key = keyOf(who);
    if (this.#creating.has(key)) throw exists(who);
    const creating = this.#create(who, settings);
    this.#creating.set(key, settled(creating));
    try {
      return await creating;
    } finally {
      this.#creating.delete(key);
    }
  }

  /**
   * Answers a request about a consumer, by whoever has it.
   *
   * @param here - answers it in this gateway
   * @param path - where another gateway is asked the same
   * @throws HttpFailure (as a rejection) UNKNOWN_CONSUMER, CONSUMER_EXPIRED, CONSUMER_MOVED
   */
  async serve(
    who: HttpConsumerName,
    request: GatewayRequest,
    path: string,
    here: () => GatewayReply | Promise<GatewayReply>,
  ): Promise<GatewayReply> {
    const { clock } = this.#parts.world;
    const untilMs = clock.monotonicMs() + HTTP_CONSUMER_MOVE_MS;
    for (;;) {
      const owner = await this.#locate(who);
      if (owner === 'here') return here();
      if (request.headers[FORWARDED_HEADER] !== undefined) throw moved(who);
      const reply = owner === 'contended' ? 'unreached' : await this.#pass(owner, request, path);
      if (reply !== 'unreached') return reply;
      // It has just died, perhaps: then its session ends.
      if (clock.monotonicMs() >= untilMs) throw moved(who);
      await sleep(clock, HTTP_CONSUMER_MOVE_RETRY_MS, request.signal);
      if (request.signal.aborted) throw new HttpFailure('CLIENT_GONE', 'the client has gone');
    }
  }

  /** Whether a consumer is stored. */
  async has(who: HttpConsumerName): Promise<boolean> {
    await this.#creating.get(keyOf(who));
    if (this.#parts.table.has(who)) return true;
    const found = await this.#parts.nodes.read(who);
    return found !== undefined && !found.stored.isExpired;
  }

  /** Stores what a consumer reads now. @throws HttpFailure (as a rejection) CONSUMER_MOVED: somebody else has it */
  async save(consumer: HttpConsumer): Promise<void> {
    const held = this.#held.get(keyOf(consumer));
    if (held === undefined) throw moved(consumer);
    const saved = held.saving.then(() => this.#save(consumer, held));
    held.saving = settled(saved);
    await saved;
  }

  /** Deletes a consumer of this gateway. */
  async delete(who: HttpConsumerName): Promise<void> {
    const held = this.#held.get(keyOf(who));
    await this.#parts.table.delete(who);
    this.#held.delete(keyOf(who));
    await held?.saving;
    if (held !== undefined) await this.#parts.nodes.delete(who, held.version);
  }

  /** One of this gateway has expired: the others are to know. */
  expired(consumer: HttpConsumer): void {
    const held = this.#held.get(keyOf(consumer));
    this.#held.delete(keyOf(consumer));
    const { nodes, world } = this.#parts;
    if (held === undefined || this.#parts.self() === undefined) return;
    nodes
      .write(consumer, { ...this.#stored(consumer), isExpired: true }, held.version)
      .catch((error: unknown) => world.logger.debug({ err: error }, 'that a consumer expired is not stored'));
  }

  stop(): void {
    this.#cancel();
    this.#owners.stop();
  }

  #pass(owner: ConsumerOwner, request: GatewayRequest, path: string): ReturnType<Forward> {
    return this.#owners.during(owner, (gone) => this.#parts.forward(owner, request, path, gone));
  }

  async #create(who: HttpConsumerName, settings: HttpConsumerSettings): Promise<HttpConsumer> {
    const { table, nodes } = this.#parts;
    const stored: StoredConsumer = { settings, reads: { kind: 'nothing' }, owner: this.#self(), isExpired: false };
    const consumer = table.create(who, settings);
    let version: number | undefined;
    try {
      version = await nodes.create(who, stored);
      const found = version === undefined ? await nodes.read(who) : undefined;
      if (found?.stored.isExpired === true) version = await nodes.write(who, stored, found.version);
    } finally {
      if (version === undefined) await table.drop(who);
    }
    if (version === undefined) throw exists(who);
    this.#held.set(keyOf(who), { session: stored.owner.session, version, saving: Promise.resolve() });
    return consumer;
  }

  async #save(consumer: HttpConsumer, held: Held): Promise<void> {
    if (this.#held.get(keyOf(consumer)) !== held) throw moved(consumer);
    const version = await this.#parts.nodes.write(consumer, this.#stored(consumer), held.version);
    if (version !== undefined) held.version = version;
    else {
      await this.#letGo(consumer);
      throw moved(consumer);
    }
  }

  async #locate(who: HttpConsumerName): Promise<'here' | 'contended' | ConsumerOwner> {
    await this.#creating.get(keyOf(who));
    const { table, nodes } = this.#parts;
    const self = this.#parts.self();
    const held = this.#held.get(keyOf(who));
    // Without a coordinator nobody can take it over.
    if (held !== undefined && table.has(who) && (self === undefined || held.session === self.session)) return 'here';
    const found = await nodes.read(who);
    if (found === undefined || found.stored.isExpired) {
      await this.#letGo(who);
      throw found === undefined ? unknown(who) : expired(who);
    }
    const { stored, version } = found;
    const isMine = stored.owner.gateway === self?.gateway;
    if (!isMine && (await nodes.isAlive(stored.owner))) {
      await this.#letGo(who);
      return stored.owner;
    }
    return (await this.#takeOver(who, { ...stored, owner: this.#self() }, version)) ? 'here' : 'contended';
  }

  /** False: somebody else was faster. */
  async #takeOver(who: HttpConsumerName, stored: StoredConsumer, from: number): Promise<boolean> {
    const { table, nodes, world } = this.#parts;
    // Without room here the next gateway that is asked may take it over.
    if (!table.has(who)) table.requireRoom();
    const version = await nodes.write(who, stored, from);
    if (version === undefined) return false;
    this.#held.set(keyOf(who), { session: stored.owner.session, version, saving: Promise.resolve() });
    if (!table.has(who)) {
      await table.create(who, stored.settings).restore(stored);
      world.logger.info({ group: who.groupId, consumer: who.name }, 'took a consumer over from a gateway that is gone');
    }
    return true;
  }

  async #letGo(who: HttpConsumerName): Promise<void> {
    this.#held.delete(keyOf(who));
    await this.#parts.table.drop(who);
  }

  async #sweepNow(): Promise<void> {
    if (this.#isSweeping || this.#parts.self() === undefined) return;
    this.#isSweeping = true;
    await this.#sweep().catch((error: unknown) =>
      this.#parts.world.logger.debug({ err: error }, 'consumers of gateways that are gone are looked at later'),
    );
    this.#isSweeping = false;
  }

  /** Consumers expire, too, whose gateways are gone and that nobody calls; what is stored of those that expired is deleted later. */
  async #sweep(): Promise<void> {
    const { nodes, world } = this.#parts;
    const seen = new Map<string, number>();
    // Each gateway is looked for once. Of this one's own, those that it does not have are nobody's.
    const alive = new Map([[sessionKeyOf(this.#self()), false]]);
    for (const who of await nodes.list()) {
      if (this.#held.has(keyOf(who))) continue;
      const found = await nodes.read(who);
      if (found === undefined) continue;
      const { isExpired, owner } = found.stored;
      if (!isExpired) {
        const isServed = alive.get(sessionKeyOf(owner)) ?? (await nodes.isAlive(owner));
        alive.set(sessionKeyOf(owner), isServed);
        if (isServed) continue;
      }
      const key = `${keyOf(who)}\0${found.version}`;
      const nowMs = world.clock.monotonicMs();
      const sinceMs = this.#unserved.get(key) ?? nowMs;
      const keptMs = isExpired ? HTTP_CONSUMER_EXPIRED_MS : HTTP_CONSUMER_IDLE_MS;
      if (nowMs - sinceMs < keptMs) seen.set(key, sinceMs);
      else if (isExpired) await nodes.delete(who, found.version);
      else await nodes.write(who, { ...found.stored, isExpired: true }, found.version);
    }
    this.#unserved = seen;
  }

  #stored(consumer: HttpConsumer): StoredConsumer {
    const { settings, reads, seeks } = consumer;
    return { settings, reads, ...(seeks.length === 0 ? {} : { seeks }), owner: this.#self(), isExpired: false };
  }

  #self(): ConsumerOwner {
    const self = this.#parts.self();
    if (self !== undefined) return self;
    const message = 'this gateway has no session with a coordinator, which consumers over HTTP need: try again';
    throw new HttpFailure('COORDINATOR_UNAVAILABLE', message);
  }
}

async function settled(call: Promise<unknown>): Promise<void> {
  await call.catch(() => undefined);
}

function sessionKeyOf({ gateway, session }: ConsumerOwner): string {
  return `${gateway}\0${session}`;
}

function expired({ groupId, name }: HttpConsumerName): HttpFailure {
  const message =
    `the consumer "${name}" of group "${groupId}" has expired: nobody called it for ` +
    `${HTTP_CONSUMER_IDLE_MS / 60_000} minutes. Create it anew; it goes on at what was committed`;
  return new HttpFailure('CONSUMER_EXPIRED', message);
}

function moved({ groupId, name }: HttpConsumerName): HttpFailure {
  const message = `the consumer "${name}" of group "${groupId}" is moving to another gateway: try again`;
  return new HttpFailure('CONSUMER_MOVED', message);
}
