import { RANGE_PAGE_MAX, TXN_BYTES_MAX, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import type { Revision } from '@weir/base/ids.ts';

/**
 * Where the cluster's metadata lives: revisioned keys, in etcd's model and with etcd's limits, whatever the engine.
 * Every transaction that writes has a revision of its own, one above the last. Watches and leases join with the etcd
 * engine: with SQLite one process alone reads and writes.
 */
export interface MetadataStore {
  /**
   * Runs `success` if every comparison holds, else `failure`; all of it or nothing, durable before it resolves.
   *
   * @throws StoreLimitError when it is larger than any engine takes: a bug of the caller's
   * @throws StoreFault when the engine failed: the outcome is unknown
   */
  txn(request: TxnRequest): Promise<TxnResult>;
  /**
   * A page of keys in byte order. Pages are read one by one: whoever needs several to fit together compares their
   * revisions and begins again when they differ.
   */
  range(request: RangeRequest): Promise<RangePage>;
  close(): Promise<void>;
}

/** A key with its value. `version` counts its writes since it was created. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
}

/** A comparison. All three targets of an absent key are 0. */
export interface Compare {
  readonly key: string;
  readonly target: 'version' | 'modRevision' | 'createRevision';
  readonly equals: number;
}

/** One operation of a transaction. */
export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
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
}

/** A page of keys. */
export interface RangePage {
  readonly items: readonly KeyValue[];
  readonly more: boolean;
  /** The store's revision as it was read. */
  readonly revision: Revision;
}

/** A request that no engine takes. */
export class StoreLimitError extends Error {
  override readonly name = 'StoreLimitError';
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
  for (const { key } of compare) bytes += byteLength(key);
  for (const branch of [success, failure]) {
    const written = new Set<string>();
    for (const operation of branch) {
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
  const limit = request.limit ?? RANGE_PAGE_MAX;
  if (!Number.isInteger(limit) || limit < 1 || limit > RANGE_PAGE_MAX) {
    throw new StoreLimitError(`a page has 1 to ${RANGE_PAGE_MAX} keys, not ${limit}`);
  }
  return { limit };
}

/** Every page of a prefix, at one revision of the store. */
export async function readAll(
  store: MetadataStore,
  prefix: string,
): Promise<{ readonly items: readonly KeyValue[]; readonly revision: Revision }> {
  const items: KeyValue[] = [];
  let revision: Revision | undefined;
  for (;;) {
    const after = items.at(-1)?.key;
    const page = await store.range({ prefix, ...(after === undefined ? {} : { after }) });
    if (revision !== undefined && page.revision !== revision) {
      items.length = 0;
      revision = undefined;
      continue;
    }
    revision = page.revision;
    items.push(...page.items);
    if (!page.more) return { items, revision };
  }
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
