import { sleep } from '@weir/base/clock.ts';
import { describeLeases } from '@weir/coordinator/store/testing/contract-lease.ts';
import { describeTransactions } from '@weir/coordinator/store/testing/contract-txn.ts';
import { describeWatches } from '@weir/coordinator/store/testing/contract-watch.ts';
import type { MetadataStore } from '@weir/coordinator/store/metadata-store.ts';
import type { EngineUnderTest } from '@weir/coordinator/store/testing/store-test-kit.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { StoreRig } from './store-rig.ts';

/** Without faults, and with simulated time going as fast as the machine's: as good a store as the real ones. */
const simulated: EngineUnderTest = { name: 'the simulated store', open: async () => new TimedStore().asStore() };

class TimedStore {
  readonly #rig = new StoreRig();
  readonly #startMs = machineClock.monotonicMs();
  #passing = Promise.resolve();
  #isClosed = false;

  asStore(): MetadataStore {
    const client = this.#rig.store.clientOf(this.#rig.process('the test'));
    void this.#goOn();
    return {
      txn: (request) => this.#now(() => client.txn(request)),
      range: (request) => this.#now(() => client.range(request)),
      watch: (request, handlers) => client.watch(request, handlers),
      grantLease: (ttlMs) => this.#now(() => client.grantLease(ttlMs)),
      keepLeaseAlive: (id) => this.#now(() => client.keepLeaseAlive(id)),
      revokeLease: (id) => this.#now(() => client.revokeLease(id)),
      compact: (before) => this.#now(() => client.compact(before)),
      close: async () => {
        this.#isClosed = true;
        await client.close();
      },
    };
  }

  /** Asks when simulated time is where the machine's is: a lease that began before it was asked for would end early. */
  async #now<T>(ask: () => Promise<T>): Promise<T> {
    await this.#pass();
    return ask();
  }

  async #goOn(): Promise<void> {
    while (!this.#isClosed) {
      await this.#pass();
      await sleep(machineClock, 1);
    }
  }

  #pass(): Promise<void> {
    this.#passing = this.#passing.then(() =>
      this.#rig.scheduler.runUntil(machineClock.monotonicMs() - this.#startMs, () => false),
    );
    return this.#passing;
  }
}

describeTransactions(simulated);
describeWatches(simulated);
describeLeases(simulated);
