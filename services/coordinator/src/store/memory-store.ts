import type { Clock } from '@weir/base/clock.ts';
import { leaseId, revision } from '@weir/base/ids.ts';
import type { LeaseId, Revision } from '@weir/base/ids.ts';
import { Leases } from './leases.ts';
import { checkKey, checkRange, checkTxn, CompactedError, LeaseGoneError, leaseTtl } from './metadata-store.ts';
import type {
  KeyValue,
  Lease,
  MetadataStore,
  Operation,
  RangePage,
  RangeRequest,
  Revised,
  TxnRequest,
  TxnResult,
  Watch,
  WatchEvent,
  WatchHandlers,
  WatchRequest,
} from './metadata-store.ts';
import { WatchHub } from './watch-hub.ts';

/** What a store in memory is given. */
export interface MemoryStoreOptions {
  /** By what leases end; without one time stands still. */
  readonly clock?: Clock;
  /** Calls back later: when watchers are told. Without one it is as soon as what runs now has returned. */
  readonly defer?: (callback: () => void) => void;
  /** By how many milliseconds a lease that is granted now ends late, whenever it does; without it none does. */
  readonly leaseLateMs?: () => number;
  /** Told of each lease that ends, and of what went with it, if it had keys. */
  readonly leaseEnded?: (id: LeaseId, revised: Revised | undefined) => void;
}

const STANDS_STILL: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  after: () => () => {},
  every: () => () => {},
  endOfTurn: (callback) => callback(),
};

/** The store as the simulator and the tests have it: in memory, at once, outliving the coordinators that use it. */
export class MemoryStore implements MetadataStore {
  readonly #keys = new Map<string, KeyValue>();
  readonly #leases: Leases;
  readonly #defer: (callback: () => void) => void;
  readonly #leaseLateMs: () => number;
  readonly #leaseEnded: MemoryStoreOptions['leaseEnded'];
  readonly #hub = new WatchHub(revision(0));
  #revision = revision(0);
  #leaseCount = 0;

  constructor(options: MemoryStoreOptions = {}) {
    this.#leases = new Leases(options.clock ?? STANDS_STILL, (id) => this.revokeLeaseNow(id));
    this.#defer = options.defer ?? ((callback) => void Promise.resolve().then(callback));
    this.#leaseLateMs = options.leaseLateMs ?? (() => 0);
    this.#leaseEnded = options.leaseEnded;
  }

  /** Of the last write. */
  get revision(): Revision {
    return this.#revision;
  }

  txn(request: TxnRequest): Promise<TxnResult> {
    return promised(() => this.txnNow(request));
  }

  /** The same without a promise, for pure tests. */
  txnNow(request: TxnRequest): TxnResult {
    checkTxn(request);
    const succeeded = request.compare.every(
      ({ key, target, equals }) => (this.#keys.get(key)?.[target] ?? 0) === equals,
    );
    const operations = succeeded ? request.success : (request.failure ?? []);
    for (const operation of operations) this.#checkLease(operation);
    const at = revision(this.#revision + 1);
    const events: WatchEvent[] = [];
    const responses = operations.map((operation) => this.#apply(operation, { at, events }));
    this.#publish(at, events);
    return { succeeded, revision: this.#revision, responses };
  }

  range(request: RangeRequest): Promise<RangePage> {
    return promised(() => this.rangeNow(request));
  }

  /** The same without a promise. */
  rangeNow(request: RangeRequest): RangePage {
    const { limit } = checkRange(request);
    const { prefix, after, at } = request;
    if (at !== undefined && at !== this.#revision) throw new CompactedError(`revision ${at} is not kept`);
    const items = [...this.#keys.values()]
      .filter(({ key }) => key.startsWith(prefix) && (after === undefined || inByteOrder(key, after) > 0))
      .toSorted((a, b) => inByteOrder(a.key, b.key));
    return { items: items.slice(0, limit), more: items.length > limit, revision: this.#revision };
  }

  watch(request: WatchRequest, handlers: WatchHandlers): Watch {
    checkKey(request.prefix);
    const watch = this.#hub.watch(request, handlers);
    this.#defer(() => this.#hub.deliver());
    return watch;
  }

  grantLease(ttlMs: number): Promise<Lease> {
    return promised(() => this.grantLeaseNow(ttlMs));
  }

  /** The same without a promise. */
  grantLeaseNow(ttlMs: number): Lease {
    const lease = { id: leaseId(++this.#leaseCount), ttlMs: leaseTtl(ttlMs) };
    this.#leases.begin(lease.id, lease.ttlMs + this.#leaseLateMs());
    return lease;
  }

  keepLeaseAlive(id: LeaseId): Promise<boolean> {
    return promised(() => this.keepLeaseAliveNow(id));
  }

  /** The same without a promise. */
  keepLeaseAliveNow(id: LeaseId): boolean {
    return this.#leases.keepAlive(id);
  }

  /** Gives every lease its whole time again, as a new leader of etcd does. */
  keepLeasesAliveNow(): void {
    this.#leases.keepAllAlive();
  }

  revokeLease(id: LeaseId): Promise<void> {
    return promised(() => this.revokeLeaseNow(id));
  }

  /** The same without a promise. */
  revokeLeaseNow(id: LeaseId): void {
    if (!this.#leases.has(id)) return;
    this.#leases.end(id);
    const keys = [...this.#keys.values()].filter(({ lease }) => lease === id).map(({ key }) => key);
    const events: WatchEvent[] = keys.toSorted(inByteOrder).map((key) => ({ kind: 'delete', key }));
    for (const key of keys) this.#keys.delete(key);
    const revised = this.#publish(revision(this.#revision + 1), events);
    this.#leaseEnded?.(id, revised);
  }

  compact(before: Revision): Promise<void> {
    return promised(() => this.compactNow(before));
  }

  /** The same without a promise. */
  compactNow(before: Revision): void {
    this.#hub.compact(before);
    this.#defer(() => this.#hub.deliver());
  }

  /** Leases go on, as they do when a client of etcd goes away. */
  close(): Promise<void> {
    this.#hub.close();
    return Promise.resolve();
  }

  #apply(
    operation: Operation,
    { at, events }: { readonly at: Revision; readonly events: WatchEvent[] },
  ): KeyValue | undefined {
    const { key } = operation;
    const found = this.#keys.get(key);
    switch (operation.kind) {
      case 'get':
        return found;
      case 'put': {
        const { value, lease } = operation;
        const version = (found?.version ?? 0) + 1;
        const createRevision = found?.createRevision ?? at;
        const item: KeyValue = {
          key,
          value,
          createRevision,
          modRevision: at,
          version,
          ...(lease === undefined ? {} : { lease }),
        };
        this.#keys.set(key, item);
        events.push({ kind: 'put', item });
        return undefined;
      }
      case 'delete':
        if (this.#keys.delete(key)) events.push({ kind: 'delete', key });
        return undefined;
    }
  }

  #checkLease(operation: Operation): void {
    if (operation.kind !== 'put' || operation.lease === undefined || this.#leases.has(operation.lease)) return;
    throw new LeaseGoneError(`lease ${operation.lease} has ended`);
  }

  /** What a revision did; undefined when there was nothing to do, and so no revision. */
  #publish(at: Revision, events: readonly WatchEvent[]): Revised | undefined {
    if (events.length === 0) return undefined;
    this.#revision = at;
    const revised = { revision: at, events };
    this.#hub.publish(revised);
    this.#defer(() => this.#hub.deliver());
    return revised;
  }
}

/** The result, or what was thrown, as a promise. */
function promised<T>(now: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(now());
  });
}

function inByteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
