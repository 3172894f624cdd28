import { assert, present } from '@weir/base/assert.ts';
import { CONTROLLER_QUEUE_MAX } from '@weir/base/limits.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId, Revision, TopicId } from '@weir/base/ids.ts';
import type { Claim } from '../election/claim.ts';
import type { TxnRequest } from '../store/metadata-store.ts';
import { endSession, reconcile, registerBroker } from './brokers.ts';
import type { EndSession, Reconcile, RegisterBroker, RegisterResult } from './brokers.ts';
import { allocateProducerIds } from './producer-ids.ts';
import type { AllocateProducerIds, ProducerIdsResult } from './producer-ids.ts';
import { alterIsr } from './alter-isr.ts';
import type { AlterIsr, IsrResult } from './alter-isr.ts';
import { alterConfigs } from './alter-configs.ts';
import type { AlterationResult, AlterConfigs, Requester } from './alter-configs.ts';
import { alteredConfigs } from './altered-configs.ts';
import type { AlteredConfigs } from './altered-configs.ts';
import { createPartitions } from './create-partitions.ts';
import type { CreatePartitions, GrowthResult } from './create-partitions.ts';
import { createTopics } from './create-topics.ts';
import type { CreateTopics, TopicResult } from './create-topics.ts';
import { policyInEffect } from './policy.ts';
import type { Policy } from './policy.ts';
import { deleteTopics } from './delete-topics.ts';
import type { DeleteTopics, DeletionResult } from './delete-topics.ts';
import { drainBroker } from './drain-broker.ts';
import type { DrainBroker } from './drain-broker.ts';
import { electLeaders } from './elect-leaders.ts';
import type { ElectionResult, ElectLeaders } from './elect-leaders.ts';
import type { BrokerConfigsOwner, Change, ClusterImage, IsrMember, PartitionRecord } from './image.ts';
import { NO_LEADER } from './image.ts';
import { reportDoubtfulReplicas } from './report-doubtful-replicas.ts';
import type { ReportDoubtfulReplicas, ReportResult } from './report-doubtful-replicas.ts';
import { fitsTransaction, packTransaction } from './transaction.ts';
import { unregisterBroker } from './unregister-broker.ts';
import type { UnregisterBroker } from './unregister-broker.ts';
import { beginClientSession, endClientSessions, sweepNodes, writeNodes } from '../namespace/commands.ts';
import type { NamespaceCommand, WriteResult } from '../namespace/commands.ts';
import { isNamespaceChange } from '../namespace/node.ts';
import type { NodeEvent } from '../namespace/node.ts';
import { SystemChanges } from '../namespace/system-changes.ts';
import { SystemView } from '../namespace/system-view.ts';

/** What the controller is asked to do. */
export type Command =
  | RegisterBroker
  | EndSession
  | CreateTopics
  | CreatePartitions
  | DeleteTopics
  | AlterConfigs
  | AlterIsr
  | ReportDoubtfulReplicas
  | AllocateProducerIds
  | DrainBroker
  | UnregisterBroker
  | ElectLeaders
  | Reconcile
  | NamespaceCommand;

/** What became of a command. */
export type CommandResult =
  | RegisterResult
  | ProducerIdsResult
  | WriteResult
  | { readonly kind: 'done' }
  | { readonly kind: 'topics'; readonly results: readonly TopicResult[] }
  | { readonly kind: 'growths'; readonly results: readonly GrowthResult[] }
  | { readonly kind: 'election'; readonly result: ElectionResult }
  | { readonly kind: 'isrs'; readonly results: readonly IsrResult[] }
  | { readonly kind: 'reports'; readonly results: readonly ReportResult[] }
  | { readonly kind: 'alterations'; readonly results: readonly AlterationResult[] }
  | { readonly kind: 'deletions'; readonly results: readonly DeletionResult[] };

/** What happens to the controller. */
export type ControllerEvent =
  | { readonly kind: 'command'; readonly id: number; readonly command: Command }
  /** The transaction under way was written, with this revision. */
  | { readonly kind: 'committed'; readonly revision: Revision };

/** What it wants done. */
export type ControllerEffect =
  /** Write this, however often it takes: `committed` follows, or the coordinator is deposed. One at a time. */
  | { readonly kind: 'commit'; readonly txn: TxnRequest; readonly changeId: string }
  | {
      readonly kind: 'publish';
      readonly revision: Revision;
      readonly entities: readonly Entity[];
      /** By which. */
      readonly command: Command['kind'];
      /** Partitions that another broker leads now than before. */
      readonly elections: number;
      /** Partitions that a replica has left the ISR of. */
      readonly isrShrinks: number;
      /** And that one is in the ISR of that was not. */
      readonly isrExpansions: number;
    }
  | { readonly kind: 'sessionEnded'; readonly sessionId: string }
  /** A replica is in sync that was not: it may be one that is preferred. */
  | { readonly kind: 'rejoined' }
  /** Somebody drained a broker, took that back, or unregistered it: to be audited. */
  | {
      readonly kind: 'brokerAltered';
      readonly id: BrokerId;
      readonly what: 'drains' | 'drains no longer' | 'is unregistered';
      readonly revision: Revision;
      readonly peer: string;
    }
  /** Nodes changed: of the users' and, apart from them, of those that show the metadata. */
  | {
      readonly kind: 'nodesChanged';
      readonly revision: Revision;
      readonly users: readonly NodeEvent[];
      readonly system: readonly NodeEvent[];
    }
  /** Configs were altered: to be audited. */
  | {
      readonly kind: 'configsAltered';
      readonly altered: AlteredConfigs;
      readonly revision: Revision;
      readonly requester: Requester;
    }
  /** A leader was elected that may lack acknowledged records: to be audited. `peer`: who asked for it; empty when nobody did. */
  | { readonly kind: 'uncleanElection'; readonly partition: PartitionRecord; readonly peer: string }
  | { readonly kind: 'reply'; readonly id: number; readonly result: CommandResult }
  | { readonly kind: 'refuse'; readonly id: number };

/** Something that has changed, for those who follow the metadata. A topic comes with its new partitions. */
export type Entity =
  | { readonly kind: 'broker'; readonly id: BrokerId }
  | { readonly kind: 'brokerGone'; readonly id: BrokerId }
  /** `newFrom`: its partitions from there on are new; none are when it has no more than that. */
  | { readonly kind: 'topic'; readonly name: string; readonly newFrom: number }
  | { readonly kind: 'brokerConfigs'; readonly owner: BrokerConfigsOwner }
  | { readonly kind: 'deletedTopic'; readonly id: TopicId; readonly name: string }
  | { readonly kind: 'partition'; readonly topicId: TopicId; readonly index: number };

/** What the controller is set up with. */
export interface ControllerOptions {
  readonly image: ClusterImage;
  readonly policy: Policy;
  /** By which it may write. Change ids begin with its incarnation, which no other claim has. */
  readonly claim: Pick<Claim, 'incarnation' | 'revision'>;
}

interface Running {
  readonly id: number;
  readonly command: Command;
  readonly steps: Generator<Change[], CommandResult, void>;
  /** Of the step under way, what is being written and what still has to be. */
  writing: readonly Change[];
  rest: readonly Change[];
}

/**
 * The one who decides: brokers, topics, partitions, leaders. Commands run one after the other, each as a few
 * compare-and-set transactions; the image changes only when one of them is committed.
 */
export class Controller {
  readonly image: ClusterImage;
  /** The metadata as nodes. */
  readonly systemView: SystemView;
  readonly #options: ControllerOptions;
  readonly #queue: { readonly id: number; readonly command: Command }[] = [];
  #running: Running | undefined;
  #transactions = 0;

  constructor(options: ControllerOptions) {
    this.image = options.image;
    this.systemView = new SystemView(options.image);
    this.#options = options;
  }

  /** The command that has begun and is not done: of what it writes, some may be written. */
  get runningId(): number | undefined {
    return this.#running?.id;
  }

  /** Commands that wait. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Decides; the caller does what it returns, in order. */
  step(event: ControllerEvent): ControllerEffect[] {
    switch (event.kind) {
      case 'command': {
        if (this.#queue.length >= CONTROLLER_QUEUE_MAX && !NEVER_REFUSED.has(event.command.kind)) {
          return [{ kind: 'refuse', id: event.id }];
        }
        this.#queue.push(event);
        return this.#running === undefined ? this.#proceed() : [];
      }
      case 'committed':
        return [...this.#take(event.revision), ...this.#proceed()];
    }
  }

  #take(revision: Revision): ControllerEffect[] {
    assert(this.#running !== undefined && this.#running.writing.length > 0, 'nothing was being written');
    const { writing, command } = this.#running;
    this.#running.writing = [];
    const ended = writing.filter((change) => change.kind === 'sessionEnded').map(({ sessionId }) => sessionId);
    const fenced = ended.map((id) => present(this.image.sessions.get(id), `session ${id} ended twice`).brokerId);
    const unclean = writing.flatMap((change) => (this.#isUnclean(change) ? [change.partition] : []));
    const elections = writing.filter((change) => this.#isElection(change)).length;
    const isrShrinks = writing.filter((change) => this.#isrChange(change).shrinks).length;
    const isrExpansions = writing.filter((change) => this.#isrChange(change).expands).length;
    const known = new Map(
      writing.flatMap((change) => {
        if (change.kind !== 'topic') return [];
        const { name } = change.topic;
        return [[name, this.image.topics.get(name)?.partitionCount ?? 0] as const];
      }),
    );
    const altered = command.kind === 'alterConfigs' ? this.#alteredBy(command, writing, revision) : [];
    const system = new SystemChanges(this.systemView, writing);
    const users = this.image.apply(writing, revision);
    const entities = entitiesOf(this.image, { changes: writing, fenced, known });
    const effects: ControllerEffect[] = [];
    // Followers of the metadata hear nothing of nodes.
    if (!writing.every(isNamespaceChange)) {
      effects.push({
        kind: 'publish',
        revision,
        entities,
        command: command.kind,
        elections,
        isrShrinks,
        isrExpansions,
      });
    }
    effects.push({ kind: 'nodesChanged', revision, users, system: system.events(writing) });
    const peer = 'peer' in command ? command.peer : '';
    return [
      ...effects,
      ...altered,
      ...brokersAltered(writing, { command, revision }),
      ...(isrExpansions > 0 ? [{ kind: 'rejoined' } as const] : []),
      ...unclean.map((partition) => ({ kind: 'uncleanElection', partition, peer }) as const),
      ...ended.map((sessionId) => ({ kind: 'sessionEnded', sessionId }) as const),
    ];
  }

  #alteredBy({ requester }: AlterConfigs, writing: readonly Change[], revision: Revision): ControllerEffect[] {
    return writing.flatMap((change) => {
      const altered = alteredConfigs(this.image, change);
      return altered === undefined ? [] : [{ kind: 'configsAltered', altered, revision, requester } as const];
    });
  }

  #isElection(change: Change): boolean {
    if (change.kind !== 'partition') return false;
    const { topicId, index, leader } = change.partition;
    const before = this.image.partition(topicId, index);
    return before !== undefined && leader !== NO_LEADER && leader !== before.leader;
  }

  #isrChange(change: Change): { readonly shrinks: boolean; readonly expands: boolean } {
    if (change.kind !== 'partition') return { shrinks: false, expands: false };
    const { topicId, index, isr } = change.partition;
    const before = this.image.partition(topicId, index)?.isr ?? isr;
    return { shrinks: lacksSome(isr, before), expands: lacksSome(before, isr) };
  }

  #isUnclean(change: Change): change is Extract<Change, { kind: 'partition' }> {
    if (change.kind !== 'partition') return false;
    const { topicId, index, uncleanEpoch } = change.partition;
    return uncleanEpoch !== (this.image.partition(topicId, index)?.uncleanEpoch ?? -1);
  }

  /** On with the command that runs, and with the next ones, until something has to be written. */
  #proceed(): ControllerEffect[] {
    const effects: ControllerEffect[] = [];
    for (;;) {
      this.#running ??= this.#next();
      const running = this.#running;
      if (running === undefined) return effects;
      if (running.rest.length > 0) {
        effects.push(this.#commit(running));
        return effects;
      }
      const step = running.steps.next();
      if (step.done === true) {
        effects.push({ kind: 'reply', id: running.id, result: step.value });
        this.#running = undefined;
      } else {
        running.rest = step.value;
      }
    }
  }

  #next(): Running | undefined {
    const next = this.#queue.shift();
    if (next === undefined) return undefined;
    return { ...next, steps: this.#stepsOf(next.command), writing: [], rest: [] };
  }

  #commit(running: Running): ControllerEffect {
    const { incarnation, revision: controllerRevision } = this.#options.claim;
    const changeId = `${incarnation}/${++this.#transactions}`;
    const packed = packTransaction(this.image, running.rest, { controllerRevision, changeId });
    running.writing = packed.changes;
    running.rest = packed.rest;
    return { kind: 'commit', txn: packed.txn, changeId };
  }

  get #policy(): Policy {
    return policyInEffect(this.image, this.#options.policy);
  }

  *#stepsOf(command: Command): Generator<Change[], CommandResult, void> {
    switch (command.kind) {
      case 'registerBroker':
        return yield* registerBroker(this.image, command);
      case 'endSession':
        yield* endSession(this.image, command);
        return { kind: 'done' };
      case 'createTopics':
        return { kind: 'topics', results: yield* createTopics(this.image, command, this.#policy) };
      case 'createPartitions':
        return { kind: 'growths', results: yield* createPartitions(this.image, command, this.#policy) };
      case 'alterConfigs':
        return { kind: 'alterations', results: yield* alterConfigs(this.image, command) };
      case 'alterIsr': {
        const results = yield* alterIsr(this.image, command);
        return 'code' in results ? { kind: 'refused', refusal: results } : { kind: 'isrs', results };
      }
      case 'reportDoubtfulReplicas': {
        const results = yield* reportDoubtfulReplicas(this.image, command);
        return 'code' in results ? { kind: 'refused', refusal: results } : { kind: 'reports', results };
      }
      case 'allocateProducerIds':
        return yield* allocateProducerIds(this.image, command);
      case 'deleteTopics':
        return { kind: 'deletions', results: yield* deleteTopics(this.image, command) };
      case 'drainBroker':
      case 'undrainBroker':
        return doneUnless(yield* drainBroker(this.image, command));
      case 'unregisterBroker':
        return doneUnless(yield* unregisterBroker(this.image, command));
      case 'electLeaders': {
        const result = yield* electLeaders(this.image, command);
        return 'code' in result ? { kind: 'refused', refusal: result } : { kind: 'election', result };
      }
      case 'reconcile':
        yield* reconcile(this.image, command);
        return { kind: 'done' };
      case 'beginClientSession': {
        return doneUnless(yield* beginClientSession(this.image, command));
      }
      case 'endClientSessions':
        yield* endClientSessions(this.image, command);
        return { kind: 'done' };
      case 'writeNodes':
        return yield* writeNodes(this.image, command, (changes) => fitsTransaction(this.image, changes));
      case 'sweepNodes':
        yield* sweepNodes(this.image);
        return { kind: 'done' };
    }
  }
}

/** Whether brokers are missing in an ISR, under whichever registration. */
function lacksSome(isr: readonly IsrMember[], brokers: readonly IsrMember[]): boolean {
  return brokers.some(({ broker }) => isr.every((member) => member.broker !== broker));
}

function doneUnless(why: Refusal | undefined): CommandResult {
  return why === undefined ? { kind: 'done' } : { kind: 'refused', refusal: why };
}

function brokersAltered(
  changes: readonly Change[],
  { command, revision }: { readonly command: Command; readonly revision: Revision },
): ControllerEffect[] {
  if (!('peer' in command)) return [];
  const { peer } = command;
  return changes.flatMap((change): ControllerEffect[] => {
    switch (change.kind) {
      case 'broker': {
        const { id, drain } = change.broker;
        const what = drain?.isOn === true ? 'drains' : 'drains no longer';
        return [{ kind: 'brokerAltered', id, what, revision, peer }];
      }
      case 'brokerGone':
        return [{ kind: 'brokerAltered', id: change.id, what: 'is unregistered', revision, peer }];
      default:
        return [];
    }
  });
}

/** There are no more of them than sessions, and nothing is well until they are done. */
const NEVER_REFUSED: ReadonlySet<Command['kind']> = new Set(['endSession', 'endClientSessions', 'sweepNodes']);

/**
 * What followers have to hear of, once the image has the changes. New partitions wait for their topic.
 *
 * @param known - how many partitions the topics had that were written
 */
function entitiesOf(
  image: ClusterImage,
  {
    changes,
    fenced,
    known,
  }: {
    readonly changes: readonly Change[];
    readonly fenced: readonly BrokerId[];
    readonly known: ReadonlyMap<string, number>;
  },
): Entity[] {
  const brokers = new Set(fenced);
  const entities: Entity[] = [];
  for (const change of changes) {
    if (change.kind === 'broker') brokers.add(change.broker.id);
    if (change.kind === 'brokerGone') entities.push({ kind: 'brokerGone', id: change.id });
    if (change.kind === 'topic') {
      const { name } = change.topic;
      entities.push({ kind: 'topic', name, newFrom: known.get(name) ?? 0 });
    }
    if (change.kind === 'brokerConfigs') entities.push({ kind: 'brokerConfigs', owner: change.brokerConfigs.owner });
    if (change.kind === 'deletedTopic') {
      const { id, name } = change.deleted;
      entities.push({ kind: 'deletedTopic', id, name });
    }
  }
  for (const change of changes) {
    if (change.kind !== 'partition') continue;
    const { topicId, index } = change.partition;
    const topic = image.topicById(topicId);
    if (topic !== undefined && index < (known.get(topic.name) ?? topic.partitionCount))
      entities.push({ kind: 'partition', topicId, index });
  }
  return [...[...brokers].map((id) => ({ kind: 'broker', id }) as const), ...entities];
}
