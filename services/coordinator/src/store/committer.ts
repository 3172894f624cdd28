import { assert } from '@weir/base/assert.ts';
import { messageOf } from '@weir/base/errors.ts';
import { sleep } from '@weir/base/clock.ts';
import { RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import type { Revision } from '@weir/base/ids.ts';
import type { World } from '@weir/runtime/world.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import { StoreFault } from './metadata-store.ts';
import type { MetadataStore, TxnRequest, TxnResult } from './metadata-store.ts';
import { decodeValue } from './records.ts';

/** What the committer is given of the world, and whom it tells that it can write no more. */
export type CommitterWorld = Pick<World, 'clock' | 'logger' | 'fatal'> & { readonly deposed: () => void };

/** A transaction with the change id that it writes. */
export interface Commit {
  readonly txn: TxnRequest;
  readonly changeId: string;
}

/**
 * Writes the controller's transactions, one at a time. A fault leaves the outcome unknown, so that the very same
 * compare-and-set is sent again until there is an answer: it succeeds; or it fails and the newest change id is its
 * own, and an earlier attempt had succeeded; or somebody else writes, or has written, and this coordinator is deposed.
 */
export class Committer {
  readonly #store: MetadataStore;
  readonly #world: CommitterWorld;
  readonly #metrics: Pick<CoordinatorMetrics, 'txnSeconds' | 'txnRetries'>;
  readonly #stop = new AbortController();
  #underWay: Promise<void> | undefined;
  #problem: string | undefined;

  constructor(
    store: MetadataStore,
    world: CommitterWorld,
    metrics: Pick<CoordinatorMetrics, 'txnSeconds' | 'txnRetries'>,
  ) {
    this.#store = store;
    this.#world = world;
    this.#metrics = metrics;
  }

  /** Why nothing can be written, or undefined. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** `committed` is called with the revision once the transaction is durable. */
  commit(commit: Commit, committed: (revision: Revision) => void): void {
    assert(this.#underWay === undefined, 'one transaction at a time');
    this.#underWay = this.#write(commit).then(
      (revision) => {
        this.#underWay = undefined;
        if (revision !== undefined) committed(revision);
      },
      (error: unknown) => this.#world.fatal(error instanceof Error ? error : new Error(messageOf(error))),
    );
  }

  /** Waits for the transaction under way; none is tried again, and none begins. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#underWay;
  }

  /** The revision, or undefined when it was stopped without knowing, or is deposed. */
  async #write({ txn, changeId }: Commit): Promise<Revision | undefined> {
    let backoffMs = RETRY_BACKOFF_MS_MIN;
    while (!this.#stop.signal.aborted) {
      const result = await this.#attempt(txn);
      if (result !== undefined) {
        const revision = revisionOf(result, changeId);
        if (revision === undefined) this.#world.deposed();
        return revision;
      }
      this.#metrics.txnRetries.inc();
      await sleep(this.#world.clock, backoffMs, this.#stop.signal);
      backoffMs = Math.min(2 * backoffMs, RETRY_BACKOFF_MS_MAX);
    }
    return undefined;
  }

  async #attempt(txn: TxnRequest): Promise<TxnResult | undefined> {
    const began = this.#world.clock.monotonicMs();
    try {
      const result = await this.#store.txn(txn);
      this.#metrics.txnSeconds.observe((this.#world.clock.monotonicMs() - began) / 1000);
      if (this.#problem !== undefined) this.#world.logger.info('the metadata store answers again');
      this.#problem = undefined;
      return result;
    } catch (error) {
      if (!(error instanceof StoreFault) || !error.retriable) throw error;
      if (this.#problem === undefined) this.#world.logger.error({ err: error }, error.message);
      this.#problem = error.message;
      return undefined;
    }
  }
}

/** When the transaction was done, by this attempt or by an earlier one; undefined when it never will be. */
function revisionOf(result: TxnResult, changeId: string): Revision | undefined {
  if (result.succeeded) return result.revision;
  const last = result.responses[0];
  const isOurs = last !== undefined && (decodeValue(last) as { change: string }).change === changeId;
  return isOurs ? last.modRevision : undefined;
}
