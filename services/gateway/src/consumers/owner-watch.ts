import type { Cancel } from '@weir/base/clock.ts';
import { HTTP_CONSUMER_OWNER_CHECK_MS } from '@weir/base/group-limits.ts';
import type { World } from '@weir/runtime/world.ts';
import type { ConsumerNodes, ConsumerOwner } from './consumer-nodes.ts';

interface Watched {
  readonly owner: ConsumerOwner;
  /** One for each request that it has. */
  readonly waiting: Set<AbortController>;
  /** It was not there when it was looked for last. */
  isMissed: boolean;
}

/**
 * Requests that other gateways have. One that has fallen off the network says nothing, not even that it is gone: its session's end does.
 * What asks of it is one read of a node a second for each gateway, however many requests it has.
 */
export class OwnerWatch {
  readonly #nodes: Pick<ConsumerNodes, 'isAlive'>;
  readonly #watched = new Map<string, Watched>();
  readonly #cancel: Cancel;
  #isChecking = false;

  constructor(nodes: Pick<ConsumerNodes, 'isAlive'>, { clock }: Pick<World, 'clock'>) {
    this.#nodes = nodes;
    this.#cancel = clock.every(HTTP_CONSUMER_OWNER_CHECK_MS, () => void this.#check());
  }

  /** Passes a request on. `gone` is aborted when its gateway's session is over: no answer is to be waited for. */
  async during<T>(owner: ConsumerOwner, pass: (gone: AbortSignal) => Promise<T>): Promise<T> {
    const key = `${owner.gateway}\0${owner.session}`;
    const gone = new AbortController();
    const watched = this.#watched.get(key) ?? { owner, waiting: new Set(), isMissed: false };
    this.#watched.set(key, watched);
    watched.waiting.add(gone);
    try {
      return await pass(gone.signal);
    } finally {
      watched.waiting.delete(gone);
      if (watched.waiting.size === 0) this.#watched.delete(key);
    }
  }

  stop(): void {
    this.#cancel();
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    for (const watched of this.#watched.values()) {
      // While no coordinator can be asked nobody takes anything over.
      const isAlive = await this.#nodes.isAlive(watched.owner).catch(() => true);
      // One that stops ends its session first, and answers what it has: it gets one more round for that.
      if (!isAlive && watched.isMissed) for (const gone of watched.waiting) gone.abort();
      watched.isMissed = !isAlive;
    }
    this.#isChecking = false;
  }
}
