import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { TRANSITIONS } from './broker-life.ts';
import type { Change, ClusterImage } from './image.ts';

/** Forgets a broker that is gone for good. */
export interface UnregisterBroker {
  readonly kind: 'unregisterBroker';
  readonly brokerId: BrokerId;
  /** Whose call it is. */
  readonly peer: string;
}

/** The steps of forgetting a broker, with what was set of it. */
export function* unregisterBroker(
  image: ClusterImage,
  { brokerId: id }: UnregisterBroker,
): Generator<Change[], Refusal | undefined, void> {
  const transition = TRANSITIONS[image.stateOf(id)].unregisters;
  if (transition.kind === 'refused') return refusal(transition.code, whyNot(image, id));
  const held = heldBy(image, id);
  if (held.count > 0) {
    const message = `broker ${id} holds replicas of ${held.count} partitions (${held.named.join(', ')}${held.count > held.named.length ? ', …' : ''}): who forgets it forgets where their records are`;
    return refusal('BROKER_HOLDS_REPLICAS', message);
  }
  const changes: Change[] = [{ kind: 'brokerGone', id }];
  if (image.brokerConfigs.has(id)) changes.push({ kind: 'brokerConfigs', brokerConfigs: { owner: id, configs: {} } });
  yield changes;
  return undefined;
}

function whyNot(image: ClusterImage, id: BrokerId): string {
  const broker = image.brokers.get(id);
  if (broker === undefined) return `there is no broker ${id}`;
  return `broker ${id} lives, at ${broker.grpcAddress}: stop it first, and wait for its session to end`;
}

/** So many partitions are named. */
const NAMED_MAX = 5;

function heldBy(image: ClusterImage, id: BrokerId): { readonly count: number; readonly named: readonly string[] } {
  const named: string[] = [];
  let count = 0;
  for (const topic of image.topics.values()) {
    for (const { index, replicas } of image.partitionsOf(topic)) {
      if (!replicas.includes(id)) continue;
      count++;
      if (named.length < NAMED_MAX) named.push(`${topic.name}-${index}`);
    }
  }
  return { count, named };
}
