import type { Cancel, Clock } from '@weir/base/clock.ts';
import { LEADER_BALANCE_CHECK_MS, LEADER_BALANCE_DELAY_MS } from '@weir/base/limits.ts';
import { balancesByItself, imbalance } from './controller/elect-leaders.ts';
import type { CommandResult } from './controller/controller.ts';
import type { ClusterImage } from './controller/image.ts';

/** What the balance is set up with. */
export interface LeaderBalanceOptions {
  readonly image: ClusterImage;
  readonly clock: Clock;
  /** Elects preferred replicas of all topics. */
  readonly elect: (done: (result: CommandResult) => void) => void;
  /** So many were elected. */
  readonly elected: (count: number) => void;
}

/** Where it stands: nothing to do, about to look, or at a command, which may be worth another look. */
type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'waits'; readonly cancel: Cancel }
  | { readonly kind: 'runs'; readonly isWanted: boolean }
  | { readonly kind: 'stopped' };

/**
 * Brings leadership back to preferred replicas: when a broker is there again or a replica in sync again, and every
 * LEADER_BALANCE_CHECK_MS, unless `auto.leader.rebalance.enable` is off. One command at a time, behind what waits already.
 */
export class LeaderBalance {
  readonly #options: LeaderBalanceOptions;
  readonly #cancelChecks: Cancel;
  #phase: Phase = { kind: 'idle' };

  constructor(options: LeaderBalanceOptions) {
    this.#options = options;
    this.#cancelChecks = options.clock.every(LEADER_BALANCE_CHECK_MS, () => this.wanted());
  }

  /** Something has changed that preferred replicas may lead by. */
  wanted(): void {
    switch (this.#phase.kind) {
      case 'stopped':
      case 'waits':
        return;
      case 'runs':
        this.#phase = { kind: 'runs', isWanted: true };
        return;
      case 'idle':
        this.#phase = {
          kind: 'waits',
          cancel: this.#options.clock.after(LEADER_BALANCE_DELAY_MS, () => this.#run()),
        };
    }
  }

  stop(): void {
    if (this.#phase.kind === 'waits') this.#phase.cancel();
    this.#phase = { kind: 'stopped' };
    this.#cancelChecks();
  }

  #run(): void {
    const { image, elect, elected } = this.#options;
    const isNeeded = balancesByItself(image) && imbalance(image, image.topics.values()).able.length > 0;
    this.#phase = isNeeded ? { kind: 'runs', isWanted: false } : { kind: 'idle' };
    if (!isNeeded) return;
    elect((result) => {
      if (result.kind === 'election') elected(result.result.elected);
      if (this.#phase.kind !== 'runs') return;
      const goesOn = this.#phase.isWanted || (result.kind === 'election' && result.result.isCut);
      this.#phase = { kind: 'idle' };
      if (goesOn) this.wanted();
    });
  }
}
