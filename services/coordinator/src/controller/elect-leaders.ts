import { BROKER_CONFIGS } from '@weir/base/broker-configs.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { LEADERS_ELECTED_MAX } from '@weir/base/limits.ts';
import { MEANINGS } from './broker-life.ts';
import { viewOf } from './brokers.ts';
import { NO_LEADER } from './image.ts';
import type { Change, ClusterImage, PartitionRecord, TopicRecord } from './image.ts';
import { rulesOf } from './partition-rules.ts';
import { led, reassess } from './partition.ts';

/** Elects leaders. */
export interface ElectLeaders {
  readonly kind: 'electLeaders';
  /**
   * `preferred`: the first in replica order, where it can lead and does not. `unclean`: where nobody leads, any replica that
   * lives, whatever it lacks; somebody accepts that what was acknowledged may be lost.
   */
  readonly election: 'preferred' | 'unclean';
  /** Names of topics; undefined: all. */
  readonly topics: readonly string[] | undefined;
  /** By topic, where not all of its partitions are meant. */
  readonly only?: ReadonlyMap<string, ReadonlySet<number>>;
  /** Whose call it is; empty for the coordinator itself. */
  readonly peer: string;
}

/** What became of the partitions that were to have another leader. */
export interface ElectionResult {
  readonly elected: number;
  /** There are more to elect, which is for another command: others may have waited. */
  readonly isCut: boolean;
  readonly unavailable: readonly Unavailable[];
}

/** A partition that was to have another leader and cannot; in an unclean election since all of its replicas are away. */
export interface Unavailable {
  readonly topic: string;
  readonly partition: number;
  readonly preferred: BrokerId;
  readonly why: WhyUnavailable;
}

/** `starting`: its broker has not said yet that it knows the metadata. */
export type WhyUnavailable = 'away' | 'drains' | 'starting' | 'notInSync';

/** The steps of electing leaders: at most LEADERS_ELECTED_MAX of them. */
export function* electLeaders(
  image: ClusterImage,
  { topics: names, election, only }: ElectLeaders,
): Generator<Change[], ElectionResult | Refusal, void> {
  const topics: TopicRecord[] = [];
  const isMeant: IsMeant = ({ name }, index) => only?.get(name)?.has(index) ?? true;
  for (const name of new Set(names ?? image.topics.keys())) {
    const topic = image.topics.get(name);
    if (topic === undefined) {
      return refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name.slice(0, 249))}`);
    }
    const missing = only
      ?.get(name)
      ?.values()
      .find((index) => image.partitionsOf(topic)[index] === undefined);
    if (missing !== undefined) {
      return refusal('UNKNOWN_TOPIC_OR_PARTITION', `topic ${name} has no partition ${missing}`);
    }
    topics.push(topic);
  }
  const { able, unavailable } =
    election === 'preferred' ? imbalance(image, topics, isMeant) : leaderless(image, topics, isMeant);
  yield able.slice(0, LEADERS_ELECTED_MAX).map((partition) => ({ kind: 'partition', partition }));
  return {
    elected: Math.min(able.length, LEADERS_ELECTED_MAX),
    isCut: able.length > LEADERS_ELECTED_MAX,
    unavailable,
  };
}

/** Whether leadership goes back to preferred replicas by itself: Kafka's `auto.leader.rebalance.enable`. */
export function balancesByItself(image: ClusterImage): boolean {
  return (image.configsOf('default')[CONFIG] ?? BROKER_CONFIGS[CONFIG]!.default) === 'true';
}

const CONFIG = 'auto.leader.rebalance.enable';

/** Partitions that are to have another leader. */
interface Electable {
  /** As they are to be. */
  readonly able: readonly PartitionRecord[];
  readonly unavailable: readonly Unavailable[];
}

type IsMeant = (topic: TopicRecord, index: number) => boolean;
const ALL: IsMeant = () => true;

/** The partitions that their preferred replica does not lead. */
export function imbalance(image: ClusterImage, topics: Iterable<TopicRecord>, isMeant = ALL): Electable {
  const able: PartitionRecord[] = [];
  const unavailable: Unavailable[] = [];
  for (const topic of topics) {
    for (const partition of image.partitionsOf(topic)) {
      const preferred = partition.replicas[0];
      if (preferred === undefined || partition.leader === preferred || !isMeant(topic, partition.index)) continue;
      const why = whyNot(image, partition, preferred);
      if (why === undefined) able.push(led(partition, preferred, rulesOf(image, partition)));
      else unavailable.push({ topic: topic.name, partition: partition.index, preferred, why });
    }
  }
  return { able, unavailable };
}

/** The partitions that nobody leads. */
function leaderless(image: ClusterImage, topics: Iterable<TopicRecord>, isMeant: IsMeant): Electable {
  const able: PartitionRecord[] = [];
  const unavailable: Unavailable[] = [];
  const brokers = viewOf(image);
  for (const topic of topics) {
    for (const partition of image.partitionsOf(topic)) {
      const preferred = partition.replicas[0];
      if (preferred === undefined || partition.leader !== NO_LEADER || !isMeant(topic, partition.index)) continue;
      const next = reassess(partition, { brokers, rules: { ...rulesOf(image, partition), uncleanElection: true } });
      if (next !== undefined && next.leader !== NO_LEADER) able.push(next);
      else unavailable.push({ topic: topic.name, partition: partition.index, preferred, why: 'away' });
    }
  }
  return { able, unavailable };
}

function whyNot(image: ClusterImage, { isr }: PartitionRecord, preferred: BrokerId): WhyUnavailable | undefined {
  const state = image.stateOf(preferred);
  if (MEANINGS[state].leads === 'no') return 'away';
  if (MEANINGS[state].leads === 'last') return 'drains';
  // In that very registration: one of an earlier one may hold less.
  const epoch = image.sessionOf(preferred)?.revision;
  if (!isr.some((member) => member.broker === preferred && member.epoch === epoch)) return 'notInSync';
  return MEANINGS[state].isBroughtBack ? undefined : 'starting';
}
