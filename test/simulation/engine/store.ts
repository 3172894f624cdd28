import { MemoryStore } from '@weir/coordinator/store/memory-store.ts';
import { StoreFault } from '@weir/coordinator/store/metadata-store.ts';
import type { MetadataStore, TxnRequest, TxnResult } from '@weir/coordinator/store/metadata-store.ts';
import type { Sometimes } from '../sometimes.ts';
import type { StoreSwarm } from '../swarm.ts';
import type { Chance } from './chance.ts';
import type { Ground, Process } from './process.ts';

/** A transaction that was done, whether or not whoever asked for it still lives, or ever hears of it. */
export interface AppliedTxn {
  readonly by: Process;
  readonly request: TxnRequest;
  readonly result: TxnResult;
}

/** What has become of a request by the time it is done. */
interface Met {
  readonly isGivenUp: boolean;
  readonly isAnswered: boolean;
}

/** What becomes of a request, in milliseconds from its sending; undefined: never. */
interface Fate {
  readonly doneAfterMs: number | undefined;
  readonly answeredAfterMs: number | undefined;
  /** When its sender gives it up, unless it is answered. */
  readonly givenUpAfterMs: number;
  readonly fault: string;
}

/** After so long a request is given up, as the etcd engine does it: its outcome is unknown. */
const GIVEN_UP_MS = 2_000;
/** By how much a request that was given up may be late: among the next tries, or long after them. */
const LATE_MS = [100, 1_000, 10_000];

/**
 * The metadata store: transactions are linearizable, and that is all that is sure. Answers are lost, requests are lost,
 * and one that was given up may still be done, long after its sender went on or died.
 */
export class SimulatedStore {
  readonly #memory = new MemoryStore();
  readonly #ground: Ground;
  readonly #chance: Chance;
  readonly #applied: (txn: AppliedTxn) => void;
  readonly #sometimes: Sometimes;
  #swarm: StoreSwarm;
  /** Cannot reach the store. */
  readonly #isolated = new Set<Process>();

  constructor(options: {
    readonly ground: Ground;
    readonly chance: Chance;
    readonly swarm: StoreSwarm;
    readonly sometimes: Sometimes;
    /** Called for each transaction, at the moment it is done. */
    readonly applied: (txn: AppliedTxn) => void;
  }) {
    this.#ground = options.ground;
    this.#chance = options.chance;
    this.#swarm = options.swarm;
    this.#applied = options.applied;
    this.#sometimes = options.sometimes;
  }

  /** The store as a process reaches it. */
  clientOf(process: Process): MetadataStore {
    return {
      txn: (request) => this.#request(process, (fate) => this.#txn(process, request, fate)),
      range: (request) => this.#request(process, () => this.#memory.rangeNow(request)),
      close: () => Promise.resolve(),
      watch: notSimulated,
      grantLease: notSimulated,
      keepLeaseAlive: notSimulated,
      revokeLease: notSimulated,
      compact: notSimulated,
    };
  }

  isolate(process: Process): void {
    this.#isolated.add(process);
  }

  rejoin(process: Process): void {
    this.#isolated.delete(process);
  }

  /** Everything works again. What is under way still has its fate. */
  heal(): void {
    this.#isolated.clear();
    this.#swarm = { ...this.#swarm, delayMaxMs: 5, slowRate: 0, answerLostRate: 0, requestLostRate: 0, lateRate: 0 };
  }

  #txn(by: Process, request: TxnRequest, { isGivenUp, isAnswered }: Met): TxnResult {
    const result = this.#memory.txnNow(request);
    const outcome = result.succeeded ? 'succeeds' : 'fails';
    this.#ground.trace.note(
      this.#ground.scheduler.nowMs,
      `a transaction of ${by.name} ${outcome} at ${result.revision}`,
    );
    this.#applied({ by, request, result });
    if (result.succeeded && isGivenUp) this.#sometimes.saw('a transaction was done after it had been given up');
    if (result.succeeded && !isAnswered) this.#sometimes.saw("a committed transaction's answer was lost");
    return result;
  }

  #request<T>(process: Process, perform: (met: Met) => T): Promise<T> {
    const { scheduler } = this.#ground;
    const { doneAfterMs, answeredAfterMs, givenUpAfterMs, fault } = this.#fate(process);
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
      this.#ground.violated(`the store was asked what it refuses: ${String(error)}`);
      return { error: error as Error };
    }
  }

  #fate(process: Process): Fate {
    const chance = this.#chance;
    const { delayMaxMs, slowRate, answerLostRate, requestLostRate, lateRate } = this.#swarm;
    const there = chance.between(0.1, delayMaxMs);
    const back = chance.between(0.1, delayMaxMs);
    const slow = chance.happens(slowRate) ? chance.between(0, 1.5 * GIVEN_UP_MS) : 0;
    const draw = chance.unit();
    // A connection that breaks ends it sooner.
    const givenUpAfterMs = chance.happens(0.5) ? GIVEN_UP_MS : chance.between(0, GIVEN_UP_MS);
    const late = givenUpAfterMs + chance.between(0, chance.pick(LATE_MS));
    if (this.#isolated.has(process) || draw < requestLostRate) {
      return { doneAfterMs: undefined, answeredAfterMs: undefined, givenUpAfterMs, fault: 'the request got lost' };
    }
    if (draw < requestLostRate + answerLostRate) {
      return { doneAfterMs: there + slow, answeredAfterMs: undefined, givenUpAfterMs, fault: 'the answer got lost' };
    }
    if (draw < requestLostRate + answerLostRate + lateRate) {
      return { doneAfterMs: late, answeredAfterMs: undefined, givenUpAfterMs, fault: 'no answer in time' };
    }
    const answeredAfterMs = there + slow + back;
    return { doneAfterMs: there + slow, answeredAfterMs, givenUpAfterMs: GIVEN_UP_MS, fault: 'no answer in time' };
  }
}

/** Nothing that is simulated asks for it. */
function notSimulated(): never {
  throw new Error('the simulated store has neither watches nor leases nor compaction yet');
}
