import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import type { Random } from '@weir/base/random.ts';
import type { Client } from '@weir/client/client.ts';
import type { AssignorName, TopicPartition } from '@weir/client/group/assignor.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import { partitionName } from '../history.ts';
import type { LoadTopic } from '../load.ts';
import { Member } from './member.ts';
import type { MemberKind } from './member.ts';
import type { MemberHistory } from './member-history.ts';
import type { MemberSettings } from './member-settings.ts';

/** The shortest that brokers take, so that who is gone is noticed soon. */
export const MEMBER_SESSION_MS = 6_000;
const REBALANCE_TIMEOUT_MS = 15_000;
const POLL_MS = 200;
/** The name of everything that a load goes to begins so. */
const PATTERN = '^records';

/** A group under test. */
export interface GroupSpec {
  readonly id: string;
  readonly kind: MemberKind;
  readonly members: number;
  /** They keep their places while they are away for less than their session timeout. */
  readonly areStatic?: boolean;
  /** Of native members; as usual when absent. */
  readonly assignors?: readonly AssignorName[];
}

/** A group with the processes of its members. */
export class Group {
  readonly id: string;
  readonly members: Member[];
  readonly #newMember: (name: string, instance: string | undefined) => Member;

  constructor(spec: GroupSpec, newMember: (name: string, instance: string | undefined) => Member) {
    this.id = spec.id;
    this.#newMember = newMember;
    this.members = Array.from({ length: spec.members }, (_, i) => {
      const name = `${spec.id}-${i + 1}`;
      return newMember(name, spec.areStatic === true ? name : undefined);
    });
  }

  get running(): readonly Member[] {
    return this.members.filter(({ isRunning }) => isRunning);
  }

  /** Any that has a partition, by what it has written down; any that runs when none has. */
  owner(random: Random): Member {
    const { running } = this;
    const owners = running.filter(
      ({ events }) => events.findLast(({ kind }) => kind === 'assigned' || kind === 'ended')?.kind === 'assigned',
    );
    const among = owners.length > 0 ? owners : running;
    const owner = among[Math.floor(random.unit() * among.length)];
    if (owner === undefined) throw new Error(`nobody of ${this.id} runs`);
    return owner;
  }

  /** Another process with the instance id of a static member, in the place of that one from now on. */
  twinOf(member: Member): Member {
    const twin = this.#newMember(`${member.name}-twin`, member.instance);
    this.members[this.members.indexOf(member)] = twin;
    this.replaced.push(member);
    return twin;
  }

  /** Those whose place another one has taken. */
  readonly replaced: Member[] = [];

  get all(): readonly Member[] {
    return [...this.members, ...this.replaced];
  }
}

/** What groups need of the cluster. */
export interface GroupsTarget {
  readonly client: Client;
  /** Of all topics that they read, as they are now. */
  readonly topics: () => readonly LoadTopic[];
  readonly settings: Pick<MemberSettings, 'coordinators' | 'bootstrap'>;
  readonly directory: string;
}

/** Groups that read all topics of a load, and what they have come to. */
export class Groups {
  readonly all: readonly Group[];
  readonly #target: GroupsTarget;

  constructor(specs: readonly GroupSpec[], target: GroupsTarget) {
    this.#target = target;
    this.all = specs.map((spec) => {
      const common = {
        ...target.settings,
        directory: target.directory,
        group: spec.id,
        pattern: PATTERN,
        sessionTimeoutMs: MEMBER_SESSION_MS,
        rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
        ...(spec.assignors === undefined ? {} : { assignors: spec.assignors }),
      };
      return new Group(
        spec,
        (name, instance) => new Member(name, spec.kind, { ...common, ...(instance === undefined ? {} : { instance }) }),
      );
    });
  }

  start(): void {
    for (const { members } of this.all) for (const member of members) member.start();
  }

  /** One of the groups by its id. */
  group(id: string): Group {
    const found = this.all.find((group) => group.id === id);
    if (found === undefined) throw new Error(`there is no group ${id}`);
    return found;
  }

  /** The broker that leads the partition of a group's offsets, as the metadata says; -1: nobody, or not known. */
  coordinatorId({ id }: Group): number {
    const topic = this.#target.client.topic(OFFSETS_TOPIC);
    return topic?.partitions[partitionForGroup(id, topic.partitions.length)]?.leader ?? -1;
  }

  /**
   * Waits until in each of some groups those who run are in it and nobody else, every partition is somebody's, and members that
   * are too many have none.
   *
   * @returns what is not so after so long, or undefined
   */
  untilSettled(withinMs: number, groups = this.all): Promise<string | undefined> {
    return until(withinMs, async () => {
      const problems = await Promise.all(groups.map((group) => this.#unsettled(group)));
      return problems.find((problem) => problem !== undefined);
    });
  }

  /** Waits until each of some groups has committed further in every partition. @returns what is not so after so long, or undefined */
  async untilProgress(withinMs: number, groups = this.all): Promise<string | undefined> {
    const before = new Map<Group, ReadonlyMap<string, number>>();
    return until(withinMs, async () => {
      for (const group of groups) {
        const now = await this.committed(group);
        if (!before.has(group)) before.set(group, now);
        const known = before.get(group)!;
        const stuck = this.#places().find((place) => (now.get(place) ?? 0) <= (known.get(place) ?? 0));
        if (stuck !== undefined) return `${group.id} has not gone on in ${stuck} from ${known.get(stuck) ?? 'nothing'}`;
      }
      return undefined;
    });
  }

  /** Waits until everything is committed, while nobody writes. @returns what is not so after so long, or undefined */
  untilAtEnd(withinMs: number): Promise<string | undefined> {
    return until(withinMs, async () => {
      const { client, topics } = this.#target;
      const ends = new Map<string, number>();
      for (const { name, partitions } of topics()) {
        const queries = Array.from({ length: partitions }, (_, partition) => ({
          partition,
          timestamp: 'latest' as const,
        }));
        const answers = await client.listOffsets(name, queries);
        for (const [partition, { offset }] of answers.entries()) ends.set(partitionName(name, partition), offset);
      }
      for (const group of this.all) {
        const committed = await this.committed(group);
        const behind = [...ends].find(([place, end]) => (committed.get(place) ?? 0) !== end);
        if (behind === undefined) continue;
        const [place, end] = behind;
        return `${group.id} has ${committed.get(place) ?? 'nothing'} of ${end} in ${place} committed`;
      }
      return undefined;
    });
  }

  /** What a group has committed, by `partitionName`. @throws WeirError (as a rejection) */
  async committed({ id }: Group): Promise<ReadonlyMap<string, number>> {
    const offsets = await this.#target.client.groups.offsets(id);
    return new Map(offsets.map((committed) => [nameOf(committed), committed.offset]));
  }

  /** All members stop in order. @returns of those that did not, how they ended */
  async stop(): Promise<readonly string[]> {
    const problems = this.all.flatMap((group) =>
      group.members.map(async (member) => {
        if (!member.isRunning) return [`${member.name} has ended before`];
        if (member.isPaused) member.resume();
        const ending = await member.stop();
        return ending?.code === 0 ? [] : [`${member.name}: ${ending?.code ?? ending?.signal}`];
      }),
    );
    return (await Promise.all(problems)).flat();
  }

  async kill(): Promise<void> {
    await Promise.all(this.all.flatMap(({ all }) => all.map((member) => member.kill())));
  }

  histories(): MemberHistory[] {
    return this.all.flatMap(({ all }) => all.flatMap((member) => member.histories()));
  }

  writeOutputs(directory: string): void {
    for (const { all } of this.all) {
      for (const member of all) member.writeOutput(join(directory, `${member.name}.log`));
    }
  }

  #places(): string[] {
    return this.#target
      .topics()
      .flatMap(({ name, partitions }) => Array.from({ length: partitions }, (_, i) => partitionName(name, i)));
  }

  async #unsettled(group: Group): Promise<string | undefined> {
    const { state, members, generation } = await this.#target.client.groups.describe(group.id);
    const is = `${group.id} is ${state} in generation ${generation} with ${members.length} members`;
    if (state !== 'Stable' || members.length !== group.running.length) return `${is}, and ${group.running.length} run`;
    const untold = group.running.find((member) => member.generation !== generation);
    if (untold !== undefined) return `${is}, and ${untold.name} has been told of ${untold.generation} last`;
    const counts = new Map(this.#places().map((place) => [place, 0]));
    for (const place of members.flatMap(({ assignment }) => assignment).map(nameOf)) {
      counts.set(place, (counts.get(place) ?? 0) + 1);
    }
    const wrong = [...counts].find(([, count]) => count !== 1);
    if (wrong !== undefined) return `${is}, of whom ${wrong[1]} have ${wrong[0]}`;
    const idle = members.filter(({ assignment }) => assignment.length === 0).length;
    const tooMany = Math.max(0, members.length - counts.size);
    return idle === tooMany ? undefined : `${is}, of whom ${idle} have nothing, and not ${tooMany}`;
  }
}

/** @param problem - undefined when it is as it is to be; what it throws is a problem as well */
async function until(withinMs: number, problem: () => Promise<string | undefined>): Promise<string | undefined> {
  for (const untilMs = performance.now() + withinMs; ; await pause(POLL_MS)) {
    const found = await problem().catch(messageOf);
    if (found === undefined || performance.now() > untilMs) return found;
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return partitionName(topic, partition);
}
