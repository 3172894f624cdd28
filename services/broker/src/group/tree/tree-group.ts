import { readAssignmentOr } from '@weir/client/group/consumer-messages.ts';
import type { CommittedOffsets } from '../committed-offsets.ts';
import { CONSUMER_PROTOCOL_TYPE } from '../group-core.ts';
import type { GroupRecord } from '../group-record.ts';
import { subscribedTopics } from '../group-settings.ts';
import { directoryNode, groupNode, memberData, memberNode, offsetNode, ownerNode } from './consumer-node.ts';
import type { ConsumerNode } from './consumer-node.ts';
import type { GroupPlace } from './consumer-place.ts';

/** A group's last committed record, and the revision since which it counts. */
export interface StoredGroup {
  readonly record: GroupRecord;
  readonly revision: number;
}

/** What the tree shows of a group: what is stored of it, and nothing else. */
export interface TreeGroup {
  readonly id: string;
  readonly stored: StoredGroup | undefined;
  readonly offsets: CommittedOffsets;
}

/** What a group's record says, read. */
export interface GroupFacts {
  /** What the members' nodes say, by member id. */
  readonly members: ReadonlyMap<string, object>;
  /** Members by topic and partition. */
  readonly owners: ReadonlyMap<string, ReadonlyMap<number, string>>;
}

const NOBODY: GroupFacts = { members: new Map(), owners: new Map() };
const FACTS = new WeakMap<GroupRecord, GroupFacts>();

/** What a record says. Of groups of other kinds than consumers it says who is in them, and not what they do. */
export function factsOf(record: GroupRecord | undefined): GroupFacts {
  if (record === undefined || record.members.length === 0) return NOBODY;
  let facts = FACTS.get(record);
  if (facts === undefined) FACTS.set(record, (facts = read(record)));
  return facts;
}

function read({ protocolType, members }: GroupRecord): GroupFacts {
  const areConsumers = protocolType === CONSUMER_PROTOCOL_TYPE;
  const known = new Map<string, object>();
  const owners = new Map<string, Map<number, string>>();
  for (const member of members) {
    const topics = areConsumers ? subscribedTopics(member.subscription) : undefined;
    known.set(member.memberId, memberData(member, topics));
    for (const { topic, partition } of areConsumers ? readAssignmentOr(member.assignment, []) : []) {
      if (!isName(topic)) continue;
      let partitions = owners.get(topic);
      if (partitions === undefined) owners.set(topic, (partitions = new Map()));
      partitions.set(partition, member.memberId);
    }
  }
  return { members: known, owners };
}

/** Whether a group is shown: there is something of it, and its id is a component of a path. */
export function isThere({ id, stored, offsets }: TreeGroup): boolean {
  return (stored !== undefined || offsets.size > 0) && isName(id);
}

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..';
}

/** A node of a group as it is now; undefined when there is none. */
export function nodeAt(group: TreeGroup, place: GroupPlace): ConsumerNode | undefined {
  if (!isThere(group)) return undefined;
  const { id, stored, offsets } = group;
  const revision = stored?.revision ?? 0;
  switch (place.kind) {
    case 'group':
      return groupNode(id, stored);
    case 'list':
      return directoryNode(place, countOf(group, place));
    case 'member': {
      const data = factsOf(stored?.record).members.get(place.member);
      return data && memberNode(id, place.member, revision, data);
    }
    case 'topic': {
      const count = countOf(group, place);
      return count === 0 ? undefined : directoryNode(place, count);
    }
    case 'partition': {
      if (place.list === 'owners') {
        const consumer = factsOf(stored?.record).owners.get(place.topic)?.get(place.partition);
        return consumer === undefined ? undefined : ownerNode(place, revision, consumer);
      }
      const found = offsets.stored(place);
      return found && offsetNode(place, found.revision, found.committed);
    }
  }
}

/** What is right below a place of a group, in no order; none where there is no node. */
export function* placesBelow(group: TreeGroup, place: GroupPlace): Generator<GroupPlace> {
  if (!isThere(group)) return;
  const { id, stored, offsets } = group;
  switch (place.kind) {
    case 'group':
      for (const list of ['ids', 'offsets', 'owners'] as const) yield { kind: 'list', group: id, list };
      return;
    case 'list': {
      const { list } = place;
      const facts = factsOf(stored?.record);
      if (list === 'ids') for (const member of facts.members.keys()) yield { kind: 'member', group: id, member };
      else {
        const topics = list === 'owners' ? facts.owners.keys() : offsets.topics();
        for (const topic of topics) yield { kind: 'topic', group: id, list, topic };
      }
      return;
    }
    case 'topic': {
      const { list, topic } = place;
      const owned = factsOf(stored?.record).owners.get(topic)?.keys() ?? [];
      for (const partition of list === 'owners' ? owned : offsets.partitionsOf(topic)) {
        yield { kind: 'partition', group: id, list, topic, partition };
      }
      return;
    }
    case 'member':
    case 'partition':
  }
}

/** The node at a place and all below it, parents first. */
export function* nodesFrom(group: TreeGroup, place: GroupPlace): Generator<ConsumerNode> {
  const node = nodeAt(group, place);
  if (node === undefined) return;
  yield node;
  for (const below of placesBelow(group, place)) yield* nodesFrom(group, below);
}

function countOf({ stored, offsets }: TreeGroup, place: Extract<GroupPlace, { kind: 'list' | 'topic' }>): number {
  const { members, owners } = factsOf(stored?.record);
  if (place.kind === 'topic') {
    return place.list === 'owners' ? (owners.get(place.topic)?.size ?? 0) : offsets.sizeOf(place.topic);
  }
  switch (place.list) {
    case 'ids':
      return members.size;
    case 'owners':
      return owners.size;
    case 'offsets':
      return offsets.topicCount;
  }
}
