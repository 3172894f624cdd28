import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { METADATA_WAIT_MS } from '@weir/base/limits.ts';
import {
  CoordinatorService,
  AlterConfigsRequestSchema,
  CreatePartitionsRequestSchema,
  CreateTopicsRequestSchema,
  DeleteTopicsRequestSchema,
  DrainBrokerRequestSchema,
  ElectLeadersRequestSchema,
  UndrainBrokerRequestSchema,
  UnregisterBrokerRequestSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  AlterConfigsResponse,
  CreatePartitionsResponse,
  CreateTopicsResponse,
  DeleteTopicsResponse,
  DrainBrokerResponse,
  ElectLeadersResponse,
  UndrainBrokerResponse,
  UnregisterBrokerResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { ClientWorld } from '../world.ts';
import type { ClusterImage, ImageChange, TopicInfo } from './cluster-image.ts';
import { CoordinatorSession } from './coordinator-session.ts';

const CREATE_TOPICS = protobufMethod(CoordinatorService.method.createTopics);
const CREATE_PARTITIONS = protobufMethod(CoordinatorService.method.createPartitions);
const ALTER_CONFIGS = protobufMethod(CoordinatorService.method.alterConfigs);
const DRAIN_BROKER = protobufMethod(CoordinatorService.method.drainBroker);
const UNDRAIN_BROKER = protobufMethod(CoordinatorService.method.undrainBroker);
const UNREGISTER_BROKER = protobufMethod(CoordinatorService.method.unregisterBroker);
const ELECT_LEADERS = protobufMethod(CoordinatorService.method.electLeaders);
const DELETE_TOPICS = protobufMethod(CoordinatorService.method.deleteTopics);

/** Hears of every step of the image. */
export type ImageListener = (changes: readonly ImageChange[]) => void;

/** The image of the cluster as producer, fetcher and client share it, with ways to wait for what is not there yet. */
export class Metadata {
  readonly #session: CoordinatorSession;
  readonly #clock: ClientWorld['clock'];
  readonly #autoCreateTopics: boolean;
  readonly #listeners = new Set<ImageListener>();
  /** By topic name and whether it may be created, so that many who ask for one topic cost one question. */
  readonly #askingFor = new Map<string, Promise<TopicInfo>>();
  #refused: Refusal | undefined;
  #closed = false;

  constructor(
    options: { readonly coordinators: readonly string[]; readonly name: string; readonly autoCreateTopics: boolean },
    world: ClientWorld,
  ) {
    this.#clock = world.clock;
    this.#autoCreateTopics = options.autoCreateTopics;
    const tell: ImageListener = (changes) => {
      for (const listener of this.#listeners) listener(changes);
    };
    this.#session = new CoordinatorSession(
      { coordinators: options.coordinators, member: { kind: 'observer', name: options.name } },
      world,
      {
        changed: (_image, changes) => tell(changes),
        welcomed: () => {
          this.#refused = undefined;
        },
        fenced: (why) => {
          this.#refused = why;
          tell([]);
        },
        lost: () => {},
      },
    );
  }

  get image(): ClusterImage {
    return this.#session.image;
  }

  /** Whether a coordinator keeps the image current. */
  get attached(): boolean {
    return this.#session.attached;
  }

  get clusterId(): string {
    return this.#session.clusterId;
  }

  /** Calls back after every step of the image, until the returned function is called. */
  listen(listener: ImageListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Resolves once `find` finds something in the image; it is asked now and after every change.
   *
   * @throws WeirError (as a rejection) with `late`'s refusal after `timeoutMs`
   */
  await<T>(find: (image: ClusterImage) => T | undefined, timeoutMs: number, late: () => Refusal): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        const found = find(this.image);
        if (found !== undefined) resolve(found);
        return found !== undefined;
      };
      if (look()) return;
      if (this.#closed) return reject(new WeirError('SHUTTING_DOWN', 'the client is closed'));
      const finish = (): void => {
        cancel();
        forget();
      };
      const fail = (why: Refusal): void => {
        finish();
        reject(new WeirError(why.code, why.message));
      };
      const cancel = this.#clock.after(timeoutMs, () => fail(late()));
      const forget = this.listen(() => {
        if (this.#closed) fail({ code: 'SHUTTING_DOWN', message: 'the client is closed' });
        else if (look()) finish();
      });
    });
  }

  /**
   * Resolves once there is an image.
   *
   * @throws WeirError (as a rejection) COORDINATOR_UNAVAILABLE after `timeoutMs`, or why the coordinator refuses
   */
  async ready(timeoutMs: number): Promise<void> {
    await this.await(
      (image) => (image.revision >= 0 ? true : undefined),
      timeoutMs,
      () => this.#refused ?? { code: 'COORDINATOR_UNAVAILABLE', message: `no coordinator within ${timeoutMs} ms` },
    );
  }

  /**
   * The topic, after a question to the coordinator when the image does not have it.
   *
   * @throws WeirError (as a rejection): UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_UNAVAILABLE
   */
  findTopic(name: string): Promise<TopicInfo> {
    const known = this.image.topic(name);
    return known === undefined ? this.#askOnce(name, false) : Promise.resolve(known);
  }

  /** The same, and creates the topic where client and cluster allow that. INVALID_TOPIC_EXCEPTION may come as well. */
  awaitTopic(name: string): Promise<TopicInfo> {
    const known = this.image.topic(name);
    return known === undefined ? this.#askOnce(name, this.#autoCreateTopics) : Promise.resolve(known);
  }

  createTopics(request: MessageInitShape<typeof CreateTopicsRequestSchema>): Promise<CreateTopicsResponse> {
    return this.#session.call(CREATE_TOPICS, create(CreateTopicsRequestSchema, request));
  }

  createPartitions(request: MessageInitShape<typeof CreatePartitionsRequestSchema>): Promise<CreatePartitionsResponse> {
    return this.#session.call(CREATE_PARTITIONS, create(CreatePartitionsRequestSchema, request));
  }

  alterConfigs(request: MessageInitShape<typeof AlterConfigsRequestSchema>): Promise<AlterConfigsResponse> {
    return this.#session.call(ALTER_CONFIGS, create(AlterConfigsRequestSchema, request));
  }

  drainBroker(request: MessageInitShape<typeof DrainBrokerRequestSchema>): Promise<DrainBrokerResponse> {
    return this.#session.call(DRAIN_BROKER, create(DrainBrokerRequestSchema, request));
  }

  undrainBroker(request: MessageInitShape<typeof UndrainBrokerRequestSchema>): Promise<UndrainBrokerResponse> {
    return this.#session.call(UNDRAIN_BROKER, create(UndrainBrokerRequestSchema, request));
  }

  unregisterBroker(request: MessageInitShape<typeof UnregisterBrokerRequestSchema>): Promise<UnregisterBrokerResponse> {
    return this.#session.call(UNREGISTER_BROKER, create(UnregisterBrokerRequestSchema, request));
  }

  electLeaders(request: MessageInitShape<typeof ElectLeadersRequestSchema>): Promise<ElectLeadersResponse> {
    return this.#session.call(ELECT_LEADERS, create(ElectLeadersRequestSchema, request));
  }

  /** Deletes the topics that have these names now: not ones that take the names while the request is on its way. */
  async deleteTopics(names: readonly string[]): Promise<DeleteTopicsResponse> {
    await this.ready(METADATA_WAIT_MS);
    await this.#catchUp();
    const topics = names.map((name) => {
      const known = this.image.topic(name);
      return known === undefined ? { name } : { name, id: known.idBytes };
    });
    return this.#session.call(DELETE_TOPICS, create(DeleteTopicsRequestSchema, { topics }));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#session.close();
    for (const listener of this.#listeners) listener([]);
  }

  #askOnce(name: string, mayCreate: boolean): Promise<TopicInfo> {
    const key = `${mayCreate ? '+' : '?'}${name}`;
    const asking = this.#askingFor.get(key);
    if (asking !== undefined) return asking;
    const asked = this.#askFor(name, mayCreate).finally(() => this.#askingFor.delete(key));
    this.#askingFor.set(key, asked);
    return asked;
  }

  /** Whether the image is as new as the coordinator's; false when there is none to compare with. */
  async #catchUp(): Promise<boolean> {
    await this.#session.untilAttached();
    return new Promise((resolve) => this.#session.catchUp(resolve));
  }

  async #askFor(name: string, mayCreate: boolean): Promise<TopicInfo> {
    await this.ready(METADATA_WAIT_MS);
    // The topic may be there for others already, and its delta on the way to us.
    const caughtUp = await this.#catchUp();
    const known = this.image.topic(name);
    if (known !== undefined) return known;
    if (!mayCreate) {
      if (caughtUp) throw unknownTopic(name);
      throw new WeirError('COORDINATOR_UNAVAILABLE', `no coordinator to ask whether there is a topic "${name}"`);
    }
    const { results } = await this.createTopics({ topics: [{ name }], autoCreate: true });
    const code = results[0]?.code;
    if (code === 'UNKNOWN_TOPIC_OR_PARTITION') throw unknownTopic(name);
    if (code === 'INVALID_TOPIC_EXCEPTION') throw new WeirError(code, results[0]!.message);
    return this.await(
      (image) => image.topic(name),
      METADATA_WAIT_MS,
      () => ({
        code: 'UNKNOWN_TOPIC_OR_PARTITION',
        message: `topic "${name}" could not be created: ${results[0]?.message ?? 'no answer'}`,
      }),
    );
  }
}

function unknownTopic(name: string): WeirError {
  return new WeirError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${name}"; create it first`);
}
