import { vi } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import type { LeaseId, Revision } from '@weir/base/ids.ts';
import type { Lease, MetadataStore, Operation, Revised, WatchLoss, WatchRequest } from '../metadata-store.ts';

/** How an engine is tested: by stores that have nothing in them. */
export interface EngineUnderTest {
  readonly name: string;
  /** A store without keys; its revision may be any. */
  open(): Promise<MetadataStore>;
}

/** Stores of one test, with what has to be let go behind it. */
export class StoreFixture {
  readonly #engine: EngineUnderTest;
  readonly #stores: MetadataStore[] = [];
  readonly #leases: { readonly store: MetadataStore; readonly id: LeaseId }[] = [];

  constructor(engine: EngineUnderTest) {
    this.#engine = engine;
  }

  async open(): Promise<MetadataStore> {
    const store = await this.#engine.open();
    this.#stores.push(store);
    return store;
  }

  /** A lease that does not outlive the test: its end would be a revision in the midst of the next one. */
  async grant(store: MetadataStore, ttlMs = 60_000): Promise<Lease> {
    const lease = await store.grantLease(ttlMs);
    this.#leases.push({ store, id: lease.id });
    return lease;
  }

  async release(): Promise<void> {
    for (const { store, id } of this.#leases.splice(0)) await store.revokeLease(id);
    for (const store of this.#stores.splice(0)) await store.close();
  }
}

/** What a watch has told. */
export class Recorder {
  readonly told: Revised[] = [];
  lost: WatchLoss | undefined;
  readonly close: () => void;

  constructor(store: MetadataStore, request: WatchRequest) {
    const watch = store.watch(request, {
      revised: (revised) => {
        assert(this.lost === undefined, 'nothing is told behind a loss');
        this.told.push(revised);
      },
      lost: (loss) => void (this.lost = loss),
    });
    this.close = () => watch.close();
  }

  /** Each revision with its changes in short: `+/key=value` and `-/key`. */
  get short(): [revision: Revision, ...changes: string[]][] {
    return this.told.map(({ revision, events }) => [
      revision,
      ...events.map((event) => (event.kind === 'put' ? `+${event.item.key}=${event.item.value}` : `-${event.key}`)),
    ]);
  }

  async until(condition: (recorder: this) => boolean, timeoutMs = 20_000): Promise<void> {
    try {
      await vi.waitUntil(() => condition(this), { interval: 5, timeout: timeoutMs });
    } catch (error) {
      const told = `${this.told.length} revisions, last ${JSON.stringify(this.short.slice(-5))}`;
      const end = this.lost === undefined ? '' : `, then lost: ${JSON.stringify(this.lost)}`;
      throw new Error(`a watch did not tell what was waited for: ${told}${end}`, { cause: error });
    }
  }

  untilRevision(revision: Revision): Promise<void> {
    return this.until(({ told }) => (told.at(-1)?.revision ?? 0) >= revision);
  }
}

export const put = (key: string, value: string, lease?: LeaseId): Operation => ({
  kind: 'put',
  key,
  value,
  ...(lease === undefined ? {} : { lease }),
});

export const remove = (key: string): Operation => ({ kind: 'delete', key });

/** Writes without a condition; the revision. */
export async function write(store: MetadataStore, ...success: Operation[]): Promise<Revision> {
  return (await store.txn({ compare: [], success })).revision;
}

export async function currentRevision(store: MetadataStore): Promise<Revision> {
  return (await store.range({ prefix: '/', limit: 1 })).revision;
}
