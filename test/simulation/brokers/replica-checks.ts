import type { Partition } from '@weir/broker/partition/partition.ts';
import { partitionKey } from '../checks/history.ts';
import type { History, KeyWrite, Stored } from '../checks/history.ts';
import type { Sometimes } from '../sometimes.ts';
import { CompactedPartition } from './compacted-checks.ts';
import type { CommitWatcher } from './compacted-checks.ts';
import type { BrokerMachine } from './machine.ts';
import { isSameBatch, ReplicaLog } from './replica-log.ts';
import type { StoredBatch } from './replica-log.ts';

interface Member {
  readonly broker: number;
  /** Of a member of the ISR. */
  readonly epoch?: number;
}

/** What is true of a partition whatever happens to its replicas: all that any leader ever said was committed. */
class Committed {
  /** The largest high watermark that a leader exposed: `trueHW`. */
  end = 0;
  /** The largest start that any of its logs had: what lies before it may be gone everywhere. */
  startOffset = 0;
  /** A leader's disk rots: not all of it could be read there. What another replica has first is taken for it. */
  hasGaps = false;
  /** By base offset. */
  readonly batches = new Map<number, StoredBatch>();
  /** Who appended in an epoch as its leader. */
  readonly writers = new Map<number, number>();
  /** What was appended at an offset in an epoch: "epoch:base offset". */
  readonly appended = new Map<string, StoredBatch>();
  readonly sequences = new Map<string, number>();
  newestEpoch = -1;
  /** An unclean election may have dropped some of it: nothing but R1 is expected any more. */
  isUnclean = false;
  /** Of a topic whose records are compacted: there batches are not what they were. */
  readonly compacted = new CompactedPartition();
}

/** One replica as it was at the last look. */
interface Known {
  readonly log: ReplicaLog;
  end: number;
  durableEnd: number;
  startOffset: number;
  highWatermark: number;
  leaderEpoch: number;
  /** Up to there its log was compared with what is committed. */
  comparedEnd: number;
}

/**
 * R1 to R14 of all replicas, after every event: what each broker says of its partitions, what its files hold, and what the
 * store has. In brackets, in what is reported, is the number of the rule.
 */
export class ReplicaChecks {
  readonly #history: History;
  readonly #sometimes: Sometimes;
  readonly #violated: (what: string) => void;
  readonly #note: (what: string) => void;
  readonly #machines: readonly BrokerMachine[];
  readonly #watcher: CommitWatcher;
  /** By folder. */
  readonly #committed = new Map<string, Committed>();
  /** By machine, then by folder. */
  readonly #known = new Map<BrokerMachine, Map<string, Known>>();
  readonly #turns = new Map<BrokerMachine, number>();

  constructor(options: {
    readonly history: History;
    readonly sometimes: Sometimes;
    readonly violated: (what: string) => void;
    readonly note: (what: string) => void;
    readonly machines: readonly BrokerMachine[];
    readonly watcher: CommitWatcher;
  }) {
    this.#watcher = options.watcher;
    this.#history = options.history;
    this.#sometimes = options.sometimes;
    this.#violated = options.violated;
    this.#note = options.note;
    this.#machines = options.machines;
  }

  /** Looks at the brokers in which anything ran since the last look. */
  look(): void {
    for (const machine of this.#machines) {
      const { process, broker } = machine;
      if (process === undefined || broker === undefined || this.#turns.get(machine) === process.turns) continue;
      this.#turns.set(machine, process.turns);
      for (const partition of broker.partitions.all()) this.#lookAt(machine, partition);
    }
  }

  /** A broker has opened its logs: what it had made durable is there, unless its disk was lost. */
  recovered(machine: BrokerMachine): void {
    const before = this.#known.get(machine);
    const now = new Map<string, Known>();
    this.#known.set(machine, now);
    for (const partition of machine.broker?.partitions.all() ?? []) {
      const { folder } = partition;
      if (partition.state.kind === 'offline') continue;
      const known = before?.get(folder);
      if (machine.isRotten(folder)) {
        if (!partition.topic.settings.compacts) this.#restartedRotten(machine, partition, known);
        now.set(folder, stateOf(partition, new ReplicaLog(machine.disk, folder)));
        continue;
      }
      if (partition.topic.settings.compacts) {
        now.set(folder, stateOf(partition, new ReplicaLog(machine.disk, folder)));
        this.#compareCompacted(machine, partition);
        continue;
      }
      const isSameDisk = known !== undefined && machine.isWhole(folder);
      const log = isSameDisk ? known.log : new ReplicaLog(machine.disk, folder);
      const removed = log.reread();
      if (isSameDisk && partition.topic.settings.flush === 'commit') {
        // What was not committed may have been about to be cut, as another leader had something else there.
        const { batches } = this.#committedOf(folder);
        const lost = removed.find(
          (batch) => batch.lastOffset < known.durableEnd && isSameBatch(batch, batches.get(batch.baseOffset)),
        );
        if (lost !== undefined && lost.lastOffset >= partition.logStartOffset)
          this.#wrong('R13', machine, partition, `what was durable and committed is gone: ${show(lost)}`);
      }
      if (wasCut(machine, partition)) this.#sometimes.saw('a recovery cut a torn tail');
      now.set(folder, stateOf(partition, log));
      const stored = this.#stored(partition);
      if (stored !== undefined) this.#candidates(folder, stored);
    }
  }

  /** R9: a start goes on with a log that has rotted only where it could not see that; it has not cut it for a torn tail. */
  #restartedRotten(machine: BrokerMachine, partition: Partition, known: Known | undefined): void {
    const { batches, isUnclean } = this.#committedOf(partition.folder);
    if (known === undefined || isUnclean || partition.topic.settings.flush !== 'commit') return;
    // What was not committed may have been cut where its leader had something else.
    for (const batch of known.log.from(partition.endOffset)) {
      if (batch.lastOffset >= known.durableEnd || !isSameBatch(batch, batches.get(batch.baseOffset))) continue;
      return this.#wrong('R9', machine, partition, `a start took rot for a torn tail: ${show(batch)} is cut`);
    }
  }

  /** The disk is another one. */
  wiped(machine: BrokerMachine): void {
    this.#known.delete(machine);
  }

  /** The store has changed. */
  written(writes: readonly KeyWrite[]): void {
    for (const { key, before, after } of writes) {
      const match = /^\/partitions\/([^/]+)\/(\d+)$/.exec(key);
      if (match === null || after === undefined) continue;
      const folder = `${match[1]}-${Number(match[2])}`;
      this.#note(`${folder}: ${stateIn(after)}`);
      if (before !== undefined) this.#altered(before, after);
      const committed = this.#committedOf(folder);
      if ((after['uncleanEpoch'] ?? -1) !== (before?.['uncleanEpoch'] ?? -1)) committed.isUnclean = true;
      else this.#candidates(folder, after);
    }
  }

  #altered(before: Stored, after: Stored): void {
    const old = before['isr'] as Member[];
    for (const { broker, epoch } of after['isr'] as Member[]) {
      const was = old.find((member) => member.broker === broker);
      if (was === undefined) this.#sometimes.saw('a replica joined the in-sync replicas');
      else if (was.epoch !== epoch) this.#sometimes.saw('a broker kept its place in sync over a restart');
    }
    const isGone = ({ broker }: Member): boolean =>
      !(after['isr'] as Member[]).some((member) => member.broker === broker);
    if (old.some(isGone)) this.#sometimes.saw('a replica left the in-sync replicas');
  }

  /** Whether an unclean election may have dropped what was committed. */
  mayHaveLost(folder: string): boolean {
    return this.#committedOf(folder).isUnclean;
  }

  /** All that was ever committed of it lies below. */
  committedEndOf(folder: string): number {
    return this.#committedOf(folder).end;
  }

  /** Where the log of a partition began at most. */
  startOffsetOf(folder: string): number {
    return this.#committedOf(folder).startOffset;
  }

  #lookAt(machine: BrokerMachine, partition: Partition): void {
    const { state, folder } = partition;
    if (state.kind === 'deleted') return;
    // It may begin anew, as another one.
    if (state.kind === 'offline') return void this.#known.get(machine)?.delete(folder);
    if (machine.isRotten(folder)) return this.#lookAtRotten(partition);
    const known = this.#knownOf(machine, partition);
    const { endOffset, durableEnd, highWatermark, logStartOffset, leadership } = partition;
    const leaderEpoch = leadership?.epoch ?? -1;
    if (
      endOffset === known.end &&
      durableEnd === known.durableEnd &&
      logStartOffset === known.startOffset &&
      highWatermark === known.highWatermark &&
      leaderEpoch === known.leaderEpoch
    ) {
      return;
    }
    const committed = this.#committedOf(folder);
    committed.startOffset = Math.max(committed.startOffset, logStartOffset);
    if (logStartOffset > known.end && leadership === undefined)
      this.#sometimes.saw("a follower began anew where its leader's log begins");
    if (durableEnd > endOffset) this.#wrong('R13', machine, partition, `${durableEnd} is durable, of ${endOffset}`);
    if (highWatermark > endOffset)
      this.#wrong('R13', machine, partition, `the high watermark is ${highWatermark}, the end ${endOffset}`);
    const isCompacted = partition.topic.settings.compacts;
    if (!isCompacted) this.#follow(machine, partition, known);
    if (!committed.isUnclean) {
      if (highWatermark < known.highWatermark)
        this.#wrong(
          'R11',
          machine,
          partition,
          `the high watermark fell from ${known.highWatermark} to ${highWatermark}`,
        );
      if (leaderEpoch !== known.leaderEpoch && leaderEpoch >= committed.newestEpoch)
        this.#elected(machine, partition, known.log);
      if (highWatermark > committed.end) this.#advanced(machine, partition, known.log);
      if (!isCompacted) known.comparedEnd = this.#compare(machine, partition, known);
      this.#endKnown(machine, partition);
    }
    if (leaderEpoch !== -1 && leaderEpoch < committed.newestEpoch)
      this.#sometimes.saw('a zombie led beside its successor');
    if (leaderEpoch > committed.newestEpoch) {
      if (committed.newestEpoch >= 0) this.#sometimes.saw('a leader changed');
      committed.newestEpoch = leaderEpoch;
    }
    known.end = endOffset;
    known.durableEnd = durableEnd;
    known.startOffset = logStartOffset;
    known.highWatermark = highWatermark;
    known.leaderEpoch = leaderEpoch;
  }

  #follow(machine: BrokerMachine, partition: Partition, known: Known): void {
    const compared = known.log.end ?? 0;
    const removed = known.log.update(partition.durableEnd);
    this.#appended(machine, partition, known.log, removed.length > 0 ? 0 : compared);
    if (removed.length > 0) this.#truncated(machine, partition, removed);
  }

  /** A pass of compaction over one of its logs is over. */
  compacted(machine: BrokerMachine, folder: string): void {
    const partition = partitionOf(machine, folder);
    if (partition === undefined || partition.state.kind === 'offline' || machine.isRotten(folder)) return;
    this.#sometimes.saw('a log was compacted');
    this.#compareCompacted(machine, partition);
  }

  /** R2, R11, R3 of compacted topics: each record that two replicas have is the same, and none is gone that has to stay. */
  #compareCompacted(machine: BrokerMachine, partition: Partition): void {
    const { compacted, isUnclean } = this.#committedOf(partition.folder);
    const problem = isUnclean ? undefined : compacted.problem(machine.disk, partition);
    if (problem !== undefined) this.#wrong('R2', machine, partition, problem);
  }

  /** Nothing is expected of what a disk holds that rots, until somebody finds out; but it may lead. */
  #lookAtRotten(partition: Partition): void {
    const { folder, leadership, highWatermark } = partition;
    const committed = this.#committedOf(folder);
    if (leadership === undefined || highWatermark <= committed.end) return;
    committed.end = highWatermark;
    committed.hasGaps = true;
    committed.compacted.advancedUnseen(highWatermark);
    this.#watcher.committedUnseen(partition);
  }

  /** R1: one writer per epoch, and epochs never decrease along a log. */
  #appended(machine: BrokerMachine, partition: Partition, log: ReplicaLog, from: number): void {
    const committed = this.#committedOf(partition.folder);
    let before: StoredBatch | undefined;
    for (const batch of log.from(Math.max(0, from - 1))) {
      const { leaderEpoch, baseOffset } = batch;
      if (before !== undefined && (before.leaderEpoch > leaderEpoch || before.lastOffset + 1 !== baseOffset))
        this.#wrong('R1', machine, partition, `${show(batch)} lies behind ${show(before)}`);
      before = batch;
      const key = `${leaderEpoch}:${baseOffset}`;
      const other = committed.appended.get(key);
      if (other === undefined) committed.appended.set(key, batch);
      else if (!isSameBatch(other, batch))
        this.#wrong('R1', machine, partition, `${show(batch)} is elsewhere in that epoch ${show(other)}`);
      if (partition.leadership?.epoch !== leaderEpoch || baseOffset < from) continue;
      const writer = committed.writers.get(leaderEpoch) ?? machine.id;
      committed.writers.set(leaderEpoch, writer);
      if (writer !== machine.id)
        this.#wrong(
          'R1',
          machine,
          partition,
          `${show(batch)} was appended here, and others in that epoch by ${writer}`,
        );
    }
  }

  /** R8: nothing that is committed is cut. */
  #truncated(machine: BrokerMachine, partition: Partition, removed: readonly StoredBatch[]): void {
    const committed = this.#committedOf(partition.folder);
    const gone = removed.filter(({ lastOffset }) => lastOffset >= partition.logStartOffset);
    if (gone.length === 0) return;
    this.#sometimes.saw('a follower truncated its log');
    const lost = gone.find((batch) => isSameBatch(batch, committed.batches.get(batch.baseOffset)));
    if (lost !== undefined && !committed.isUnclean)
      this.#wrong('R8', machine, partition, `${show(lost)} was committed, and is cut`);
    const known = this.#knownOf(machine, partition);
    known.comparedEnd = Math.min(known.comparedEnd, gone[0]!.baseOffset);
  }

  /** R3: a new leader has all that is committed. */
  #elected(machine: BrokerMachine, partition: Partition, log: ReplicaLog): void {
    const committed = this.#committedOf(partition.folder);
    if (partition.endOffset < committed.end)
      this.#wrong('R3', machine, partition, `it leads with ${partition.endOffset}, and ${committed.end} is committed`);
    if (partition.topic.settings.compacts) return this.#compareCompacted(machine, partition);
    const own = new Map([...log.from(partition.logStartOffset)].map((batch) => [batch.baseOffset, batch]));
    for (const batch of committed.batches.values()) {
      if (batch.lastOffset < partition.logStartOffset || isSameBatch(batch, own.get(batch.baseOffset))) continue;
      return this.#wrong('R3', machine, partition, `it leads without ${show(batch)}, which is committed`);
    }
  }

  /** R5, R6: a leader has moved the high watermark where no other was. */
  #advanced(machine: BrokerMachine, partition: Partition, log: ReplicaLog): void {
    const { leadership, highWatermark, folder } = partition;
    const committed = this.#committedOf(folder);
    if (leadership === undefined)
      return this.#wrong(
        'R6',
        machine,
        partition,
        `its high watermark is ${highWatermark}, and no leader's was more than ${committed.end}`,
      );
    const { replicas } = leadership;
    if (!replicas.isEnough)
      this.#wrong('R6', machine, partition, `the high watermark moved to ${highWatermark} with too few in sync`);
    const stored = this.#stored(partition);
    if (stored?.['leaderEpoch'] === leadership.epoch) {
      for (const { broker } of [...(stored['isr'] as Member[]), ...(stored['elr'] as Member[])]) {
        if (!replicas.maximalIsr.some((member) => member.broker === broker))
          this.#wrong('R5', machine, partition, `it does not count broker ${broker}, which is in sync`);
      }
    }
    if (partition.topic.settings.compacts) {
      const problem = committed.compacted.advanced(machine.disk, partition, this.#watcher);
      if (problem !== undefined) this.#wrong('R2', machine, partition, problem);
      committed.end = highWatermark;
      if (stored !== undefined) this.#candidates(folder, stored);
      return;
    }
    if ((log.end ?? partition.logStartOffset) < highWatermark)
      this.#wrong('R13', machine, partition, `${highWatermark} is committed, and written is ${log.end}`);
    for (const batch of log.from(committed.end)) {
      if (batch.lastOffset >= highWatermark) break;
      committed.batches.set(batch.baseOffset, batch);
      this.#sequence(machine, partition, batch);
    }
    committed.end = highWatermark;
    if (stored !== undefined) this.#candidates(folder, stored);
  }

  /** R14: a numbered batch is there once. */
  #sequence(machine: BrokerMachine, partition: Partition, batch: StoredBatch): void {
    if (batch.sequence === undefined) return;
    const { sequences } = this.#committedOf(partition.folder);
    const elsewhere = sequences.get(batch.sequence);
    sequences.set(batch.sequence, batch.baseOffset);
    if (elsewhere !== undefined)
      this.#wrong('R14', machine, partition, `${show(batch)} of ${batch.sequence} is at ${elsewhere} as well`);
  }

  /** R2, R11: what lies below a high watermark is the same everywhere, and stays so. */
  #compare(machine: BrokerMachine, partition: Partition, { log, comparedEnd }: Known): number {
    const { batches, hasGaps } = this.#committedOf(partition.folder);
    let end = comparedEnd;
    for (const batch of log.from(comparedEnd)) {
      if (batch.lastOffset >= partition.highWatermark) break;
      if (hasGaps && !batches.has(batch.baseOffset)) batches.set(batch.baseOffset, batch);
      const committed = batches.get(batch.baseOffset);
      if (!isSameBatch(batch, committed) && batch.baseOffset >= partition.logStartOffset)
        this.#wrong(
          'R2',
          machine,
          partition,
          `${show(batch)} is below its high watermark; committed is ${show(committed)}`,
        );
      end = batch.lastOffset + 1;
    }
    return end;
  }

  /** R10: the leader that says where the end of what is committed is knows it. */
  #endKnown(machine: BrokerMachine, partition: Partition): void {
    const { leadership, isEndKnown, highWatermark, folder } = partition;
    const committed = this.#committedOf(folder);
    if (leadership === undefined || leadership.epoch < committed.newestEpoch || !isEndKnown) return;
    if (highWatermark < committed.end)
      this.#wrong('R10', machine, partition, `it tells ${highWatermark} as the end, and ${committed.end} is committed`);
  }

  /** R4: whoever may be elected has all that is committed. Of those that are away, nothing is seen. */
  #candidates(folder: string, stored: Stored): void {
    const { end, isUnclean } = this.#committedOf(folder);
    if (isUnclean) return;
    for (const { broker, epoch } of [...(stored['isr'] as Member[]), ...(stored['elr'] as Member[])]) {
      const machine = this.#machines[broker - 1];
      const known = machine === undefined ? undefined : this.#known.get(machine)?.get(folder);
      const partition = machine === undefined ? undefined : partitionOf(machine, folder);
      if (machine === undefined || known === undefined || partition === undefined) continue;
      // Under an older registration it counts only while its disk is what it was, and all of it was synced.
      const isOfThisRun = epoch !== undefined && machine.running?.brokerEpoch === epoch;
      if (!isOfThisRun && (!machine.isWhole(folder) || partition.topic.settings.flush !== 'commit')) continue;
      if (partition.state.kind === 'offline' || partition.endOffset >= end) continue;
      this.#wrong('R4', machine, partition, `it may be elected with ${partition.endOffset}, and ${end} is committed`);
    }
  }

  #stored({ key }: Partition): Stored | undefined {
    return this.#history.now(partitionKey(key.topicId, key.index));
  }

  #committedOf(folder: string): Committed {
    let committed = this.#committed.get(folder);
    if (committed === undefined) {
      committed = new Committed();
      this.#committed.set(folder, committed);
    }
    return committed;
  }

  #knownOf(machine: BrokerMachine, partition: Partition): Known {
    const { folder } = partition;
    let replicas = this.#known.get(machine);
    if (replicas === undefined) {
      replicas = new Map();
      this.#known.set(machine, replicas);
    }
    let known = replicas.get(folder);
    if (known === undefined) {
      known = {
        log: new ReplicaLog(machine.disk, folder),
        end: 0,
        durableEnd: 0,
        startOffset: 0,
        highWatermark: 0,
        leaderEpoch: -1,
        comparedEnd: 0,
      };
      replicas.set(folder, known);
    }
    return known;
  }

  #wrong(rule: string, machine: BrokerMachine, { name }: Partition, what: string): void {
    this.#violated(`[${rule}] ${name} on broker ${machine.id}: ${what}`);
  }
}

function stateOf(partition: Partition, log: ReplicaLog): Known {
  const { endOffset, durableEnd, highWatermark, logStartOffset } = partition;
  return {
    log,
    end: endOffset,
    durableEnd,
    startOffset: logStartOffset,
    highWatermark,
    leaderEpoch: -1,
    comparedEnd: logStartOffset,
  };
}

/** Whether a start has cut something off where a log ends: it is kept aside. What was not synced may be gone without that. */
function wasCut({ disk }: BrokerMachine, { folder, endOffset }: Partition): boolean {
  return disk.namesIn(`partitions/${folder}`).includes(`${String(endOffset).padStart(20, '0')}.torn`);
}

function partitionOf(machine: BrokerMachine, folder: string): Partition | undefined {
  for (const partition of machine.broker?.partitions.all() ?? []) if (partition.folder === folder) return partition;
  return undefined;
}

/** A partition as the store has it, for the trace. */
function stateIn({ leader, leaderEpoch, isr, elr, partitionEpoch, uncleanEpoch }: Stored): string {
  return `${partitionEpoch}: leader ${leader} in epoch ${leaderEpoch}, ISR ${members(isr)}, ELR ${members(elr)}, unclean ${uncleanEpoch}`;
}

function members(list: readonly Member[]): string {
  return list.map(({ broker, epoch }) => (epoch === undefined ? `${broker}` : `${broker}@${epoch}`)).join(' ');
}

function show(batch: StoredBatch | undefined): string {
  if (batch === undefined) return 'nothing';
  return `the batch ${batch.baseOffset} to ${batch.lastOffset} of epoch ${batch.leaderEpoch} (${batch.crc.toString(16)})`;
}
