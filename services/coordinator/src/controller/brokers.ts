import type { BrokerId, TopicId } from '@weir/base/ids.ts';
import { BROKERS_MAX, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { refusal } from '@weir/base/errors.ts';
import type { BrokerRecord, Change, ClusterImage, Orphan, PartitionRecord } from './image.ts';
import { forgettable } from './delete-topics.ts';
import { MEANINGS } from './broker-life.ts';
import { NO_LEADER } from './image.ts';
import { rulesOf } from './partition-rules.ts';
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
  /** Earlier runs of its directory, one of which registered last; undefined where a directory of an older Weir knows none. */
  readonly earlierIncarnationIds?: readonly string[] | undefined;
  readonly doubtful: readonly DoubtfulReplica[];
}

/** What became of a registration. */
export type RegisterResult =
  /** `isOutdated`: from an older copy of its disk, of which no replica is trusted. */
  | { readonly kind: 'registered'; readonly isOutdated: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * The steps of a command: yields what is to be written, and goes on once the image has it.
 *
 * Doubtful replicas leave the ISR before or with the registration, never after it: a coordinator that dies in between
 * must not find a broker registered that is trusted with what it lost.
 */
export function* registerBroker(
  image: ClusterImage,
  { sessionId, broker, earlierIncarnationIds, doubtful }: RegisterBroker,
): Generator<Change[], RegisterResult, void> {
  const known = image.brokers.get(broker.id);
  const oldSession = image.sessionOf(broker.id);
  const replaced = known !== undefined && known.directoryId !== broker.directoryId;
  // A copy of the disk from before its last run: what was written since is not there, and nothing else would say so.
  const isOutdated =
    earlierIncarnationIds !== undefined &&
    known !== undefined &&
    !replaced &&
    ![broker.incarnationId, ...earlierIncarnationIds].includes(known.incarnationId);
  if (oldSession !== undefined && replaced) {
    return refused(
      'DUPLICATE_BROKER_ID',
      `broker ${broker.id} is registered from another data directory (${known.grpcAddress}) and alive: ` +
        'give this broker another id, or stop that one and wait for its session to end',
    );
  }
  if (oldSession !== undefined && isOutdated) {
    return refused(
      'DUPLICATE_BROKER_ID',
      `broker ${broker.id} is registered from a newer copy of this data directory (${known.grpcAddress}) and alive: ` +
        'run one of them, or wait for the session of the other to end',
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
    const doubt = replaced || isOutdated ? 'missing' : doubts.get(`${partition.topicId}/${partition.index}`);
    if (doubt === undefined) continue;
    // Nobody is elected uncleanly yet: this very broker may be the last leader, and holds more than others.
    const rules = { ...rulesOf(image, partition), uncleanElection: false };
    const next = reassess(partition, { brokers: view, rules, doubtful: new Map([[broker.id, doubt]]) });
    if (next !== undefined) distrusted.push({ kind: 'partition', partition: next });
  }
  yield [
    ...(oldSession === undefined ? [] : [{ kind: 'sessionEnded', sessionId: oldSession.id } as const]),
    ...distrusted,
    { kind: 'broker', broker },
    { kind: 'sessionBegan', session: { id: sessionId, brokerId: broker.id } },
  ];
  yield reassessAll(image, { brokers: viewOf(image), involving: broker.id });
  return { kind: 'registered', isOutdated };
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
  // A transaction at a time: with many partitions the first are told before the last are decided.
  let changes: Change[] = [{ kind: 'sessionEnded', sessionId }];
  for (const change of reassessments(image, { brokers, involving: brokerId })) {
    changes.push(change);
    if (changes.length < CHANGES_AT_A_TIME) continue;
    yield changes;
    changes = [];
  }
  if (changes.length > 0) yield changes;
}

/** What one transaction takes, mostly: two of its operations are the coordinator's own. */
const CHANGES_AT_A_TIME = TXN_OPERATIONS_MAX - 2;

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
      const yields = MEANINGS[image.stateOf(id)].leads === 'last';
      return { epoch: session.revision, directoryId: broker.directoryId, yields };
    },
    directoryOf: (id) => image.brokers.get(id)?.directoryId,
  };
}

/** Every partition that has to be another than it is, given which brokers live; of those that have to do with one, if it is named. */
export function reassessAll(image: ClusterImage, of: Reassessed): Change[] {
  return [...reassessments(image, of)];
}

interface Reassessed {
  readonly brokers: BrokersView;
  readonly involving?: BrokerId;
}

/** The same one after the other. */
function* reassessments(image: ClusterImage, { brokers, involving }: Reassessed): Generator<Change, void, void> {
  for (const partition of image.partitions()) {
    if (involving !== undefined && !involves(partition, involving)) continue;
    const next = reassess(partition, { brokers, rules: rulesOf(image, partition) });
    if (next !== undefined) yield { kind: 'partition', partition: next };
  }
}

/** Whether the broker's coming or going can make a difference. */
function involves({ replicas, leader, isr, elr, lastKnownElr }: PartitionRecord, id: BrokerId): boolean {
  const is = ({ broker }: { readonly broker: BrokerId }): boolean => broker === id;
  // What nobody leads any replica may lead, where unclean elections are allowed.
  if (leader === NO_LEADER && replicas.includes(id)) return true;
  return isr.some(is) || elr.some(is) || lastKnownElr.some(is);
}

function refused(code: Refusal['code'], message: string): RegisterResult {
  return { kind: 'refused', refusal: refusal(code, message) };
}
