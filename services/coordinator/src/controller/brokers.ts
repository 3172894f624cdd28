import type { BrokerId, TopicId } from '@weir/base/ids.ts';
import { BROKERS_MAX } from '@weir/base/limits.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { refusal } from '@weir/base/errors.ts';
import type { BrokerRecord, Change, ClusterImage, Orphan, PartitionRecord } from './image.ts';
import { forgettable } from './delete-topics.ts';
import { reassess } from './partition.ts';
import type { BrokersView, Doubt } from './partition.ts';

/** A replica that the registering broker does not trust. */
export interface DoubtfulReplica {
  readonly topicId: TopicId;
  readonly partition: number;
  readonly doubt: Doubt;
}

/** Registers a broker, in place of its older session if that has the same directory. */
export interface RegisterBroker {
  readonly kind: 'registerBroker';
  /** The session that begins. */
  readonly sessionId: string;
  readonly broker: BrokerRecord;
  readonly doubtful: readonly DoubtfulReplica[];
}

/** What became of a registration. */
export type RegisterResult = { readonly kind: 'registered' } | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * The steps of a command: yields what is to be written, and goes on once the image has it.
 *
 * Doubtful replicas leave the ISR before or with the registration, never after it: a coordinator that dies in between
 * must not find a broker registered that is trusted with what it lost.
 */
export function* registerBroker(
  image: ClusterImage,
  { sessionId, broker, doubtful }: RegisterBroker,
): Generator<Change[], RegisterResult, void> {
  const known = image.brokers.get(broker.id);
  const oldSession = image.sessionOf(broker.id);
  const replaced = known !== undefined && known.directoryId !== broker.directoryId;
  if (oldSession !== undefined && replaced) {
    return refused(
      'DUPLICATE_BROKER_ID',
      `broker ${broker.id} is registered from another data directory (${known.grpcAddress}) and alive: ` +
        'give this broker another id, or stop that one and wait for its session to end',
    );
  }
  if (known === undefined && image.brokers.size >= BROKERS_MAX) {
    return refused('POLICY_VIOLATION', `the cluster has ${BROKERS_MAX} brokers, which is the most it may have`);
  }
  const doubts = new Map(doubtful.map(({ topicId, partition, doubt }) => [`${topicId}/${partition}`, doubt]));
  const view = viewOf(image, { absent: broker.id });
  const distrusted: Change[] = [];
  for (const partition of image.partitions()) {
    if (!involves(partition, broker.id)) continue;
    const doubt = replaced ? 'missing' : doubts.get(`${partition.topicId}/${partition.index}`);
    if (doubt === undefined) continue;
    const next = reassess(partition, { brokers: view, doubtful: new Map([[broker.id, doubt]]) });
    if (next !== undefined) distrusted.push({ kind: 'partition', partition: next });
  }
  yield [
    ...(oldSession === undefined ? [] : [{ kind: 'sessionEnded', sessionId: oldSession.id } as const]),
    ...distrusted,
    { kind: 'broker', broker },
    { kind: 'sessionBegan', session: { id: sessionId, brokerId: broker.id } },
  ];
  yield reassessAll(image, { brokers: viewOf(image), involving: broker.id });
  return { kind: 'registered' };
}

/** Ends a session: its broker leads nothing and is in sync with nothing from then on. */
export interface EndSession {
  readonly kind: 'endSession';
  readonly sessionId: string;
}

/** The steps of ending a session. One that has ended already is fine. */
export function* endSession(image: ClusterImage, { sessionId }: EndSession): Generator<Change[], void, void> {
  const session = image.sessions.get(sessionId);
  if (session === undefined) return;
  const { brokerId } = session;
  const brokers = viewOf(image, { absent: brokerId });
  yield [{ kind: 'sessionEnded', sessionId }, ...reassessAll(image, { brokers, involving: brokerId })];
}

/** Finishes what an earlier coordinator left half done. */
export interface Reconcile {
  readonly kind: 'reconcile';
  /** Proven to have no topic, by a load of the whole store under this coordinator's authority. */
  readonly orphans: readonly Orphan[];
  /** The wall clock. */
  readonly nowMs: number;
}

/** The steps of a reconciliation. */
export function* reconcile(image: ClusterImage, { orphans, nowMs }: Reconcile): Generator<Change[], void, void> {
  yield [...orphans.map((orphan): Change => ({ kind: 'orphan', orphan })), ...forgettable(image, nowMs)];
  yield reassessAll(image, { brokers: viewOf(image) });
}

/** The brokers as partitions see them; `absent` is taken for gone. */
export function viewOf(image: ClusterImage, { absent }: { readonly absent?: BrokerId } = {}): BrokersView {
  return {
    active(id) {
      const session = id === absent ? undefined : image.sessionOf(id);
      const broker = image.brokers.get(id);
      if (session === undefined || broker === undefined) return undefined;
      return { epoch: session.revision, directoryId: broker.directoryId };
    },
    directoryOf: (id) => image.brokers.get(id)?.directoryId,
  };
}

function reassessAll(
  image: ClusterImage,
  { brokers, involving }: { readonly brokers: BrokersView; readonly involving?: BrokerId },
): Change[] {
  const changes: Change[] = [];
  for (const partition of image.partitions()) {
    if (involving !== undefined && !involves(partition, involving)) continue;
    const next = reassess(partition, { brokers });
    if (next !== undefined) changes.push({ kind: 'partition', partition: next });
  }
  return changes;
}

/** Whether the broker's coming or going can make a difference. */
function involves({ isr, elr, lastKnownElr }: PartitionRecord, id: BrokerId): boolean {
  const is = ({ broker }: { readonly broker: BrokerId }): boolean => broker === id;
  return isr.some(is) || elr.some(is) || lastKnownElr.some(is);
}

function refused(code: Refusal['code'], message: string): RegisterResult {
  return { kind: 'refused', refusal: refusal(code, message) };
}
