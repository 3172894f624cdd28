import { PRODUCER_IDS_PER_BLOCK, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import type { Process } from '../engine/process.ts';
import type { AppliedTxn } from '../engine/store.ts';
import type { Sometimes } from '../sometimes.ts';
import type { BrokerChecks } from './brokers.ts';
import { partitionKey } from './history.ts';
import type { History, KeyWrite, Stored } from './history.ts';

/** Operations of a transaction, from which on more of the same step may be to come. */
const CUT_AT = TXN_OPERATIONS_MAX - 3;

/** Who is the controller by one claim: a process may make several. */
interface Holder {
  readonly process: Process;
}

/** What followers of the metadata hear nothing of. */
const NOT_FOLLOWED = /^\/(last-change|controller|cluster|nodes|node-creations|client-sessions)(\/|$)/;

/**
 * What is true of every transaction in the store, whoever sent it and however late it is done: one coordinator alone
 * writes, no transaction is done twice, and R12 of the partitions holds.
 */
export class WriteChecks {
  readonly #history: History;
  readonly #sometimes: Sometimes;
  readonly #violated: (what: string) => void;
  readonly #brokers: BrokerChecks;
  readonly #changeIds = new Set<string>();
  /** Every topic id that there ever was: its name, and whether it is gone. */
  readonly #topics = new Map<string, { readonly name: string; isGone: boolean }>();
  #holder: Holder | undefined;
  #metadataRevision = 0;
  /** A step that takes several transactions has begun: until its last, or the next take-over's end, brokers may be ahead. */
  #halfDoneBy: Holder | undefined;

  constructor(options: {
    readonly history: History;
    readonly sometimes: Sometimes;
    readonly violated: (what: string) => void;
    readonly brokers: BrokerChecks;
  }) {
    this.#brokers = options.brokers;
    this.#history = options.history;
    this.#sometimes = options.sometimes;
    this.#violated = options.violated;
  }

  /** The process whose claim of the controller's key stands. */
  get holder(): Process | undefined {
    return this.#holder?.process;
  }

  /** Of the last transaction that followers of the metadata have to hear of. */
  get metadataRevision(): number {
    return this.#metadataRevision;
  }

  /** A coordinator has finished what its predecessors left. */
  tookOver(by: Process): void {
    if (by === this.holder && this.#holder !== this.#halfDoneBy) this.#halfDoneBy = undefined;
  }

  /** Looks at a transaction that the history has already. */
  applied({ by, request, result }: AppliedTxn, writes: readonly KeyWrite[]): void {
    if (by === undefined) return this.#leaseEnded(writes);
    if (!result.succeeded && by === this.holder && request.success[0]?.key === '/controller') {
      this.#sometimes.saw('a claim whose answer was lost was found to be made');
    }
    const wanted = changeIdIn(request.success);
    if (!result.succeeded && wanted !== undefined) {
      if (by !== this.holder) this.#sometimes.saw("a zombie's write was refused");
      else if (this.#changeIds.has(wanted))
        this.#sometimes.saw('a transaction that was sent again had been done before');
    }
    for (const write of writes) this.#one(by, write);
    if (!writes.some(({ key }) => key === '/last-change')) return;
    if (by !== this.holder) this.#violated(`${by.name} writes, and ${this.holder?.name ?? 'nobody'} is the controller`);
    if (writes.some(({ key }) => !NOT_FOLLOWED.test(key))) this.#metadataRevision = this.#history.revision;
    if (writes.length >= CUT_AT) this.#halfDoneBy = this.#holder;
    else if (this.#halfDoneBy === this.#holder) this.#halfDoneBy = undefined;
    if (this.#halfDoneBy === undefined) this.#noFencedInSync();
  }

  /** Nothing but the claim of the controller's key stands under a lease. */
  #leaseEnded(writes: readonly KeyWrite[]): void {
    const other = writes.find(({ key }) => key !== '/controller');
    if (other !== undefined) this.#violated(`${other.key} went with a lease`);
    this.#holder = undefined;
  }

  #one(by: Process, { key, before, after }: KeyWrite): void {
    const [, kind] = key.split('/');
    switch (kind) {
      case 'controller':
        this.#holder = after === undefined ? undefined : { process: by };
        return;
      case 'last-change': {
        const change = String(after?.['change']);
        if (this.#changeIds.has(change)) this.#violated(`the transaction ${change} was done twice`);
        this.#changeIds.add(change);
        return;
      }
      case 'cluster':
        if (before !== undefined) this.#violated(`the cluster's id was written twice`);
        return;
      case 'topics':
        return this.#topic(key.slice('/topics/'.length), before, after);
      case 'partitions':
        if (after !== undefined) this.#partition(key, before, after);
        return;
      case 'brokers':
        return this.#brokers.written(Number(key.slice('/brokers/'.length)), { key, before, after });
      case 'producer-ids':
        if (after?.['next'] !== (before?.['next'] ?? 0) + PRODUCER_IDS_PER_BLOCK) {
          this.#violated(`producer ids went from ${before?.['next']} to ${after?.['next']}`);
        }
        return;
      default:
        return;
    }
  }

  #topic(name: string, before: Stored | undefined, after: Stored | undefined): void {
    if (before !== undefined && after?.['id'] !== before['id']) {
      const gone = this.#topics.get(before['id'] as string);
      if (gone !== undefined) gone.isGone = true;
      if (this.#history.now(`/deleted-topics/${before['id']}`) === undefined) {
        this.#violated(`topic ${name} (${before['id']}) went without a proof`);
      }
    }
    if (after === undefined) return;
    const known = this.#topics.get(after['id'] as string);
    if (known?.isGone === true) this.#violated(`topic ${name} (${after['id']}) was deleted and is back`);
    if (known !== undefined && known.name !== name)
      this.#violated(`the id of topic ${known.name} is also that of ${name}`);
    this.#topics.set(after['id'] as string, { name, isGone: false });
    if (before !== undefined && after['id'] === before['id'] && after['partitionCount'] < before['partitionCount']) {
      this.#violated(`topic ${name} has fewer partitions than before`);
    }
    for (let index = 0; index < after['partitionCount']; index++) {
      const key = partitionKey(after['id'] as string, index);
      const partition = this.#history.now(key);
      if (partition === undefined) this.#violated(`topic ${name} exists without its partition ${index}`);
      else if (known === undefined) this.#fullWithoutElr(key, partition);
    }
  }

  #fullWithoutElr(key: string, { isr, elr, replicas }: Stored): void {
    if (elr.length === 0 || isr.length < this.#minInSync(key, replicas.length)) return;
    this.#violated(`${key}: a full ISR has an ELR: ${JSON.stringify({ isr, elr })}`);
  }

  /** R12. */
  #partition(key: string, before: Stored | undefined, after: Stored): void {
    const { leader, leaderEpoch, partitionEpoch, replicas, isr, elr } = after;
    const inSync = (isr as { broker: number }[]).map(({ broker }) => broker);
    const eligible = (elr as { broker: number }[]).map(({ broker }) => broker);
    const isKnown = this.#topics.has(key.split('/')[2]!);
    const wrong = (what: string): void =>
      this.#violated(`${key}: ${what}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`);
    if (partitionEpoch !== (before === undefined ? 0 : before['partitionEpoch'] + 1))
      wrong('partition epoch is not the next');
    if (leaderEpoch < (before?.['leaderEpoch'] ?? 0)) wrong('the leader epoch falls');
    if (before !== undefined && leader !== before['leader'] && leaderEpoch === before['leaderEpoch']) {
      wrong('another leader in the same epoch');
    }
    if (leader !== -1 && !inSync.includes(leader)) wrong('the leader is not in sync');
    if (inSync.some((id) => eligible.includes(id))) wrong('ISR and ELR overlap');
    // What the minimum of a new topic is is written after its partitions.
    if (isKnown) this.#fullWithoutElr(key, after);
    if (!inSync.every((id) => replicas.includes(id))) wrong('the ISR is not among the replicas');
    if (leader === -1) this.#sometimes.saw('a partition was without a leader');
    if (before === undefined && inSync.length < replicas.length)
      this.#sometimes.saw('a partition was made with a replica on a broker that was away');
    if (before === undefined || leader === -1 || leader === before['leader']) return;
    if (inSync.includes(before['leader'])) {
      const isPreferred = leader === replicas[0];
      this.#sometimes.saw(isPreferred ? 'a preferred replica was elected' : 'leadership was moved to another replica');
    }
    if (after['uncleanEpoch'] !== before['uncleanEpoch']) this.#sometimes.saw('an unclean election');
    else if (!(before['isr'] as { broker: number }[]).some(({ broker }) => broker === leader)) {
      this.#sometimes.saw('a replica outside the in-sync replicas was elected');
    }
  }

  /** How many replicas of a partition have to be in sync. */
  #minInSync(key: string, replicationFactor: number): number {
    const name = this.#topics.get(key.split('/')[2]!)?.name;
    const topic = name === undefined ? undefined : this.#history.now(`/topics/${name}`);
    const set = Number(topic?.['configs']?.['min.insync.replicas'] ?? (replicationFactor >= 3 ? 2 : 1));
    return Math.min(set, replicationFactor);
  }

  #noFencedInSync(): void {
    const active = this.#history.activeBrokers();
    for (const [topicId, index, { isr }] of this.#history.partitions()) {
      const fenced = (isr as { broker: number }[]).find(({ broker }) => !active.has(broker));
      if (fenced !== undefined) this.#violated(`broker ${fenced.broker} is fenced and in sync in ${topicId}-${index}`);
    }
  }
}

function changeIdIn(operations: AppliedTxn['request']['success']): string | undefined {
  for (const operation of operations) {
    if (operation.kind === 'put' && operation.key === '/last-change') {
      return String((JSON.parse(operation.value) as Stored)['change']);
    }
  }
  return undefined;
}
