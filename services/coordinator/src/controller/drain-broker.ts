import { present } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId, Revision } from '@weir/base/ids.ts';
import { MEANINGS, TRANSITIONS } from './broker-life.ts';
import { reassessAll, viewOf } from './brokers.ts';
import type { Change, ClusterImage, PartitionRecord } from './image.ts';

/** Moves leadership away from a broker that is going to stop; or takes that back. */
export interface DrainBroker {
  readonly kind: 'drainBroker' | 'undrainBroker';
  readonly brokerId: BrokerId;
  /** Of its registration. */
  readonly brokerEpoch: number;
  /** Whose call it is. */
  readonly peer: string;
}

/**
 * The steps of a drain and of its end. That the broker drains is written first: whatever elects leaders from then on knows it,
 * another coordinator included, which goes on with the moves where this one dies. Asked again, it looks what can be moved now.
 */
export function* drainBroker(
  image: ClusterImage,
  { kind, brokerId: id, brokerEpoch }: DrainBroker,
): Generator<Change[], Refusal | undefined, void> {
  const state = image.stateOf(id);
  const isOn = kind === 'drainBroker';
  const transition = TRANSITIONS[state][isOn ? 'drains' : 'undrains'];
  if (transition.kind === 'refused') {
    const message = state === 'gone' ? `there is no broker ${id}` : `broker ${id} is away: it leads nothing`;
    return refusal(transition.code, message);
  }
  const { revision: _, ...broker } = present(image.brokers.get(id), 'a broker that lives is registered');
  const { revision: epoch } = present(image.sessionOf(id), 'a broker that lives has a session');
  if (epoch !== brokerEpoch) {
    return refusal('STALE_BROKER_EPOCH', `broker ${id} is registered with the epoch ${epoch}, not ${brokerEpoch}`);
  }
  if ((state === 'draining') !== isOn) yield [{ kind: 'broker', broker: { ...broker, drain: { epoch, isOn } } }];
  yield reassessAll(image, { brokers: viewOf(image), involving: id });
  return undefined;
}

/** How far a drain is. */
export interface DrainProgress {
  readonly revision: Revision;
  /** Whether the broker has said that it knows the metadata up to whatever changed for it. */
  readonly isKnownToBroker: boolean;
  /** What it leads still. */
  readonly led: readonly LedPartition[];
}

/** A partition that a draining broker leads. */
export interface LedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly why: WhyLed;
}

/** Why nobody else leads it. Only of `othersLag` something may come. */
export type WhyLed = 'onlyReplica' | 'othersAway' | 'othersDrain' | 'othersLag';

/** How far the drain of a broker is, as of the image. */
export function drainProgress(image: ClusterImage, id: BrokerId): DrainProgress {
  const led: LedPartition[] = [];
  let changed = image.brokers.get(id)?.revision ?? image.revision;
  for (const topic of image.topics.values()) {
    for (const partition of image.partitionsOf(topic)) {
      if (!partition.replicas.includes(id)) continue;
      if (partition.revision > changed) changed = partition.revision;
      if (partition.leader !== id) continue;
      led.push({ topic: topic.name, partition: partition.index, why: whyLed(image, partition) });
    }
  }
  return { revision: image.revision, isKnownToBroker: image.hasApplied(id, changed), led };
}

function whyLed(image: ClusterImage, { leader, replicas }: PartitionRecord): WhyLed {
  if (replicas.length === 1) return 'onlyReplica';
  const others = replicas.filter((id) => id !== leader).map((id) => MEANINGS[image.stateOf(id)].leads);
  if (others.includes('yes')) return 'othersLag';
  return others.includes('last') ? 'othersDrain' : 'othersAway';
}
