import type { StoredOffset, TopicPartition } from '../committed-offsets.ts';
import { directoryNode, groupData, groupNode, memberNode, offsetNode, ownerNode } from './consumer-node.ts';
import type { ConsumerEvent, ConsumerNode } from './consumer-node.ts';
import { pathOf } from './consumer-place.ts';
import type { ConsumerPlace } from './consumer-place.ts';
import { factsOf } from './tree-group.ts';
import type { GroupFacts, StoredGroup } from './tree-group.ts';

interface Change {
  readonly group: string;
  /** Whether there was anything of the group before, and is after it. */
  readonly wasThere: boolean;
  readonly isThere: boolean;
}

/** What one record of `__consumer_offsets` did to the nodes of its group. What follows for each is worked out when somebody wants it. */
export type TreeChange =
  | (Change & {
      readonly kind: 'group';
      readonly before: StoredGroup | undefined;
      readonly after: StoredGroup | undefined;
      /** Topics that the group has offsets of. */
      readonly offsetTopics: number;
    })
  | (Change &
      TopicPartition & {
        readonly kind: 'offset';
        readonly wasStored: boolean;
        readonly after: StoredOffset | undefined;
        /** Partitions of the topic that the group has offsets of, after it. */
        readonly topicSize: number;
      });

/** About what a change holds on to. */
export function changeBytes(change: TreeChange): number {
  const { group } = change;
  let bytes = CHANGE_BYTES + 2 * group.length;
  if (change.kind === 'offset') return bytes + 2 * (change.after?.committed.metadata.length ?? 0);
  for (const member of change.after?.record.members ?? []) {
    bytes += MEMBER_BYTES + READ_FACTOR * (member.subscription.length + member.assignment.length);
  }
  return bytes;
}

const CHANGE_BYTES = 200;
const MEMBER_BYTES = 400;
/** As bytes, and read. */
const READ_FACTOR = 4;

/** What happened to which nodes: parents come before their children, and go after them. */
export function eventsOf(change: TreeChange): ConsumerEvent[] {
  return change.kind === 'group' ? groupEvents(change) : offsetEvents(change);
}

function offsetEvents(change: Extract<TreeChange, { kind: 'offset' }>): ConsumerEvent[] {
  const { group, topic, partition, wasStored, after, topicSize, wasThere, isThere } = change;
  const events: ConsumerEvent[] = [];
  const topicPlace = { kind: 'topic', group, list: 'offsets', topic } as const;
  const place = { group, topic, partition };
  if (after === undefined) {
    if (!wasStored) return events;
    events.push(deleted({ kind: 'partition', list: 'offsets', ...place }));
    if (topicSize === 0) events.push(deleted(topicPlace));
    if (!isThere) events.push(...groupGone(group));
    return events;
  }
  if (!wasThere) events.push(...groupCame(group, undefined, { ids: 0, owners: 0, offsets: 1 }));
  if (!wasStored && topicSize === 1) events.push(created(directoryNode(topicPlace, 1)));
  const node = offsetNode(place, after.revision, after.committed);
  events.push(wasStored ? changed(node) : created(node));
  return events;
}

function groupEvents(change: Extract<TreeChange, { kind: 'group' }>): ConsumerEvent[] {
  const { group, before, after, wasThere, isThere, offsetTopics } = change;
  const was = factsOf(before?.record);
  const is = factsOf(after?.record);
  const revision = after?.revision ?? 0;
  const events: ConsumerEvent[] = [];
  if (!wasThere && isThere) {
    events.push(...groupCame(group, after, { ids: is.members.size, owners: is.owners.size, offsets: offsetTopics }));
  } else if (isThere && !isSame(groupData(before?.record), groupData(after?.record))) {
    events.push(changed(groupNode(group, after)));
  }
  events.push(...ownersGone(group, was, is), ...membersGone(group, was, is));
  events.push(...membersNow(group, revision, was, is), ...ownersNow(group, revision, was, is));
  if (wasThere && !isThere) events.push(...groupGone(group));
  return events;
}

function membersGone(group: string, was: GroupFacts, is: GroupFacts): ConsumerEvent[] {
  const gone = [...was.members.keys()].filter((member) => !is.members.has(member));
  return gone.map((member) => deleted({ kind: 'member', group, member }));
}

function membersNow(group: string, revision: number, was: GroupFacts, is: GroupFacts): ConsumerEvent[] {
  const events: ConsumerEvent[] = [];
  for (const [member, data] of is.members) {
    const before = was.members.get(member);
    if (before === undefined) events.push(created(memberNode(group, member, revision, data)));
    else if (!isSame(before, data)) events.push(changed(memberNode(group, member, revision, data)));
  }
  return events;
}

function ownersGone(group: string, was: GroupFacts, is: GroupFacts): ConsumerEvent[] {
  const events: ConsumerEvent[] = [];
  for (const [topic, partitions] of was.owners) {
    const now = is.owners.get(topic);
    for (const partition of partitions.keys()) {
      if (now?.has(partition) !== true)
        events.push(deleted({ kind: 'partition', group, list: 'owners', topic, partition }));
    }
    if (now === undefined) events.push(deleted({ kind: 'topic', group, list: 'owners', topic }));
  }
  return events;
}

function ownersNow(group: string, revision: number, was: GroupFacts, is: GroupFacts): ConsumerEvent[] {
  const events: ConsumerEvent[] = [];
  for (const [topic, partitions] of is.owners) {
    const before = was.owners.get(topic);
    if (before === undefined) {
      events.push(created(directoryNode({ kind: 'topic', group, list: 'owners', topic }, partitions.size)));
    }
    for (const [partition, consumer] of partitions) {
      const owner = before?.get(partition);
      if (owner === consumer) continue;
      const node = ownerNode({ group, topic, partition }, revision, consumer);
      events.push(owner === undefined ? created(node) : changed(node));
    }
  }
  return events;
}

function groupCame(
  group: string,
  stored: StoredGroup | undefined,
  counts: { readonly ids: number; readonly owners: number; readonly offsets: number },
): ConsumerEvent[] {
  const lists = (['ids', 'offsets', 'owners'] as const).map((list) =>
    created(directoryNode({ kind: 'list', group, list }, counts[list])),
  );
  return [created(groupNode(group, stored)), ...lists];
}

function groupGone(group: string): ConsumerEvent[] {
  const lists = (['owners', 'offsets', 'ids'] as const).map((list) => deleted({ kind: 'list', group, list }));
  return [...lists, deleted({ kind: 'group', group })];
}

function created(node: ConsumerNode): ConsumerEvent {
  return { kind: 'created', path: node.path, node };
}

function changed(node: ConsumerNode): ConsumerEvent {
  return { kind: 'changed', path: node.path, node };
}

function deleted(place: ConsumerPlace): ConsumerEvent {
  return { kind: 'deleted', path: pathOf(place) };
}

function isSame(one: object, other: object): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
