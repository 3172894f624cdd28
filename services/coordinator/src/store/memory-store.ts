import { revision } from '@weir/base/ids.ts';
import { checkRange, checkTxn } from './metadata-store.ts';
import type { KeyValue, MetadataStore, RangePage, RangeRequest, TxnRequest, TxnResult } from './metadata-store.ts';

/** The store as the simulator and the tests have it: in memory, at once, outliving the coordinators that use it. */
export class MemoryStore implements MetadataStore {
  readonly #keys = new Map<string, KeyValue>();
  #revision = 0;

  txn(request: TxnRequest): Promise<TxnResult> {
    return new Promise((resolve) => {
      resolve(this.txnNow(request));
    });
  }

  /** The same without a promise, for pure tests. */
  txnNow(request: TxnRequest): TxnResult {
    checkTxn(request);
    const succeeded = request.compare.every(
      ({ key, target, equals }) => (this.#keys.get(key)?.[target] ?? 0) === equals,
    );
    const operations = succeeded ? request.success : (request.failure ?? []);
    const responses: (KeyValue | undefined)[] = [];
    const at = revision(this.#revision + 1);
    let wrote = false;
    for (const operation of operations) {
      const { key } = operation;
      const found = this.#keys.get(key);
      responses.push(operation.kind === 'get' ? found : undefined);
      if (operation.kind === 'put') {
        const { value } = operation;
        const version = (found?.version ?? 0) + 1;
        this.#keys.set(key, { key, value, createRevision: found?.createRevision ?? at, modRevision: at, version });
        wrote = true;
      }
      if (operation.kind === 'delete') wrote = this.#keys.delete(key) || wrote;
    }
    if (wrote) this.#revision = at;
    return { succeeded, revision: revision(this.#revision), responses };
  }

  range(request: RangeRequest): Promise<RangePage> {
    return new Promise((resolve) => {
      resolve(this.rangeNow(request));
    });
  }

  /** The same without a promise. */
  rangeNow(request: RangeRequest): RangePage {
    const { limit } = checkRange(request);
    const { prefix, after } = request;
    const items = [...this.#keys.values()]
      .filter(({ key }) => key.startsWith(prefix) && (after === undefined || inByteOrder(key, after) > 0))
      .toSorted((a, b) => inByteOrder(a.key, b.key));
    return { items: items.slice(0, limit), more: items.length > limit, revision: revision(this.#revision) };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function inByteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
