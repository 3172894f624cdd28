import { messageOf } from '@weir/base/errors.ts';
import { leaseId } from '@weir/base/ids.ts';
import type { LeaseId, Revision } from '@weir/base/ids.ts';
import type { Clock } from '@weir/base/clock.ts';
import { LEASE_CALL_MS, RANGE_PAGE_MAX } from '@weir/base/limits.ts';
import { KV, Lease as LeaseService, Watch as WatchService } from '@weir/proto/etcd/rpc_pb.js';
import { machineClock } from '@weir/runtime/machine.ts';
import { EtcdClient } from './etcd/client.node.ts';
import type { EtcdAccess } from './etcd/endpoints.ts';
import { EtcdError } from './etcd/failure.ts';
import type { EtcdFailure } from './etcd/failure.ts';
import { EtcdMessages } from './etcd/messages.ts';
import { EtcdWatch } from './etcd/watch.ts';
import {
  checkKey,
  checkRange,
  checkTxn,
  CompactedError,
  LeaseGoneError,
  leaseTtl,
  StoreFault,
} from './metadata-store.ts';
import type {
  Lease,
  MetadataStore,
  RangePage,
  RangeRequest,
  TxnRequest,
  TxnResult,
  Watch,
  WatchHandlers,
  WatchRequest,
} from './metadata-store.ts';

/**
 * Opens the store in an etcd cluster, which others may use beside it: all keys stand behind the access's prefix.
 * Revisions and compaction are the whole cluster's.
 *
 * @throws Error that says what is wrong: a file, a member that is too old or refuses who asks, or that none answers
 */
export async function openEtcdStore(access: EtcdAccess, clock: Clock = machineClock): Promise<MetadataStore> {
  const client = new EtcdClient(access, clock);
  try {
    await client.open();
  } catch (error) {
    client.close();
    const urls = access.endpoints.map(({ url }) => url).join(', ');
    throw new Error(`etcd at ${urls} cannot be used: ${messageOf(error)}`, { cause: error });
  }
  return new EtcdStore(client, { access, clock });
}

class EtcdStore implements MetadataStore {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #messages: EtcdMessages;
  readonly #watches = new Set<Watch>();
  /** Keys that the next page may have: fewer after a page of large values. */
  #pageKeys = RANGE_PAGE_MAX;

  constructor(client: EtcdClient, { access, clock }: { readonly access: EtcdAccess; readonly clock: Clock }) {
    this.#client = client;
    this.#clock = clock;
    this.#messages = new EtcdMessages(access.prefix);
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    checkTxn(request);
    const sent = this.#messages.txn(request);
    return this.#messages.txnResult(await orFault(this.#client.call(KV.method.txn, sent, { repeatable: false })));
  }

  async range(request: RangeRequest): Promise<RangePage> {
    const { limit } = checkRange(request);
    // What one answer has is bounded in bytes as well: a page of large values is a shorter one.
    for (;;) {
      const keys = Math.min(limit, this.#pageKeys);
      try {
        const sent = this.#messages.range(request, keys);
        const answer = await this.#client.call(KV.method.range, sent, { repeatable: true });
        if (keys === this.#pageKeys) this.#pageKeys = Math.min(2 * keys, RANGE_PAGE_MAX);
        return this.#messages.page(answer, request);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (error.failure.kind !== 'tooLarge' || keys === 1) throw faultOf(error.failure);
        this.#pageKeys = Math.ceil(keys / 2);
      }
    }
  }

  watch(request: WatchRequest, handlers: WatchHandlers): Watch {
    checkKey(request.prefix);
    const watch = new EtcdWatch(
      {
        open: (streamHandlers) => this.#client.stream(WatchService.method.watch, streamHandlers),
        revision: async () => (await this.range({ prefix: request.prefix, limit: 1 })).revision,
      },
      {
        request,
        messages: this.#messages,
        clock: this.#clock,
        handlers: {
          revised: (revised) => handlers.revised(revised),
          lost: (loss) => {
            this.#watches.delete(watch);
            handlers.lost(loss);
          },
        },
      },
    );
    this.#watches.add(watch);
    return {
      close: () => {
        this.#watches.delete(watch);
        watch.close();
      },
    };
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const request = { TTL: BigInt(leaseTtl(ttlMs) / 1_000) };
    const granted = await orFault(this.#client.call(LeaseService.method.leaseGrant, request, { repeatable: false }));
    return { id: leaseId(granted.ID), ttlMs: Number(granted.TTL) * 1_000 };
  }

  async keepLeaseAlive(id: LeaseId): Promise<boolean> {
    const answer = await orFault(
      this.#client.callOnStream(
        LeaseService.method.leaseKeepAlive,
        { ID: BigInt(id) },
        { repeatable: true, deadlineMs: LEASE_CALL_MS },
      ),
    );
    return answer.TTL > 0n;
  }

  async revokeLease(id: LeaseId): Promise<void> {
    try {
      await this.#client.call(LeaseService.method.leaseRevoke, { ID: BigInt(id) }, { repeatable: true });
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.failure.kind !== 'leaseGone') throw faultOf(error.failure);
    }
  }

  async compact(before: Revision): Promise<void> {
    try {
      await this.#client.call(KV.method.compact, { revision: BigInt(before) }, { repeatable: true });
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      // So much and more was compacted already.
      if (error.failure.kind !== 'compacted') throw faultOf(error.failure);
    }
  }

  close(): Promise<void> {
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
    this.#client.close();
    return Promise.resolve();
  }
}

async function orFault<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof EtcdError) throw faultOf(error.failure);
    throw error;
  }
}

/** What the port's callers are told. Of all that is retriable they have to take the outcome for unknown. */
function faultOf({ kind, message }: EtcdFailure): Error {
  switch (kind) {
    case 'leaseGone':
      return new LeaseGoneError(message);
    case 'compacted':
      return new CompactedError(message);
    case 'unreachable':
    case 'elsewhere':
    case 'unknown':
    case 'busy':
    case 'token':
    case 'unfit':
      return new StoreFault(`etcd does not answer as it should: ${message}`, { retriable: true });
    case 'tooLarge':
    case 'refused':
      return new StoreFault(`etcd refuses: ${message}`, { retriable: false });
  }
}
