import type { Cancel, Clock } from '@weir/base/clock.ts';
import { READY_FORCED_MS } from '@weir/base/limits.ts';
import type { Logger } from '@weir/runtime/world.ts';

/** How far a broker is on its way to its clients. */
type Stage =
  | { readonly kind: 'recovering' }
  | { readonly kind: 'unregistered'; readonly why: string }
  | { readonly kind: 'takingUp'; readonly giveUp: Cancel }
  | { readonly kind: 'ready'; readonly forced: boolean }
  | { readonly kind: 'stopping' };

/** What readiness depends on. */
export interface ReadinessParts {
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** Partitions that the metadata places here and that are not taken up yet. */
  readonly toTakeUp: () => number;
}

/**
 * Whether clients should come: once the broker is registered and has taken up what the metadata places on it.
 *
 * Invariant: it is a latch. What happens later, to the coordinator, to other brokers or to partitions, changes nothing
 * until the stop; or a fault elsewhere would take away brokers that serve well.
 */
export class Readiness {
  readonly #parts: ReadinessParts;
  #stage: Stage = { kind: 'recovering' };

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** Why clients should not come, or undefined. */
  get problem(): string | undefined {
    const stage = this.#stage;
    switch (stage.kind) {
      case 'recovering':
        return 'recovering';
      case 'unregistered':
        return stage.why;
      case 'takingUp':
        return `taking up partitions: ${this.#parts.toTakeUp()} to go`;
      case 'ready':
        return undefined;
      case 'stopping':
        return 'stopping';
    }
  }

  /** Whether it is ready only because partitions kept it waiting for too long. */
  get forced(): boolean {
    return this.#stage.kind === 'ready' && this.#stage.forced;
  }

  /** The logs are open. */
  recovered(): void {
    this.#stage = { kind: 'unregistered', why: 'not registered with a coordinator yet' };
  }

  /** A coordinator refuses the registration for now. */
  refused(why: string): void {
    if (this.#stage.kind === 'unregistered') this.#stage = { kind: 'unregistered', why: `not registered: ${why}` };
  }

  /** Registered, and told of the whole cluster: there is work from now on. */
  told(): void {
    if (this.#stage.kind !== 'unregistered') return;
    const { clock, logger, toTakeUp } = this.#parts;
    const giveUp = clock.after(READY_FORCED_MS, () => {
      const minutes = READY_FORCED_MS / 60_000;
      logger.warn(`ready although ${toTakeUp()} partitions could not be taken up for ${minutes} minutes`);
      this.#stage = { kind: 'ready', forced: true };
    });
    this.#stage = { kind: 'takingUp', giveUp };
  }

  /** All that the metadata places here is taken up. */
  takenUp(): void {
    const stage = this.#stage;
    if (stage.kind === 'takingUp') stage.giveUp();
    if (stage.kind === 'takingUp' || this.forced) this.#stage = { kind: 'ready', forced: false };
  }

  /** For good. */
  stop(): void {
    if (this.#stage.kind === 'takingUp') this.#stage.giveUp();
    this.#stage = { kind: 'stopping' };
  }
}
