import { create } from '@bufbuild/protobuf';
import { topicId as asTopicId, uuidFromRandom, uuidToBytes } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { brokerId } from '@weir/base/ids.ts';
import { registrationOf } from '@weir/broker/registration.ts';
import { OrphanCheck } from '@weir/broker/orphan-check.ts';
import type { ClusterImage, ImageChange } from '@weir/client/metadata/cluster-image.ts';
import {
  AllocateProducerIdsRequestSchema,
  CoordinatorService,
  DescribeTopicIdsRequestSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { WeirError } from '@weir/base/errors.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { Follower } from './follower.ts';
import { simulatedWorld } from './world.ts';

const ALLOCATE = protobufMethod(CoordinatorService.method.allocateProducerIds);
const DESCRIBE = protobufMethod(CoordinatorService.method.describeTopicIds);

/** Replicas of one broker, by topic: what its directory holds. */
type Folders = Map<TopicId, Set<number>>;

/**
 * A broker, as far as the coordinator knows it: an id, a directory with folders, and the process that runs on it. It
 * registers with the code of the real one, keeps folders until it has proof that their topic is gone, and asks for producer
 * ids.
 */
export class SimulatedBroker {
  readonly id: number;
  readonly #parts: Parts;
  readonly #coordinators: readonly string[];
  #directoryId = '';
  #incarnationId = '';
  #registeredIncarnationId = '';
  #unsettledIncarnationIds: string[] = [];
  #folders: Folders = new Map();
  #follower: Follower | undefined;
  #epoch = 0;
  #starts = 0;

  constructor(id: number, parts: Parts, coordinators: readonly string[]) {
    this.id = id;
    this.#parts = parts;
    this.#coordinators = coordinators;
    this.#directoryId = uuidFromRandom(parts.chance.bytes(16));
  }

  get follower(): Follower | undefined {
    return this.#follower;
  }

  get process(): Process | undefined {
    return this.#follower?.process;
  }

  /** Whether it is welcome under its current registration. */
  get isRegistered(): boolean {
    return this.#follower?.session.attached === true && this.#epoch > 0;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Starts the process, on the directory that it had or on an empty one. */
  start({
    doubtfulRate,
    isOtherDirectory,
  }: {
    readonly doubtfulRate: number;
    readonly isOtherDirectory: boolean;
  }): void {
    const { chance } = this.#parts;
    if (isOtherDirectory) {
      this.#directoryId = uuidFromRandom(chance.bytes(16));
      this.#folders = new Map();
    }
    this.#epoch = 0;
    if (this.#incarnationId !== this.#registeredIncarnationId) this.#unsettledIncarnationIds.push(this.#incarnationId);
    this.#incarnationId = uuidFromRandom(chance.bytes(16));
    const doubtful = this.#replicas().filter(() => chance.happens(doubtfulRate));
    const doubts = doubtful.map((key) => ({ key, doubt: chance.pick(['missing', 'damaged', 'unsynced'] as const) }));
    const name = `broker ${this.id}.${++this.#starts}`;
    const registration = registrationOf(
      {
        identity: {
          clusterId: '',
          brokerId: brokerId(this.id),
          directoryId: this.#directoryId,
          incarnationId: this.#incarnationId,
          registeredIncarnationId: this.#registeredIncarnationId,
          unsettledIncarnationIds: [...this.#unsettledIncarnationIds],
        },
        grpcAddress: `broker-${this.id}:7071`,
        kafkaAddress: '',
        replicationAddress: '',
        rack: this.id % 2 === 0 ? '' : `rack ${this.id % 3}`,
      },
      doubts,
    );
    const follower = new Follower(
      name,
      this.#parts,
      { coordinators: this.#coordinators, member: { kind: 'broker', registration: () => registration } },
      {
        changed: (image, changes) => this.#changed(image, changes, orphans),
        welcomed: ({ brokerEpoch }) => {
          this.#epoch = brokerEpoch;
          this.#registeredIncarnationId = this.#incarnationId;
          this.#unsettledIncarnationIds = [];
        },
      },
    );
    const orphans = this.#orphanCheck(follower);
    this.#follower = follower;
  }

  /** Kills the process; the directory stays. */
  kill(): void {
    this.#follower?.process.die('killed');
    this.#follower = undefined;
  }

  /** Asks for producer ids under the epoch that it believes to have. */
  async allocateProducerIds(): Promise<void> {
    const brokerEpoch = this.#epoch;
    if (brokerEpoch === 0 || this.#follower === undefined) return;
    const request = create(AllocateProducerIdsRequestSchema, { brokerId: this.id, brokerEpoch: BigInt(brokerEpoch) });
    const { name } = this.#follower.process;
    const answer = await this.#follower.ask(ALLOCATE, request);
    if (answer === undefined) return;
    const { firstId, count } = answer;
    this.#parts.checks.promises.producerIds(name, { firstId: Number(firstId), count, brokerEpoch });
  }

  #replicas(): { readonly topicId: TopicId; readonly index: number }[] {
    return [...this.#folders].flatMap(([topicId, indexes]) => [...indexes].map((index) => ({ topicId, index })));
  }

  #changed(image: ClusterImage, changes: readonly ImageChange[], orphans: OrphanCheck): void {
    for (const change of changes) {
      if (change.kind === 'topicDeleted') this.#remove(change.id);
      if (change.kind === 'topic') this.#hold(change.topic.id, image);
      if (change.kind === 'all') for (const { id } of image.topics()) this.#hold(id, image);
    }
    if (changes.some(({ kind }) => kind === 'all')) orphans.check();
  }

  #hold(id: TopicId, image: ClusterImage): void {
    const mine = (image.topicById(id)?.partitions ?? []).filter(({ replicas }) => replicas.includes(this.id));
    if (mine.length > 0) this.#folders.set(id, new Set(mine.map(({ index }) => index)));
  }

  #remove(id: TopicId): void {
    if (this.#folders.delete(id)) this.#parts.checks.promises.removed(`broker ${this.id}`, id);
  }

  #orphanCheck(follower: Follower): OrphanCheck {
    const { process, session } = follower;
    const { logger } = simulatedWorld(process, {
      network: this.#parts.network,
      chance: this.#parts.chance,
      fatal: () => {},
    });
    return new OrphanCheck({
      clock: process.clock,
      logger,
      orphans: () => [...this.#folders.keys()].filter((id) => session.image.topicById(asTopicId(id)) === undefined),
      ask: async (ids) => {
        const answer = await follower.ask(
          DESCRIBE,
          create(DescribeTopicIdsRequestSchema, { topicIds: ids.map(uuidToBytes) }),
        );
        if (answer === undefined) throw new WeirError('COORDINATOR_UNAVAILABLE', 'no answer');
        return answer.states;
      },
      deleted: (id) => {
        this.#parts.sometimes.saw('a broker learned from the coordinator that a topic was deleted');
        this.#remove(id);
      },
    });
  }
}
