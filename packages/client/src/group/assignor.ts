/** A partition by its topic's name, as groups know it. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A member as its leader knows it. */
export interface Subscriber {
  readonly memberId: string;
  /** Of a static member. */
  readonly instanceId: string | undefined;
  readonly topics: readonly string[];
  /** What it says that it reads still; nothing of a member that gives away all before it joins. */
  readonly owned: readonly TopicPartition[];
  /** In which generation it got that; -1: none. */
  readonly generation: number;
}

/** How many partitions a topic has; 0: there is no such topic. */
export type PartitionCounts = (topic: string) => number;

/** What each member gets, by member id. All members are in it. */
export type Assignment = ReadonlyMap<string, readonly TopicPartition[]>;

/** A way to share partitions out, under the name that Kafka's consumers have for it. */
export interface Assignor {
  readonly name: AssignorName;
  /** Whether members keep what they have while they join (KIP-429). */
  readonly isCooperative: boolean;
  assign(subscribers: readonly Subscriber[], counts: PartitionCounts): Assignment;
}

/** Those that there are. */
export type AssignorName = 'range' | 'cooperative-sticky';

/** By topic, then by partition. */
export function comparePlaces(one: TopicPartition, other: TopicPartition): number {
  if (one.topic === other.topic) return one.partition - other.partition;
  return one.topic < other.topic ? -1 : 1;
}

/** A name for a partition, to be a key of maps. */
export function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}\0${partition}`;
}
