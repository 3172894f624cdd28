import { assert } from '@weir/base/assert.ts';
import { TXN_BYTES_MAX, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { operationBytes } from '../store/metadata-store.ts';
import type { Compare, Operation, TxnRequest } from '../store/metadata-store.ts';
import { isNamespaceChange } from '../namespace/node.ts';
import { encodeValue, KEYS, keyOf, THIS_CHANGE, valueOf } from '../store/records.ts';
import type { Change, ClusterImage } from './image.ts';

/** What makes a transaction ours. */
export interface Authority {
  /** Create revision of the controller's key: another coordinator that takes over has another. */
  readonly controllerRevision: Revision;
  /** Names this transaction, in this store for good. */
  readonly changeId: string;
}

/** A transaction, and what did not fit into it. */
export interface Packed {
  readonly txn: TxnRequest;
  readonly changes: readonly Change[];
  readonly rest: readonly Change[];
}

/** Room for the change id's key, and the comparisons with it and with the controller's. */
const OVERHEAD_BYTES = 512;

/**
 * As many changes from the front as one transaction takes, in order. Each is a compare-and-set on its key's revision.
 * The `failure` branch reads the newest change id: finding our own there means that an attempt whose answer was lost had
 * succeeded.
 *
 * All of it is also compared with the transaction before: an attempt that was given up may still be done, after the same
 * was done at another attempt and undone since. A key that was created and deleted is as absent as it was; the newest
 * change id never is again what it was.
 */
export function packTransaction(image: ClusterImage, changes: readonly Change[], authority: Authority): Packed {
  const compare: Compare[] = [
    { key: KEYS.controller, target: 'createRevision', equals: authority.controllerRevision },
    { key: KEYS.lastChange, target: 'modRevision', equals: image.lastChange },
  ];
  const success: Operation[] = [];
  // Two are these comparisons: there is always one more of them than of operations, the change id's being one.
  let room = TXN_OPERATIONS_MAX - compare.length;
  let bytes = OVERHEAD_BYTES;
  let taken = 0;
  for (const change of changes) {
    // A registration and its session have one revision: that is the broker epoch. And a topic never goes without a proof.
    const needed = change.kind === 'broker' || change.kind === 'deletedTopic' ? 2 : 1;
    const operation = operationFor(change);
    // The key counts once more, in its comparison.
    const size = operationBytes(operation) + Buffer.byteLength(operation.key);
    if (needed > room || bytes + size * needed > TXN_BYTES_MAX) break;
    room--;
    compare.push({ key: operation.key, target: 'modRevision', equals: image.revisionOf(change) });
    success.push(operation);
    bytes += size;
    taken++;
  }
  assert(taken > 0, 'a single change fits a transaction');
  const written = changes.slice(0, taken);
  const namespaceChanged = written.some(isNamespaceChange) ? THIS_CHANGE : image.namespace.changedAt;
  const lastChange = encodeValue({ change: authority.changeId, namespaceChanged });
  success.unshift({ kind: 'put', key: KEYS.lastChange, value: lastChange });
  return {
    txn: { compare, success, failure: [{ kind: 'get', key: KEYS.lastChange }] },
    changes: written,
    rest: changes.slice(taken),
  };
}

/** Whether one transaction takes all of some changes. */
export function fitsTransaction(image: ClusterImage, changes: readonly Change[]): boolean {
  return changes.length === 0 || packTransaction(image, changes, ANY_AUTHORITY).rest.length === 0;
}

const ANY_AUTHORITY: Authority = { controllerRevision: revision(0), changeId: '' };

function operationFor(change: Change): Operation {
  const key = keyOf(change);
  const value = valueOf(change);
  return value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value };
}
