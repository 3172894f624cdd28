import { present } from '@weir/base/assert.ts';
import {
  LEASE_TTL_MS_MAX,
  LEASE_TTL_MS_MIN,
  RANGE_PAGE_MAX,
  TXN_BYTES_MAX,
  TXN_OPERATIONS_MAX,
} from '@weir/base/limits.ts';
import type { LeaseId, Revision } from '@weir/base/ids.ts';

/**
 * Where the cluster's metadata lives: revisioned keys, in etcd's model and with etcd's limits, whatever the engine.
 * Every transaction that writes has a revision of its own, above all earlier ones. Keys begin with a slash.
 *
 * What callers must assume (rules 5 and 14 to 16 in docs/INVARIANTS.md; ADR 20): a fault leaves the outcome of what was asked
 * unknown; watches are hints, so that whoever decides does it by comparisons in a transaction; a lease ends late, and
 * its end gives liveness and never safety.
 */
export interface MetadataStore {
  /**
   * Runs `success` if every comparison holds, else `failure`; all of it or nothing, durable before it resolves.
   *
   * @throws StoreLimitError when it is larger than any engine takes: a bug of the caller's
   * @throws LeaseGoneError when the chosen branch puts under a lease that has ended: nothing was written
   * @throws StoreFault when the engine failed: the outcome is unknown
   */
  txn(request: TxnRequest): Promise<TxnResult>;
  /**
   * A page of keys in byte order, as of now or as of an earlier page's revision.
   *
   * @throws CompactedError when the engine no longer has that revision: begin again at the first page
   */
  range(request: RangeRequest): Promise<RangePage>;
  /**
   * Tells of every change to a prefix behind a revision, in revision order, nothing left out and nothing twice, over
   * faults of the engine and reconnections. It goes on until it is closed, its position is lost, or the store is
   * closed. Handlers are never called before this has returned.
   */
  watch(request: WatchRequest, handlers: WatchHandlers): Watch;
  /**
   * Begins a lease, which ends when it is not kept alive for its time to live: late, never early.
   *
   * @param ttlMs - at least LEASE_TTL_MS_MIN; rounded up to whole seconds
   * @throws StoreFault when the engine failed: there may be a lease that nobody knows, which ends by itself
   */
  grantLease(ttlMs: number): Promise<Lease>;
  /**
   * Gives a lease its whole time to live again, counted from no earlier than this was called.
   *
   * @returns false when the lease has ended, for good
   * @throws StoreFault when the engine failed: whether it counted is unknown
   */
  keepLeaseAlive(id: LeaseId): Promise<boolean>;
  /**
   * Ends a lease now, with the keys that were last put under it: one revision, if there are any. A lease that has ended
   * already is none that fails.
   *
   * @throws StoreFault when the engine failed: the outcome is unknown
   */
  revokeLease(id: LeaseId): Promise<void>;
  /**
   * Forgets what changed before a revision: who watches from earlier is told that its position is lost. What the keys
   * are now stays.
   *
   * @throws StoreFault when the engine failed: the outcome is unknown
   */
  compact(before: Revision): Promise<void>;
  /** Ends every watch without a word. */
  close(): Promise<void>;
}

/** A key with its value. `version` counts its writes since it was created. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  /** The lease that it goes with: the one it was last put under. */
  readonly lease?: LeaseId;
}

/** A comparison. All three targets of an absent key are 0. */
export interface Compare {
  readonly key: string;
  readonly target: 'version' | 'modRevision' | 'createRevision';
  readonly equals: number;
}

/** One operation of a transaction. A put without a lease takes its key out of the one it was under. */
export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: LeaseId }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'get'; readonly key: string };

/** A transaction. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

/** What a transaction did. */
export interface TxnResult {
  /** Whether every comparison held. */
  readonly succeeded: boolean;
  /** The store's revision after it. */
  readonly revision: Revision;
  /** One an operation, in order: what a get found, and undefined for the other two. */
  readonly responses: readonly (KeyValue | undefined)[];
}

/** Which keys: all that begin with `prefix`. */
export interface RangeRequest {
  readonly prefix: string;
  /** Only keys behind this one: the last key of the page before. */
  readonly after?: string;
  /** At most RANGE_PAGE_MAX, which is also the default. */
  readonly limit?: number;
  /** As it was at this revision: that of the page before. */
  readonly at?: Revision;
}

/** A page of keys. It may be shorter than was asked for, and more come nevertheless. */
export interface RangePage {
  readonly items: readonly KeyValue[];
  readonly more: boolean;
  /** The revision that the page is of. */
  readonly revision: Revision;
}

/** Which changes: those to keys that begin with `prefix`, in revisions behind `after`. */
export interface WatchRequest {
  readonly prefix: string;
  /** What the reader has read, or was told, already. */
  readonly after: Revision;
}

/** What one revision did to the keys of a prefix; at least one event, at most one a key. */
export interface Revised {
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
}

/** One key's change. */
export type WatchEvent =
  | { readonly kind: 'put'; readonly item: KeyValue }
  | { readonly kind: 'delete'; readonly key: string };

/** What a watch tells. Calls come one after the other, and none after `lost` or `close`. */
export interface WatchHandlers {
  revised(revised: Revised): void;
  /** The watch is over. What changed since is not known: read everything, and watch again from there. */
  lost(loss: WatchLoss): void;
}

/** Why a watch is over. */
export type WatchLoss =
  /** The revisions behind its position are no longer kept. */
  | { readonly kind: 'compacted' }
  /** The store is older than the position: it was restored from a backup, or is another one. */
  | { readonly kind: 'rewound' }
  /** The engine refuses it. */
  | { readonly kind: 'fault'; readonly fault: StoreFault };

/** A watch that runs. */
export interface Watch {
  close(): void;
}

/** A lease that was granted. */
export interface Lease {
  readonly id: LeaseId;
  /** May be longer than was asked for. */
  readonly ttlMs: number;
}

/** A request that no engine takes. */
export class StoreLimitError extends Error {
  override readonly name = 'StoreLimitError';
}

/** The engine has no history as old as what was asked for. */
export class CompactedError extends Error {
  override readonly name = 'CompactedError';
}

/** A key was to be put under a lease that has ended: nothing was written. */
export class LeaseGoneError extends Error {
  override readonly name = 'LeaseGoneError';
}

/** The engine failed. What was asked may have been done, or not. */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
  /** Whether the same request may succeed later, as after a full disk. */
  readonly retriable: boolean;

  constructor(message: string, options: ErrorOptions & { retriable: boolean }) {
    super(message, options);
    this.retriable = options.retriable;
  }
}

/** @throws StoreLimitError when a transaction is past a limit, or writes a key twice (as etcd refuses it) */
export function checkTxn(request: TxnRequest): void {
  const { compare, success, failure = [] } = request;
  const operations = Math.max(compare.length, success.length, failure.length);
  if (operations > TXN_OPERATIONS_MAX) {
    throw new StoreLimitError(`a transaction has at most ${TXN_OPERATIONS_MAX} operations, this one ${operations}`);
  }
  let bytes = 0;
  for (const { key } of compare) {
    checkKey(key);
    bytes += byteLength(key);
  }
  for (const branch of [success, failure]) {
    const written = new Set<string>();
    for (const operation of branch) {
      checkKey(operation.key);
      bytes += operationBytes(operation);
      if (operation.kind === 'get') continue;
      if (written.has(operation.key)) throw new StoreLimitError(`a transaction writes ${operation.key} twice`);
      written.add(operation.key);
    }
  }
  if (bytes > TXN_BYTES_MAX) {
    throw new StoreLimitError(`a transaction has at most ${TXN_BYTES_MAX} bytes, this one ${bytes}`);
  }
}

/** What an operation counts towards TXN_BYTES_MAX. */
export function operationBytes(operation: Operation): number {
  return byteLength(operation.key) + (operation.kind === 'put' ? byteLength(operation.value) : 0);
}

/** @throws StoreLimitError when a page of that size is never given */
export function checkRange(request: RangeRequest): { readonly limit: number } {
  checkKey(request.prefix);
  const limit = request.limit ?? RANGE_PAGE_MAX;
  if (!Number.isInteger(limit) || limit < 1 || limit > RANGE_PAGE_MAX) {
    throw new StoreLimitError(`a page has 1 to ${RANGE_PAGE_MAX} keys, not ${limit}`);
  }
  return { limit };
}

/**
 * The time to live that a lease gets, in milliseconds.
 *
 * @throws StoreLimitError when it is out of bounds
 */
export function leaseTtl(ttlMs: number): number {
  if (!(ttlMs >= LEASE_TTL_MS_MIN && ttlMs <= LEASE_TTL_MS_MAX)) {
    throw new StoreLimitError(`a lease lives ${LEASE_TTL_MS_MIN} to ${LEASE_TTL_MS_MAX} ms, not ${ttlMs}`);
  }
  return Math.ceil(ttlMs / 1_000) * 1_000;
}

/**
 * Engines may keep other things beside the keys of this port.
 *
 * @throws StoreLimitError when a key, or a prefix of keys, does not begin with a slash
 */
export function checkKey(key: string): void {
  if (!key.startsWith('/')) throw new StoreLimitError(`a key begins with "/", not as ${JSON.stringify(key)}`);
}

/** Every page of a prefix, at one revision of the store. */
export async function readAll(
  store: MetadataStore,
  prefix: string,
): Promise<{ readonly items: readonly KeyValue[]; readonly revision: Revision }> {
  for (;;) {
    try {
      return await readAllAt(store, prefix);
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
    }
  }
}

/**
 * Every page of a prefix as it was at a revision, or is now.
 *
 * @throws CompactedError (as a rejection) when the engine no longer has that revision
 */
export async function readAllAt(store: MetadataStore, prefix: string, at?: Revision): ReturnType<typeof readAll> {
  const first = await store.range({ prefix, ...(at !== undefined && { at }) });
  const revision = at ?? first.revision;
  const items = [...first.items];
  for (let { more } = first; more;) {
    const page = await store.range({
      prefix,
      after: present(items.at(-1), 'a page with more has keys').key,
      at: revision,
    });
    for (const item of page.items) items.push(item);
    more = page.more;
  }
  return { items, revision };
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
