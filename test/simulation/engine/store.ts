import type { Clock } from '@weir/base/clock.ts';
import { revision } from '@weir/base/ids.ts';
import type { LeaseId } from '@weir/base/ids.ts';
import { LEASE_TTL_MS_MIN } from '@weir/base/limits.ts';
import { MemoryStore } from '@weir/coordinator/store/memory-store.ts';
import { CompactedError, LeaseGoneError, StoreFault } from '@weir/coordinator/store/metadata-store.ts';
import type { Lease, MetadataStore, Revised, TxnRequest, TxnResult } from '@weir/coordinator/store/metadata-store.ts';
import type { Sometimes } from '../sometimes.ts';
import type { StoreSwarm } from '../swarm.ts';
import type { Chance } from './chance.ts';
import { fateOf, GIVEN_UP_MS } from './fate.ts';
import type { Ground, Process } from './process.ts';
import type { Scheduler } from './scheduler.ts';
import { StoreWatches } from './store-watches.ts';

/**
 * A transaction that was done, whether or not whoever asked for it still lives, or ever hears of it; or the end of a lease,
 * as the transaction that deletes its keys.
 */
export interface AppliedTxn {
  /** Undefined: nobody asked, a lease's time was over. */
  readonly by: Process | undefined;
  readonly request: TxnRequest;
  readonly result: TxnResult;
}

/** What has become of a request by the time it is done. */
interface Met {
  readonly isGivenUp: boolean;
  readonly isAnswered: boolean;
}

const LEASES_HELD_EVERY_MS = LEASE_TTL_MS_MIN / 4;
/** How the store is once everything has healed. */
const HEALED: Partial<StoreSwarm> = {
  delayMaxMs: 5,
  slowRate: 0,
  answerLostRate: 0,
  requestLostRate: 0,
  lateRate: 0,
  leaderChangeMs: 0,
  compactMs: 0,
  watchStallRate: 0,
  watchFaultRate: 0,
  watchRepeatRate: 0,
};
/** How far behind the newest revision a compaction leaves off. */
const COMPACTED_BEHIND = [0, 10, 200];

/**
 * The metadata store: transactions are linearizable, a lease never ends before its time, a watch keeps its order, and that is
 * all that is sure. Answers are lost, requests are lost, and one that was given up may still be done, long after its sender
 * went on or died. Leases end late, or have their whole time again. It is shared with others, who compact it.
 */
export class SimulatedStore {
  readonly #memory: MemoryStore;
  readonly #watches: StoreWatches;
  readonly #ground: Ground;
  readonly #chance: Chance;
  /** Of what the store does by itself. */
  readonly #ownChance: Chance;
  readonly #applied: (txn: AppliedTxn) => void;
  readonly #sometimes: Sometimes;
  #swarm: StoreSwarm;
  /** Cannot reach the store. */
  readonly #isolated = new Set<Process>();
  /** Nobody can; whether its leases end all the same. */
  #down: { readonly endsLeases: boolean } | undefined;
  /** Until when a lease's owner may count on it, at most. */
  readonly #promisedMs = new Map<LeaseId, { readonly ttlMs: number; untilMs: number }>();
  /** Whose request is being done, if it is one for the end of a lease. */
  #revoking: Process | undefined;

  constructor(options: {
    readonly ground: Ground;
    /** A stream of chance of its own. */
    readonly chanceFor: (name: string) => Chance;
    readonly swarm: StoreSwarm;
    readonly sometimes: Sometimes;
    /** Called for each transaction, and each end of a lease that had keys, at the moment it is done. */
    readonly applied: (txn: AppliedTxn) => void;
  }) {
    const { ground, chanceFor, swarm, sometimes, applied } = options;
    this.#ground = ground;
    this.#chance = chanceFor('store');
    this.#ownChance = chanceFor('store by itself');
    this.#swarm = swarm;
    this.#applied = applied;
    this.#sometimes = sometimes;
    this.#memory = new MemoryStore({
      clock: clockOf(ground.scheduler),
      defer: (callback) => callback(),
      leaseLateMs: () => this.#ownChance.between(0, this.#swarm.leaseLateMaxMs),
      leaseEnded: (id, revised) => this.#leaseEnded(id, revised),
    });
    this.#watches = new StoreWatches({
      memory: this.#memory,
      ground,
      chance: chanceFor('watches of the store'),
      sometimes,
      swarm: () => this.#swarm,
      isIsolated: (process) => this.#isIsolated(process),
    });
    this.#nowAndThen('leaderChangeMs', () => this.#changeLeader());
    this.#nowAndThen('compactMs', () => this.#compact());
  }

  /** The store as a process reaches it. */
  clientOf(process: Process): MetadataStore {
    return {
      txn: (request) => this.#request(process, (met) => this.#txn(process, request, met)),
      range: (request) => this.#request(process, () => this.#memory.rangeNow(request)),
      watch: (request, handlers) => this.#watches.open(process, request, handlers),
      grantLease: (ttlMs) => this.#request(process, (met) => this.#grantLease(process, ttlMs, met)),
      keepLeaseAlive: (id) => this.#request(process, (met) => this.#keepLeaseAlive(process, id, met)),
      revokeLease: (id) => this.#request(process, () => this.#revokeLease(process, id)),
      compact: (before) => this.#request(process, () => this.#memory.compactNow(before)),
      close: () => {
        this.#watches.closeAll(process);
        return Promise.resolve();
      },
    };
  }

  isolate(process: Process): void {
    this.#isolated.add(process);
  }

  rejoin(process: Process): void {
    this.#isolated.delete(process);
    this.#watches.changed();
  }

  /**
   * Nobody reaches it.
   *
   * @param endsLeases - they end while it is away, as when its network fails; or they have their whole time when it is back, as
   * after a time without a quorum
   */
  goDown({ endsLeases }: { readonly endsLeases: boolean }): void {
    if (this.#down !== undefined) return;
    this.#note(`nobody reaches the store, and its leases ${endsLeases ? 'end' : 'wait'}`);
    this.#down = { endsLeases };
    this.#holdLeases();
  }

  comeBack(): void {
    if (this.#down === undefined) return;
    this.#note('the store is back');
    this.#holdLeases();
    this.#down = undefined;
    this.#watches.changed();
  }

  /** Everything works again. What is under way still has its fate. */
  heal(): void {
    this.comeBack();
    this.#isolated.clear();
    this.#swarm = { ...this.#swarm, ...HEALED };
    this.#watches.changed();
  }

  #txn(by: Process, request: TxnRequest, { isGivenUp, isAnswered }: Met): TxnResult {
    const result = this.#memory.txnNow(request);
    this.#note(`a transaction of ${by.name} ${result.succeeded ? 'succeeds' : 'fails'} at ${result.revision}`);
    this.#applied({ by, request, result });
    this.#watches.changed();
    if (result.succeeded && isGivenUp) this.#sometimes.saw('a transaction was done after it had been given up');
    if (result.succeeded && !isAnswered) this.#sometimes.saw("a committed transaction's answer was lost");
    return result;
  }

  #grantLease(by: Process, ttlMs: number, { isAnswered }: Met): Lease {
    const lease = this.#memory.grantLeaseNow(ttlMs);
    this.#note(`${by.name} is granted lease ${lease.id}`);
    this.#promisedMs.set(lease.id, { ttlMs: lease.ttlMs, untilMs: this.#nowMs + lease.ttlMs });
    if (!isAnswered) this.#sometimes.saw('a lease was granted that nobody knows');
    return lease;
  }

  #keepLeaseAlive(by: Process, id: LeaseId, { isGivenUp }: Met): boolean {
    const isAlive = this.#memory.keepLeaseAliveNow(id);
    this.#note(`${by.name} ${isAlive ? 'keeps' : 'cannot keep'} lease ${id} alive`);
    const promised = this.#promisedMs.get(id);
    if (!isAlive || promised === undefined) return isAlive;
    if (this.#nowMs > promised.untilMs) this.#sometimes.saw('a lease was kept alive when its time was over');
    if (isGivenUp) this.#sometimes.saw('a lease was kept alive by a request that had been given up');
    promised.untilMs = this.#nowMs + promised.ttlMs;
    return true;
  }

  #revokeLease(by: Process, id: LeaseId): void {
    this.#revoking = by;
    this.#memory.revokeLeaseNow(id);
    this.#revoking = undefined;
  }

  #leaseEnded(id: LeaseId, revised: Revised | undefined): void {
    const by = this.#revoking;
    this.#note(`lease ${id} ${by === undefined ? 'ends' : `is revoked by ${by.name}`}`);
    const promised = this.#promisedMs.get(id);
    this.#promisedMs.delete(id);
    if (by === undefined && promised !== undefined) {
      if (this.#nowMs < promised.untilMs) this.#ground.violated(`the simulated store ends lease ${id} early`);
      if (this.#nowMs > promised.untilMs) this.#sometimes.saw('a lease ended late');
    }
    if (revised === undefined) return;
    const deleted = revised.events.map((event) => ({
      kind: 'delete' as const,
      key: event.kind === 'put' ? event.item.key : event.key,
    }));
    const responses = deleted.map(() => undefined);
    const result = { succeeded: true, revision: revised.revision, responses };
    this.#applied({ by, request: { compare: [], success: deleted }, result });
    this.#watches.changed();
  }

  #isIsolated(process: Process): boolean {
    return this.#down !== undefined || this.#isolated.has(process);
  }

  /** As long as it is down, if leases wait then: no lease is as short as this. */
  #holdLeases(): void {
    if (this.#down === undefined || this.#down.endsLeases) return;
    this.#memory.keepLeasesAliveNow();
    this.#ground.scheduler.in(LEASES_HELD_EVERY_MS, () => this.#holdLeases());
  }

  #changeLeader(): void {
    this.#note('the store has a new leader, and leases have their whole time again');
    this.#memory.keepLeasesAliveNow();
  }

  #compact(): void {
    const behind = this.#ownChance.pick(COMPACTED_BEHIND);
    const before = revision(Math.max(1, this.#memory.revision + 1 - behind));
    this.#note(`the store forgets what was before ${before}`);
    this.#memory.compactNow(before);
  }

  /** Does something again and again, at the rate that the swarm says, for as long as it says one. */
  #nowAndThen(rate: 'leaderChangeMs' | 'compactMs', run: () => void): void {
    const everyMs = this.#swarm[rate];
    if (everyMs === 0) return;
    this.#ground.scheduler.in(this.#ownChance.between(0, 2 * everyMs), () => {
      if (this.#swarm[rate] === 0) return;
      run();
      this.#nowAndThen(rate, run);
    });
  }

  #request<T>(process: Process, perform: (met: Met) => T): Promise<T> {
    const { scheduler } = this.#ground;
    const isIsolated = this.#isIsolated(process);
    const { doneAfterMs, answeredAfterMs, givenUpAfterMs, fault } = fateOf(this.#chance, this.#swarm, { isIsolated });
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (how: () => void): void =>
        process.deliver(() => {
          if (isSettled) return;
          isSettled = true;
          how();
        });
      if (doneAfterMs !== undefined) {
        scheduler.in(doneAfterMs, () => {
          const answer = this.#performed(() =>
            perform({ isGivenUp: isSettled, isAnswered: answeredAfterMs !== undefined }),
          );
          if (answeredAfterMs === undefined) return;
          scheduler.in(answeredAfterMs - doneAfterMs, () =>
            settle(() => ('error' in answer ? reject(answer.error) : resolve(answer.result))),
          );
        });
      }
      if (answeredAfterMs === undefined || answeredAfterMs > GIVEN_UP_MS) {
        scheduler.in(givenUpAfterMs, () => settle(() => reject(new StoreFault(fault, { retriable: true }))));
      }
    });
  }

  /** A request that no engine takes is a bug of who sends it, who may never hear of it. */
  #performed<T>(perform: () => T): { readonly result: T } | { readonly error: Error } {
    try {
      return { result: perform() };
    } catch (error) {
      const isAnswer = error instanceof LeaseGoneError || error instanceof CompactedError;
      if (!isAnswer) this.#ground.violated(`the store was asked what it refuses: ${String(error)}`);
      return { error: error as Error };
    }
  }

  get #nowMs(): number {
    return this.#ground.scheduler.nowMs;
  }

  #note(what: string): void {
    this.#ground.trace.note(this.#nowMs, what);
  }
}

/** Time as it is, by which the store's leases end. */
function clockOf(scheduler: Scheduler): Clock {
  const after = (delayMs: number, callback: () => void): (() => void) => {
    let isCancelled = false;
    scheduler.in(delayMs, () => !isCancelled && callback());
    return () => {
      isCancelled = true;
    };
  };
  return {
    monotonicMs: () => scheduler.nowMs,
    wallMs: () => scheduler.nowMs,
    after,
    every: () => {
      throw new Error('leases have a timer for each end');
    },
    endOfTurn: (callback) => callback(),
  };
}
