import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { present } from '@weir/base/assert.ts';
import { RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import type { LeaseId, Revision } from '@weir/base/ids.ts';
import { LeaseGoneError, StoreFault } from '../store/metadata-store.ts';
import type { KeyValue, MetadataStore, Operation } from '../store/metadata-store.ts';
import { decodeValue, encodeValue, KEYS } from '../store/records.ts';

/** Who wants to be the active coordinator. */
export interface Claimant {
  readonly coordinatorId: number;
  /** UUID of this claim: each has another one. */
  readonly incarnation: string;
  /** host:port where it is reached; empty in what an older Weir wrote. */
  readonly address: string;
}

/** The claim of the active coordinator, as the store has it. */
export interface Claim extends Claimant {
  /** The revision that created it: every write of its holder compares it. */
  readonly revision: Revision;
  /** Undefined where one process has the store for itself. */
  readonly lease: LeaseId | undefined;
}

/** @throws Error when a newer Weir wrote it */
export function claimOf(item: KeyValue): Claim {
  const {
    coordinatorId,
    incarnation,
    address = '',
  } = decodeValue(item) as Omit<Claimant, 'address'> & { address?: string };
  return { coordinatorId, incarnation, address, revision: item.createRevision, lease: item.lease };
}

/**
 * Claims to be the active coordinator, unless somebody else does. After a fault the same is asked again until there is an
 * answer: the claim is found to be ours, or somebody else's, or its lease has ended and no attempt can be done any more.
 *
 * @returns the claim that there is now, whoever's it is; undefined when the lease has ended or `signal` has aborted
 */
export async function claim(
  store: MetadataStore,
  claimant: Claimant,
  {
    lease,
    clock,
    signal,
  }: { readonly lease: LeaseId | undefined; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Claim | undefined> {
  const put: Operation = { kind: 'put', key: KEYS.controller, value: encodeValue(claimant), ...(lease && { lease }) };
  for (
    let backoffMs = RETRY_BACKOFF_MS_MIN;
    !signal.aborted;
    backoffMs = Math.min(2 * backoffMs, RETRY_BACKOFF_MS_MAX)
  ) {
    try {
      const { succeeded, revision, responses } = await store.txn({
        compare: [{ key: KEYS.controller, target: 'version', equals: 0 }],
        success: [put],
        failure: [{ kind: 'get', key: KEYS.controller }],
      });
      if (succeeded) return { ...claimant, revision, lease };
      return claimOf(present(responses[0], 'what has a version is there'));
    } catch (error) {
      if (error instanceof LeaseGoneError) return undefined;
      // Without a lease nobody else has the store, and whoever started this process is told.
      if (!(error instanceof StoreFault) || !error.retriable || lease === undefined) throw error;
    }
    await sleep(clock, backoffMs, signal);
  }
  return undefined;
}

/**
 * Takes the claim of a holder away, which then fails at its next write.
 *
 * @throws StoreFault when the store failed: the outcome is unknown
 */
export async function evict(store: MetadataStore, { lease, revision }: Claim): Promise<void> {
  if (lease !== undefined) return await store.revokeLease(lease);
  await store.txn({
    compare: [{ key: KEYS.controller, target: 'createRevision', equals: revision }],
    success: [{ kind: 'delete', key: KEYS.controller }],
  });
}

/**
 * The cluster's id: the one that it has, or from now on the candidate.
 *
 * @returns undefined when the claim is no longer the active one
 * @throws StoreFault when the store failed: the outcome is unknown
 */
export async function nameCluster(
  store: MetadataStore,
  claimed: Pick<Claim, 'revision'>,
  candidate: string,
): Promise<string | undefined> {
  const { succeeded, responses } = await store.txn({
    compare: [
      { key: KEYS.cluster, target: 'version', equals: 0 },
      { key: KEYS.controller, target: 'createRevision', equals: claimed.revision },
    ],
    success: [{ kind: 'put', key: KEYS.cluster, value: encodeValue({ clusterId: candidate }) }],
    failure: [{ kind: 'get', key: KEYS.cluster }],
  });
  if (succeeded) return candidate;
  return responses[0] === undefined ? undefined : clusterIdOf(responses[0]);
}

/** @throws Error when a newer Weir wrote it */
export function clusterIdOf(item: KeyValue): string {
  return (decodeValue(item) as { clusterId: string }).clusterId;
}
