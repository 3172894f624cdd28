import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import type { Partition } from '@weir/broker/partition/partition.ts';
import type { RecordView } from '@weir/records/record.ts';
import type { CommitWatcher } from '../brokers/compacted-checks.ts';
import type { BrokerMachine } from '../brokers/machine.ts';
import type { ReplicaChecks } from '../brokers/replica-checks.ts';
import type { BrokerSwarm } from '../brokers/swarm.ts';
import type { LoadPartition } from '../brokers/topics.ts';
import { partitionKey } from '../checks/history.ts';
import type { RecordHistory } from '../checks/record-history.ts';
import type { LogLine } from '../cluster/world.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { GroupAdministrator } from './administrator.ts';
import { GroupFaults } from './faults.ts';
import { GroupChecks } from './group-checks.ts';
import type { Coordination } from './group-checks.ts';
import { GroupLog } from './group-log.ts';
import { GroupProgress } from './group-progress.ts';
import { GroupLiveness } from './liveness.ts';
import { seatsOf } from './seat.ts';
import type { Seat } from './seat.ts';

/** After everything has healed somebody goes by then: others have to take over. */
const GOES_MS_MAX = 10_000;

/** What groups are checked against. */
export interface GroupsParts {
  readonly machines: readonly BrokerMachine[];
  readonly replicas: () => ReplicaChecks;
  readonly history: RecordHistory;
}

/** What groups read. */
export interface GroupsLoad {
  readonly coordinators: readonly string[];
  /** Takes what comes. */
  readonly partitions: LoadPartition[];
}

/** The consumer groups of a run: their members, what breaks them, and what has to hold of them. Without any it does nothing. */
export class Groups implements CommitWatcher {
  readonly #parts: Parts<BrokerSwarm>;
  readonly #cluster: GroupsParts;
  readonly #log: GroupLog;
  readonly #checks: GroupChecks;
  readonly #progress: GroupProgress;
  #seats: readonly Seat[] = [];
  #administrator: GroupAdministrator | undefined;
  #faults: GroupFaults | undefined;

  constructor(parts: Parts<BrokerSwarm>, cluster: GroupsParts) {
    this.#parts = parts;
    this.#cluster = cluster;
    const { ground, sometimes, swarm, network } = parts;
    const { violated, scheduler } = ground;
    this.#log = new GroupLog(swarm.offsetsTopic?.partitions ?? 1);
    this.#checks = new GroupChecks({
      log: this.#log,
      sometimes,
      violated,
      nowMs: () => scheduler.nowMs,
      coordination: (process, groupId) => this.#coordination(process, groupId),
    });
    this.#progress = new GroupProgress({
      startOf: (place) => cluster.replicas().startOffsetOf(this.#folderOf(place)),
      isExcused: (place) => this.#isCompacted(topicIn(place)) || cluster.replicas().mayHaveLost(this.#folderOf(place)),
    });
    if (swarm.groups.groups.length > 0) network.watch(this.#checks);
  }

  /** Times that members were given records. */
  get operations(): number {
    return this.#seats.reduce((sum, { operations }) => sum + operations, 0);
  }

  /** Faults of groups so far. */
  get faults(): number {
    return this.#faults?.count ?? 0;
  }

  /** Members come, and faults with them. */
  begin({ coordinators, partitions }: GroupsLoad): void {
    const { groups } = this.#parts.swarm.groups;
    if (groups.length === 0) return;
    const { machines, history } = this.#cluster;
    const member = {
      parts: this.#parts,
      coordinators,
      history,
      progress: this.#progress,
      owners: this.#checks.owners,
    };
    this.#seats = seatsOf(groups, member, this.#parts.chanceFor('seats'));
    const administrator = new GroupAdministrator(this.#parts, { coordinators, partitions });
    this.#administrator = administrator;
    this.#faults = new GroupFaults(this.#parts, { machines, seats: this.#seats, administrator });
  }

  /** No more faults; whoever is paused is so still. */
  stopFaults(): void {
    this.#faults?.stop();
  }

  /** Whoever is there goes on. Of each group somebody stays; of the others some come, and some go once more without a word. */
  heal(): void {
    const { scheduler } = this.#parts.ground;
    const chance = this.#parts.chanceFor('members that stay');
    const attended = new Set<string>();
    for (const seat of this.#seats) {
      const isFirst = !attended.has(seat.group.id);
      attended.add(seat.group.id);
      const stays = isFirst || chance.happens(0.5);
      seat.heal(stays);
      if (!stays && chance.happens(0.5)) scheduler.in(chance.between(0, GOES_MS_MAX), () => seat.kill());
    }
  }

  /** Nobody looks at groups any more. */
  end(): void {
    this.#administrator?.stop();
  }

  /** Says what is not well after everything has healed. */
  liveness(waiting: () => ReadonlySet<string>): GroupLiveness {
    return new GroupLiveness({
      groups: this.#parts.swarm.groups.groups,
      seats: this.#seats,
      log: this.#log,
      history: this.#parts.history,
      waiting,
      committedEndOf: (folder) => this.#cluster.replicas().committedEndOf(folder),
      isCompacted: (topic) => this.#isCompacted(topic),
    });
  }

  committed(partition: Partition, record: RecordView): void {
    if (partition.topic.name !== OFFSETS_TOPIC) return;
    const { violated } = this.#parts.ground;
    const taken = this.#log.take(record);
    switch (taken.kind) {
      case 'unexpected':
        return violated(`${partition.name} has a record at ${record.offset} that nobody should write: ${taken.what}`);
      case 'group':
        return taken.problem === undefined ? undefined : violated(`group ${taken.groupId}: ${taken.problem}`);
      case 'commit': {
        const { groupId, place, offset } = taken;
        this.#checks.committed(groupId, place, offset);
        const problem = this.#progress.committed(groupId, place, offset);
        if (problem !== undefined) violated(problem);
      }
    }
  }

  committedUnseen({ topic, key }: Partition): void {
    if (topic.name === OFFSETS_TOPIC) this.#log.lost(key.index);
  }

  /** An event is over, and replicas were looked at. */
  look(): void {
    this.#checks.look();
  }

  /** What a broker's log says of groups. */
  logged({ message, facts }: LogLine): void {
    if (message.startsWith('refused: the record of the group (emptied)'))
      this.#checks.emptiedUnstored(String(facts['group']));
    if (message.startsWith('loaded the groups of ')) this.#loaded(Number(/\d+$/.exec(message)?.[0]));
  }

  #loaded(shard: number): void {
    const { sometimes, swarm } = this.#parts;
    for (const { id } of swarm.groups.groups) {
      if (this.#log.shardOf(id) !== shard) continue;
      const newest = this.#log.group(id).newest;
      if (newest === undefined || newest.members.size === 0) continue;
      sometimes.saw('a coordinator took over a group that has members');
      if (!newest.isAssigned) sometimes.saw('a coordinator took over a group in the middle of a rebalance');
    }
  }

  #coordination(process: Process, groupId: string): Coordination | undefined {
    const machine = this.#cluster.machines.find((one) => one.process === process);
    const shard = this.#log.shardOf(groupId);
    for (const { topic, key, leadership } of machine?.broker?.partitions.all() ?? []) {
      if (topic.name !== OFFSETS_TOPIC || key.index !== shard) continue;
      const epoch = leadership?.epoch;
      const newest = this.#parts.history.now(partitionKey(key.topicId, shard))?.['leaderEpoch'] as number | undefined;
      return { leads: epoch !== undefined, isNewest: epoch !== undefined && epoch === newest };
    }
    return undefined;
  }

  #isCompacted(topic: string): boolean {
    return this.#parts.swarm.topics.some(({ name, compaction }) => name === topic && compaction !== undefined);
  }

  /** @param place - as "topic/0" */
  #folderOf(place: string): string {
    const id = this.#parts.history.now(`/topics/${topicIn(place)}`)?.['id'] as string | undefined;
    return `${id}-${place.slice(place.lastIndexOf('/') + 1)}`;
  }
}

function topicIn(place: string): string {
  return place.slice(0, place.lastIndexOf('/'));
}
