import { decodeKey } from '@weir/kafka/records/keys.ts';
import { groupMetadataValue } from '@weir/kafka/records/group-metadata-value.ts';
import { offsetCommitValue } from '@weir/kafka/records/offset-commit-value.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import { readAssignmentOr } from '@weir/client/group/consumer-messages.ts';
import type { RecordView } from '@weir/records/record.ts';

/** A member as it is stored. */
export interface StoredMember {
  /** Of a static member. */
  readonly instanceId: string | undefined;
  /** As it was assigned; empty: nothing was yet. */
  readonly assignment: Buffer;
  /** The partitions in that. */
  readonly places: readonly string[];
}

/** A record of a group: a generation without assignments, the same with them, or with a static member that has come back. */
export interface StoredGeneration {
  /** When it was committed. */
  readonly tick: number;
  readonly generation: number;
  /** By member id. */
  readonly members: ReadonlyMap<string, StoredMember>;
  readonly isAssigned: boolean;
}

/** A commit, and when it was committed and overtaken. */
export interface StoredCommit {
  readonly tick: number;
  readonly offset: number;
  untilTick: number;
}

/** All that was ever committed of one group. */
export class StoredGroup {
  readonly generations: StoredGeneration[] = [];
  /** By partition, as "topic/0". */
  readonly commits = new Map<string, StoredCommit[]>();
  /** Who was given what in the generation that is the newest. */
  #owners = new Map<string, { readonly memberId: string; readonly member: StoredMember }>();

  get newest(): StoredGeneration | undefined {
    return this.generations.at(-1);
  }

  /** What was the newest before a tick. */
  before(tick: number): StoredGeneration | undefined {
    return this.generations.findLast((one) => one.tick < tick);
  }

  /** What a generation was given to a member, as far as it was. */
  find(generation: number, memberId: string): StoredGeneration | undefined {
    return this.generations.findLast((one) => one.generation === generation && one.members.has(memberId));
  }

  /** What is committed of a partition. */
  offsetOf(place: string): number | undefined {
    return this.commits.get(place)?.at(-1)?.offset;
  }

  /** Whether an offset, or none at all, was what was committed of a partition at some time from a tick on. */
  wasCommitted(place: string, offset: number | undefined, fromTick: number): boolean {
    const commits = this.commits.get(place) ?? [];
    if (offset === undefined) return (commits[0]?.tick ?? Infinity) >= fromTick;
    return commits.some((one) => one.offset === offset && one.untilTick >= fromTick);
  }

  /** @returns what is wrong */
  takeGeneration(next: StoredGeneration): string | undefined {
    const before = this.newest;
    this.generations.push(next);
    if (before !== undefined && next.generation < before.generation)
      return `[G3] generation ${next.generation} follows ${before.generation}`;
    if (next.generation !== before?.generation) this.#owners.clear();
    else {
      const other = differing(before, next);
      if (other !== undefined)
        return `[G3] generation ${next.generation} is given out twice, to other members: ${other}`;
    }
    for (const [memberId, member] of next.members) {
      for (const place of member.places) {
        const owner = this.#owners.get(place);
        if (owner !== undefined && owner.memberId !== memberId && !isSameInstance(owner.member, member))
          return `[G1] ${place} is stored for ${owner.memberId} and for ${memberId} in generation ${next.generation}`;
        this.#owners.set(place, { memberId, member });
      }
    }
    return undefined;
  }

  takeCommit(place: string, offset: number, tick: number): void {
    const commits = this.commits.get(place);
    if (commits === undefined) return void this.commits.set(place, [{ tick, offset, untilTick: Infinity }]);
    commits.at(-1)!.untilTick = tick;
    commits.push({ tick, offset, untilTick: Infinity });
  }
}

/** What follows from one record. */
export type Taken =
  | { readonly kind: 'group'; readonly groupId: string; readonly problem: string | undefined }
  | { readonly kind: 'commit'; readonly groupId: string; readonly place: string; readonly offset: number }
  | { readonly kind: 'unexpected'; readonly what: string };

/**
 * What `__consumer_offsets` says, as far as it is committed, read without the code of those who coordinate groups. Time is counted in
 * events of the run, its ticks.
 */
export class GroupLog {
  /** Of the event that runs now. */
  tick = 1;
  readonly #partitions: number;
  readonly #groups = new Map<string, StoredGroup>();
  /** Partitions of which something was committed that nobody could look into. */
  readonly #unseen = new Set<number>();

  /** @param partitions - of the topic */
  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  /** The partition of the topic that has a group. */
  shardOf(groupId: string): number {
    return partitionForGroup(groupId, this.#partitions);
  }

  /** Whether all that was committed of a group is known. */
  isWhole(groupId: string): boolean {
    return !this.#unseen.has(this.shardOf(groupId));
  }

  lost(shard: number): void {
    this.#unseen.add(shard);
  }

  /** One of which nothing is committed is there without anything. */
  group(groupId: string): StoredGroup {
    let group = this.#groups.get(groupId);
    if (group === undefined) this.#groups.set(groupId, (group = new StoredGroup()));
    return group;
  }

  /** Takes in the next record. */
  take({ key, value }: RecordView): Taken {
    const about = key === null ? undefined : decodeKey(key);
    if (value === null || about === undefined || about.kind === 'unknown')
      return { kind: 'unexpected', what: `${about?.kind ?? 'no key'}${value === null ? ', deleted' : ''}` };
    const { tick } = this;
    const groupId = about.group;
    if (about.kind === 'offset-commit') {
      const place = `${about.topic}/${about.partition}`;
      const { offset } = offsetCommitValue.decode(value).value;
      this.group(groupId).takeCommit(place, offset, tick);
      return { kind: 'commit', groupId, place, offset };
    }
    const { generation, members } = groupMetadataValue.decode(value).value;
    const stored = new Map(members.map((member) => [member.memberId, memberOf(member)]));
    const isAssigned = members.some(({ assignment }) => assignment.length > 0);
    const problem = this.group(groupId).takeGeneration({ tick, generation, members: stored, isAssigned });
    return { kind: 'group', groupId, problem };
  }
}

/** The partitions of an assignment, as "topic/0". */
export function placesIn(assignment: Uint8Array): readonly string[] {
  return readAssignmentOr(assignment, []).map(({ topic, partition }) => `${topic}/${partition}`);
}

/** Whether two are one static member at two times. */
export function isSameInstance(
  one: { readonly instanceId: string | undefined },
  other: { readonly instanceId: string | undefined },
): boolean {
  return one.instanceId !== undefined && one.instanceId === other.instanceId;
}

function memberOf(stored: { readonly groupInstanceId: string | null; readonly assignment: Uint8Array }): StoredMember {
  const assignment = Buffer.from(stored.assignment);
  return { instanceId: stored.groupInstanceId ?? undefined, assignment, places: placesIn(assignment) };
}

/** Who is in one of two records of a generation and not in the other, but for static members that have come back. */
function differing(before: StoredGeneration, next: StoredGeneration): string | undefined {
  const [ours, theirs] = [before.members, next.members];
  for (const [from, to] of [[ours, theirs] as const, [theirs, ours] as const]) {
    for (const [memberId, member] of from) {
      const isThere = to.has(memberId) || [...to.values()].some((other) => isSameInstance(other, member));
      if (!isThere) return memberId;
    }
  }
  return undefined;
}
