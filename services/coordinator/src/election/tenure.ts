import type { Cancel, Clock } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import { CONTROLLER_LEASE_MS, CONTROLLER_RENEW_MS, CONTROLLER_UNCONFIRMED_MS } from '@weir/base/limits.ts';
import type { LeaseId } from '@weir/base/ids.ts';
import type { Logger } from '@weir/runtime/world.ts';
import { StoreFault } from '../store/metadata-store.ts';
import type { Lease, MetadataStore } from '../store/metadata-store.ts';

/**
 * The time in office of the active coordinator. While it holds, nobody else can have taken over, unless they ended the lease
 * themselves; safety is not its business: every write compares the claim.
 */
export interface Tenure {
  /** Undefined: nobody can take over. */
  readonly lease: LeaseId | undefined;
  /** Whether this coordinator may answer for sessions and for what is true now. */
  holds(): boolean;
  /** Ends it, so that others take over at once. Best effort: else the lease ends by itself. */
  resign(): Promise<void>;
}

/** Where one process has the store for itself. */
export const FOR_LIFE: Tenure = { lease: undefined, holds: () => true, resign: () => Promise.resolve() };

/** What a tenure needs. */
export interface TenureParts {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly fatal: (error: Error) => void;
  /** The lease has ended, or is given up: called once, and not after `resign`. */
  readonly lost: () => void;
}

/** Keep-alives under way at a time: one may hang at a member of etcd that is paused, and the next go past it. */
const CALLS_MAX = 3;

/** A tenure by a lease that is kept alive. */
export class LeasedTenure implements Tenure {
  readonly lease: LeaseId;
  readonly #ttlMs: number;
  readonly #parts: TenureParts;
  readonly #cancel: Cancel;
  /** By this process's clock: the store counts from when it was asked or later. */
  #endsMs: number;
  #calls = 0;
  #isOver = false;
  #isTroubled = false;

  /** @throws StoreFault (as a rejection) when the store failed */
  static async begin(parts: TenureParts): Promise<LeasedTenure> {
    const askedMs = parts.clock.monotonicMs();
    const lease = await parts.store.grantLease(CONTROLLER_LEASE_MS);
    return new LeasedTenure(lease, askedMs, parts);
  }

  private constructor({ id, ttlMs }: Lease, askedMs: number, parts: TenureParts) {
    this.lease = id;
    this.#ttlMs = ttlMs;
    this.#parts = parts;
    this.#endsMs = askedMs + ttlMs;
    this.#cancel = parts.clock.every(CONTROLLER_RENEW_MS, () => void this.#renew());
  }

  holds(): boolean {
    return !this.#isOver && this.#parts.clock.monotonicMs() < this.#endsMs;
  }

  async resign(): Promise<void> {
    this.#end();
    try {
      await this.#parts.store.revokeLease(this.lease);
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error;
      this.#parts.logger.warn({ err: error }, `the lease is left to end by itself: ${error.message}`);
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#cancel();
  }

  async #renew(): Promise<void> {
    if (this.#parts.clock.monotonicMs() - this.#endsMs >= CONTROLLER_UNCONFIRMED_MS) {
      this.#parts.logger.warn('the lease was not confirmed for so long that it is given up');
      this.#end();
      return this.#parts.lost();
    }
    if (this.#calls >= CALLS_MAX) return;
    this.#calls++;
    const { store, clock, logger, lost, fatal } = this.#parts;
    const askedMs = clock.monotonicMs();
    try {
      const isAlive = await store.keepLeaseAlive(this.lease);
      if (this.#isOver) return;
      if (!isAlive) {
        this.#end();
        return lost();
      }
      this.#endsMs = Math.max(this.#endsMs, askedMs + this.#ttlMs);
      if (this.#isTroubled) logger.info('the metadata store has confirmed the lease again');
      this.#isTroubled = false;
    } catch (error) {
      if (this.#isOver) return;
      if (!(error instanceof StoreFault)) return fatal(error instanceof Error ? error : new Error(messageOf(error)));
      if (!this.#isTroubled) logger.warn({ err: error }, `the lease could not be confirmed: ${error.message}`);
      this.#isTroubled = true;
    } finally {
      this.#calls--;
    }
  }
}
