import { componentsOf } from '@weir/base/tree-path.ts';

/** Where all nodes of groups are. */
export const CONSUMERS = '/consumers';

/** What a group's node has below it. */
export type GroupList = 'ids' | 'owners' | 'offsets';
/** Those that are by topic and partition. */
export type PartitionList = Exclude<GroupList, 'ids'>;

/** What a path below /consumers names; names are decoded. */
export type ConsumerPlace =
  | { readonly kind: 'root' }
  | { readonly kind: 'group'; readonly group: string }
  | { readonly kind: 'list'; readonly group: string; readonly list: GroupList }
  | { readonly kind: 'member'; readonly group: string; readonly member: string }
  | { readonly kind: 'topic'; readonly group: string; readonly list: PartitionList; readonly topic: string }
  | {
      readonly kind: 'partition';
      readonly group: string;
      readonly list: PartitionList;
      readonly topic: string;
      readonly partition: number;
    };

/** A place of one group. */
export type GroupPlace = Exclude<ConsumerPlace, { readonly kind: 'root' }>;

const PARTITION = /^(?:0|[1-9]\d{0,9})$/;
/** An offset's node by the name that it has for users of Kafka's old tools: the leader's id in front of the partition. */
const WITH_LEADER = /^(?:0|[1-9]\d{0,9})-(0|[1-9]\d{0,9})$/;

/**
 * What a path names; undefined: nothing that there ever is.
 *
 * @param path - in its one spelling, /consumers or below it
 */
export function placeAt(path: string): ConsumerPlace | undefined {
  const [, group, list, name, partition, ...more] = componentsOf(path).map((component) =>
    decodeURIComponent(component),
  );
  if (group === undefined) return { kind: 'root' };
  if (list === undefined) return { kind: 'group', group };
  if ((list !== 'ids' && list !== 'owners' && list !== 'offsets') || more.length > 0) return undefined;
  if (name === undefined) return { kind: 'list', group, list };
  if (list === 'ids') return partition === undefined ? { kind: 'member', group, member: name } : undefined;
  if (partition === undefined) return { kind: 'topic', group, list, topic: name };
  const number = PARTITION.test(partition) ? partition : list === 'offsets' && WITH_LEADER.exec(partition)?.[1];
  if (typeof number !== 'string') return undefined;
  return { kind: 'partition', group, list, topic: name, partition: Number(number) };
}

/** The path of a place, in its one spelling. */
export function pathOf(place: ConsumerPlace): string {
  if (place.kind === 'root') return CONSUMERS;
  const path = `${CONSUMERS}/${encodeURIComponent(place.group)}`;
  switch (place.kind) {
    case 'group':
      return path;
    case 'list':
      return `${path}/${place.list}`;
    case 'member':
      return `${path}/ids/${encodeURIComponent(place.member)}`;
    case 'topic':
      return `${path}/${place.list}/${encodeURIComponent(place.topic)}`;
    case 'partition':
      return `${path}/${place.list}/${encodeURIComponent(place.topic)}/${place.partition}`;
  }
}
