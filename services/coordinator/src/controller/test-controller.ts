import { brokerId, revision, topicId } from '@weir/base/ids.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { uuidFromRandom } from '@weir/base/ids.ts';
import { MemoryStore } from '../store/memory-store.ts';
import type { TxnRequest } from '../store/metadata-store.ts';
import { changeOf, KEYS } from '../store/records.ts';
import { LOADED_PREFIXES } from '../store/take-over.ts';
import type { AlterationResult, ConfigAlteration, ConfigResource, Requester } from './alter-configs.ts';
import type { DoubtfulReplica } from './brokers.ts';
import type { GrowthResult, TopicToGrow } from './create-partitions.ts';
import type { NewTopic, Policy, TopicResult } from './create-topics.ts';
import type { DeletionResult, TopicToDelete } from './delete-topics.ts';
import { Controller } from './controller.ts';
import type { Command, CommandResult, ControllerEffect } from './controller.ts';
import { ClusterImage } from './image.ts';
import type { BrokerRecord } from './image.ts';

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
    const claimed = store.txnNow({ compare: [], success: [{ kind: 'put', key: KEYS.controller, value: '{"v":1}' }] });
    const { image, orphans } = loadImage(store);
    this.controller = new Controller({
      image,
      policy: { autoCreateTopics: false, defaultPartitions: 1, replicationFactorMax: 3, ...policy },
      controllerRevision: claimed.revision,
      incarnation,
      coordinatorId: 1,
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
    options: { directory?: string; rack?: string; doubtful?: DoubtfulReplica[]; dieAfter?: number } = {},
  ): CommandResult | undefined {
    const broker: BrokerRecord = {
      id: brokerId(id),
      directoryId: options.directory ?? `directory-${id}`,
      incarnationId: newId(),
      grpcAddress: `127.0.0.1:${9000 + id}`,
      kafkaAddress: '',
      rack: options.rack ?? '',
    };
    const { doubtful = [], dieAfter } = options;
    const command: Command = { kind: 'registerBroker', sessionId: newId(), broker, doubtful };
    return this.run(command, dieAfter === undefined ? {} : { dieAfter });
  }

  endSession(id: number, options: { dieAfter?: number } = {}): CommandResult | undefined {
    const session = this.image.sessionOf(brokerId(id));
    return session === undefined ? undefined : this.run({ kind: 'endSession', sessionId: session.id }, options);
  }

  createTopics(
    topics: readonly (Partial<NewTopic> & { name: string })[],
    options: { validateOnly?: boolean; autoCreate?: boolean; dieAfter?: number } = {},
  ): readonly TopicResult[] {
    const asked = topics.map((topic): NewTopic => ({
      id: topicId(newId()),
      partitionCount: 0,
      replicationFactor: 0,
      configs: {},
      assignments: [],
      ...topic,
    }));
    const { validateOnly = false, autoCreate = false, dieAfter } = options;
    const command: Command = { kind: 'createTopics', topics: asked, validateOnly, autoCreate };
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
  const image = new ClusterImage('cluster');
  for (const prefix of LOADED_PREFIXES) {
    let after: string | undefined;
    for (let more = true; more;) {
      const page = store.rangeNow({ prefix, ...(after === undefined ? {} : { after }) });
      for (const item of page.items) image.load(changeOf(item), item.modRevision, item.createRevision);
      after = page.items.at(-1)?.key;
      more = page.more;
    }
  }
  const orphans = image.takeOrphans();
  const [lastChange] = store.rangeNow({ prefix: KEYS.lastChange }).items;
  image.loadedAt(store.rangeNow({ prefix: '/' }).revision, lastChange?.modRevision ?? revision(0));
  return { image, orphans };
}

interface TestLoad {
  readonly image: ClusterImage;
  readonly orphans: ReturnType<ClusterImage['takeOrphans']>;
}
