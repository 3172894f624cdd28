import { present } from '@weir/base/assert.ts';
import { brokerId, topicId } from '@weir/base/ids.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { uuidFromRandom } from '@weir/base/ids.ts';
import { MemoryStore } from '../store/memory-store.ts';
import type { KeyValue, TxnRequest } from '../store/metadata-store.ts';
import type { Claimant } from '../election/claim.ts';
import { imageOf } from '../store/load-image.ts';
import { encodeValue, KEYS } from '../store/records.ts';
import type { AlterationResult, ConfigAlteration, ConfigResource, Requester } from './alter-configs.ts';
import type { WantedIsr } from './alter-isr.ts';
import type { ReportedReplica } from './report-doubtful-replicas.ts';
import type { DoubtfulReplica } from './brokers.ts';
import type { GrowthResult, TopicToGrow } from './create-partitions.ts';
import type { NewTopic, TopicResult } from './create-topics.ts';
import type { Policy } from './policy.ts';
import type { DeletionResult, TopicToDelete } from './delete-topics.ts';
import type { ElectLeaders } from './elect-leaders.ts';
import { Controller } from './controller.ts';
import type { Command, CommandResult, ControllerEffect } from './controller.ts';
import type { ClusterImage } from './image.ts';
import type { BrokerRecord, PartitionRecord } from './image.ts';

const random = seededRandom(1);

/** A new UUID. */
export function newId(): string {
  return uuidFromRandom(random.bytes(16));
}

/** Who alters configs in tests. */
export const TEST_REQUESTER: Requester = { peer: '10.0.0.1:40000', client: 'a test' };

/** Configs to alter, as `[name, value]` by what is to be done. */
export type TestAlteration = ConfigResource & {
  readonly replaceAll?: boolean;
} & Partial<Record<'set' | 'delete' | 'append' | 'subtract', readonly (readonly [name: string, value?: string])[]>>;

/** A controller over a store in memory, for tests: everything happens at once. */
export class TestController {
  readonly store: MemoryStore;
  readonly controller: Controller;
  /** Everything it wanted done. */
  readonly effects: ControllerEffect[] = [];
  /** Transactions that are written before it dies; undefined for all. */
  #commitsLeft: number | undefined;
  #commands = 0;

  constructor(store = new MemoryStore(), policy: Partial<Policy> = {}, nowMs = 0) {
    this.store = store;
    const incarnation = newId();
    store.txnNow({ compare: [], success: [{ kind: 'delete', key: KEYS.controller }] });
    const claimant: Claimant = { coordinatorId: 1, incarnation, address: '127.0.0.1:7070' };
    const value = encodeValue(claimant);
    const { revision } = store.txnNow({ compare: [], success: [{ kind: 'put', key: KEYS.controller, value }] });
    const { image, orphans } = loadImage(store);
    this.controller = new Controller({
      image,
      policy: { autoCreateTopics: false, defaultPartitions: 1, ...policy },
      claim: { incarnation, revision },
    });
    this.run({ kind: 'reconcile', orphans, nowMs });
  }

  get image(): ClusterImage {
    return this.controller.image;
  }

  /** Runs a command to its end, or until `dieAfter` of its transactions were written: then the result is undefined. */
  run(command: Command, { dieAfter }: { readonly dieAfter?: number } = {}): CommandResult | undefined {
    this.#commitsLeft = dieAfter;
    let result: CommandResult | undefined;
    const pending = this.controller.step({ kind: 'command', id: ++this.#commands, command });
    for (let effect = pending.shift(); effect !== undefined; effect = pending.shift()) {
      this.effects.push(effect);
      if (effect.kind === 'reply') ({ result } = effect);
      if (effect.kind !== 'commit') continue;
      if (this.#commitsLeft !== undefined && this.#commitsLeft-- === 0) return undefined;
      pending.push(...this.controller.step({ kind: 'committed', revision: this.#write(effect.txn) }));
    }
    return result;
  }

  register(
    id: number,
    options: {
      directory?: string;
      incarnation?: string;
      earlierIncarnations?: readonly string[];
      rack?: string;
      doubtful?: DoubtfulReplica[];
      dieAfter?: number;
    } = {},
  ): CommandResult | undefined {
    const broker: BrokerRecord = {
      id: brokerId(id),
      directoryId: options.directory ?? `directory-${id}`,
      incarnationId: options.incarnation ?? newId(),
      grpcAddress: `127.0.0.1:${9000 + id}`,
      kafkaAddress: '',
      replicationAddress: `127.0.0.1:${9100 + id}`,
      rack: options.rack ?? '',
    };
    const { earlierIncarnations: earlierIncarnationIds, doubtful = [], dieAfter } = options;
    const command: Command = {
      kind: 'registerBroker',
      sessionId: newId(),
      broker,
      earlierIncarnationIds,
      doubtful,
    };
    return this.run(command, dieAfter === undefined ? {} : { dieAfter });
  }

  endSession(id: number, options: { dieAfter?: number } = {}): CommandResult | undefined {
    const session = this.image.sessionOf(brokerId(id));
    return session === undefined ? undefined : this.run({ kind: 'endSession', sessionId: session.id }, options);
  }

  createTopics(
    topics: readonly (Partial<NewTopic> & { name: string })[],
    options: { validateOnly?: boolean; autoCreate?: boolean; internal?: boolean; dieAfter?: number } = {},
  ): readonly TopicResult[] {
    const asked = topics.map((topic): NewTopic => ({
      id: topicId(newId()),
      partitionCount: 0,
      replicationFactor: 0,
      configs: {},
      assignments: [],
      ...topic,
    }));
    const { validateOnly = false, autoCreate = false, internal = false, dieAfter } = options;
    const command: Command = { kind: 'createTopics', topics: asked, validateOnly, autoCreate, internal };
    const result = this.run(command, dieAfter === undefined ? {} : { dieAfter });
    return result?.kind === 'topics' ? result.results : [];
  }

  deleteTopics(
    topics: readonly (Partial<TopicToDelete> & { name: string })[],
    { dieAfter, nowMs = 0 }: { readonly dieAfter?: number; readonly nowMs?: number } = {},
  ): readonly DeletionResult[] {
    const asked = topics.map((topic): TopicToDelete => ({ id: undefined, ...topic }));
    const command: Command = { kind: 'deleteTopics', topics: asked, nowMs };
    const result = this.run(command, dieAfter === undefined ? {} : { dieAfter });
    return result?.kind === 'deletions' ? result.results : [];
  }

  createPartitions(
    topics: readonly (Partial<TopicToGrow> & Pick<TopicToGrow, 'name' | 'totalCount'>)[],
    { validateOnly = false, dieAfter }: { readonly validateOnly?: boolean; readonly dieAfter?: number } = {},
  ): readonly GrowthResult[] {
    const asked = topics.map((topic): TopicToGrow => ({ assignments: [], ...topic }));
    const command: Command = { kind: 'createPartitions', topics: asked, validateOnly };
    const result = this.run(command, dieAfter === undefined ? {} : { dieAfter });
    return result?.kind === 'growths' ? result.results : [];
  }

  alterConfigs(
    alterations: readonly TestAlteration[],
    { validateOnly = false, dieAfter }: { readonly validateOnly?: boolean; readonly dieAfter?: number } = {},
  ): readonly AlterationResult[] {
    const asked = alterations.map(({ type, name, replaceAll = false, ...operations }): ConfigAlteration => ({
      resource: { type, name },
      replaceAll,
      operations: (['set', 'delete', 'append', 'subtract'] as const).flatMap((kind) =>
        (operations[kind] ?? []).map(([config, value = '']) => ({ name: config, kind, value })),
      ),
    }));
    const command: Command = { kind: 'alterConfigs', alterations: asked, validateOnly, requester: TEST_REQUESTER };
    const result = this.run(command, dieAfter === undefined ? {} : { dieAfter });
    return result?.kind === 'alterations' ? result.results : [];
  }

  /** Drains a broker, or takes that back. */
  drain(id: number, { isOn = true, dieAfter }: { readonly isOn?: boolean; readonly dieAfter?: number } = {}) {
    const brokerEpoch = this.image.sessionOf(brokerId(id))?.revision ?? 0;
    const kind = isOn ? 'drainBroker' : 'undrainBroker';
    const command: Command = { kind, brokerId: brokerId(id), brokerEpoch, peer: TEST_REQUESTER.peer };
    return this.run(command, dieAfter === undefined ? {} : { dieAfter });
  }

  unregister(id: number, options: { dieAfter?: number } = {}): CommandResult | undefined {
    return this.run({ kind: 'unregisterBroker', brokerId: brokerId(id), peer: TEST_REQUESTER.peer }, options);
  }

  electLeaders(
    topics?: readonly string[],
    {
      election = 'preferred',
      dieAfter,
      ...only
    }: { election?: ElectLeaders['election']; dieAfter?: number } & Pick<ElectLeaders, 'only'> = {},
  ): CommandResult | undefined {
    const command: Command = { kind: 'electLeaders', election, topics, peer: TEST_REQUESTER.peer, ...only };
    return this.run(command, dieAfter === undefined ? {} : { dieAfter });
  }

  /** A broker says that it knows all of the metadata. */
  isCurrent(id: number): void {
    const session = this.image.sessionOf(brokerId(id));
    if (session !== undefined) this.image.noteApplied(session.id, this.image.revision);
  }

  /**
   * The leader of a partition wants another ISR.
   *
   * @param isr - broker ids; each under the registration that it has, or 0
   * @param wanted - what it gets wrong
   * @returns a code, NONE when it was written; undefined when the coordinator died of it
   */
  alterIsr(
    place: { readonly name: string; readonly index?: number },
    isr: readonly number[],
    { by, dieAfter, ...wanted }: Partial<WantedIsr> & { readonly by?: number; readonly dieAfter?: number } = {},
  ): string | undefined {
    const partition = this.partition(place);
    const { topicId: id, index, leaderEpoch, partitionEpoch, leader } = partition;
    const asker = brokerId(by ?? leader);
    const epochOf = (broker: number): number => this.image.sessionOf(brokerId(broker))?.revision ?? 0;
    const members = isr.map((broker) => ({ broker, epoch: epochOf(broker) }));
    const asked = { topicId: id, partition: index, leaderEpoch, partitionEpoch, isr: members, ...wanted };
    const command: Command = {
      kind: 'alterIsr',
      brokerId: asker,
      brokerEpoch: epochOf(asker),
      partitions: [asked],
    };
    const result = this.run(command, dieAfter === undefined ? {} : { dieAfter });
    if (result?.kind === 'refused') return result.refusal.code;
    return result?.kind === 'isrs' ? (result.results[0]?.code ?? 'NONE') : undefined;
  }

  /**
   * A broker reports that it does not trust its replica any more, which has spoken in the leader epoch that is.
   *
   * @param reported - what it gets wrong, or says otherwise
   * @returns a code, NONE when nobody counts on it; undefined when the coordinator died of it
   */
  report(
    place: { readonly name: string; readonly index?: number },
    id: number,
    { brokerEpoch, dieAfter, ...reported }: Partial<ReportedReplica> & { brokerEpoch?: number; dieAfter?: number } = {},
  ): string | undefined {
    const { topicId: topic, index, leaderEpoch, partitionEpoch } = this.partition(place);
    const replica = { topicId: topic, partition: index, doubt: 'damaged', leaderEpoch, partitionEpoch } as const;
    const command: Command = {
      kind: 'reportDoubtfulReplicas',
      brokerId: brokerId(id),
      brokerEpoch: brokerEpoch ?? this.image.sessionOf(brokerId(id))?.revision ?? 0,
      replicas: [{ ...replica, ...reported }],
    };
    const result = this.run(command, dieAfter === undefined ? {} : { dieAfter });
    if (result?.kind === 'refused') return result.refusal.code;
    return result?.kind === 'reports' ? (result.results[0]?.code ?? 'NONE') : undefined;
  }

  /** A replica has caught up: the leader takes it into the ISR. */
  join(place: { readonly name: string; readonly index?: number }, id: number): string | undefined {
    return this.alterIsr(place, [...this.partition(place).isr.map(({ broker }) => broker), id]);
  }

  /** A partition as the image has it. */
  partition({ name, index = 0 }: { readonly name: string; readonly index?: number }): PartitionRecord {
    const topic = present(this.image.topics.get(name), 'the topic is there');
    return present(this.image.partitionsOf(topic)[index], 'the partition is there');
  }

  /** The first of the ids that a broker got; undefined when it got none. */
  allocateProducerIds(id: number, options: { dieAfter?: number } = {}): number | undefined {
    const brokerEpoch = this.image.sessionOf(brokerId(id))?.revision ?? 0;
    const result = this.run({ kind: 'allocateProducerIds', brokerId: brokerId(id), brokerEpoch }, options);
    return result?.kind === 'producerIds' ? result.firstId : undefined;
  }

  /** The partitions of a topic, for looking at. */
  partitions(name: string): readonly { leader: BrokerId | -1; leaderEpoch: number; isr: number[]; elr: number[] }[] {
    const topic = this.image.topics.get(name);
    const partitions = topic === undefined ? [] : this.image.partitionsOf(topic);
    return partitions.map(({ leader, leaderEpoch, isr, elr }) => ({
      leader,
      leaderEpoch,
      isr: isr.map(({ broker }) => broker),
      elr: elr.map(({ broker }) => broker),
    }));
  }

  #write(txn: TxnRequest) {
    const result = this.store.txnNow(txn);
    if (!result.succeeded) throw new Error('a comparison of the only controller failed');
    return result.revision;
  }
}

/** The image as a new coordinator reads it. */
export function loadImage(store: MemoryStore): Pick<TestLoad, 'image' | 'orphans'> {
  const items: KeyValue[] = [];
  let page = store.rangeNow({ prefix: '/' });
  items.push(...page.items);
  while (page.more) {
    page = store.rangeNow({ prefix: '/', after: present(page.items.at(-1), 'a page has items').key });
    items.push(...page.items);
  }
  const image = imageOf({ items, revision: page.revision });
  return { image, orphans: image.takeOrphans() };
}

interface TestLoad {
  readonly image: ClusterImage;
  readonly orphans: ReturnType<ClusterImage['takeOrphans']>;
}
