import { create } from '@bufbuild/protobuf';
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { isErrorCode, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { Method } from '@weir/base/transport.ts';
import type { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import {
  AllocateProducerIdsRequestSchema,
  AlterConfigsRequestSchema,
  CoordinatorService,
  CreatePartitionsRequestSchema,
  CreateTopicsRequestSchema,
  DeleteTopicsRequestSchema,
  ElectLeadersRequestSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  AllocateProducerIdsResponse,
  AlterConfigsResult,
  CreatePartitionsResult,
  CreateTopicResult,
  DeleteTopicResult,
  ElectLeadersResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { errorNumber } from './error-number.ts';

const CREATE_TOPICS = protobufMethod(CoordinatorService.method.createTopics);
const DELETE_TOPICS = protobufMethod(CoordinatorService.method.deleteTopics);
const CREATE_PARTITIONS = protobufMethod(CoordinatorService.method.createPartitions);
const ALTER_CONFIGS = protobufMethod(CoordinatorService.method.alterConfigs);
const ELECT_LEADERS = protobufMethod(CoordinatorService.method.electLeaders);
const ALLOCATE_PRODUCER_IDS = protobufMethod(CoordinatorService.method.allocateProducerIds);

/** How long an answer waits until this broker knows, and has taken up, what the coordinator has done. */
const SETTLE_MS = 5_000;
const SETTLE_LOOK_MS = 2;

/** What became of one part of an admin request. */
export interface Outcome {
  readonly errorCode: number;
  /** Null when all is well. */
  readonly errorMessage: string | null;
}

/** What admin requests need. */
export interface AdminParts {
  readonly clock: Clock;
  /** Undefined before there is one. */
  readonly session: () => CoordinatorSession | undefined;
  /** Partitions that the metadata places here and that are not taken up yet. */
  readonly toTakeUp: () => number;
}

/**
 * Passes on to the coordinator what is for the cluster's controller: any broker takes such requests. What was done is
 * known to this broker before it is answered, so that a client that asks right away is not told otherwise.
 */
export class Admin {
  readonly #parts: AdminParts;

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  /** Creates topics because somebody asked what they are. Never throws: without a coordinator they do not exist. */
  async autoCreate(names: readonly string[]): Promise<readonly { name: string; code: string }[]> {
    try {
      return await this.createTopics({ topics: names.map((name) => ({ name })), autoCreate: true });
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      return names.map((name) => ({ name, code: 'LEADER_NOT_AVAILABLE' }));
    }
  }

  /** @throws WeirError (as a rejection), as all of these, when the coordinator cannot be asked */
  async createTopics(request: MessageInitShape<typeof CreateTopicsRequestSchema>): Promise<CreateTopicResult[]> {
    const { results } = await this.#call(CREATE_TOPICS, CreateTopicsRequestSchema, request);
    await this.#settled(results);
    return results;
  }

  async deleteTopics(request: MessageInitShape<typeof DeleteTopicsRequestSchema>): Promise<DeleteTopicResult[]> {
    const { results } = await this.#call(DELETE_TOPICS, DeleteTopicsRequestSchema, request);
    await this.#settled(results);
    return results;
  }

  async createPartitions(
    request: MessageInitShape<typeof CreatePartitionsRequestSchema>,
  ): Promise<CreatePartitionsResult[]> {
    const { results } = await this.#call(CREATE_PARTITIONS, CreatePartitionsRequestSchema, request);
    await this.#settled(results);
    return results;
  }

  async alterConfigs(request: MessageInitShape<typeof AlterConfigsRequestSchema>): Promise<AlterConfigsResult[]> {
    const { results } = await this.#call(ALTER_CONFIGS, AlterConfigsRequestSchema, request);
    await this.#settled(results);
    return results;
  }

  async electLeaders(request: MessageInitShape<typeof ElectLeadersRequestSchema>): Promise<ElectLeadersResponse> {
    const response = await this.#call(ELECT_LEADERS, ElectLeadersRequestSchema, request);
    await this.#settled([response]);
    return response;
  }

  allocateProducerIds(brokerId: number, brokerEpoch: number): Promise<AllocateProducerIdsResponse> {
    const request = { brokerId, brokerEpoch: BigInt(brokerEpoch) };
    return this.#call(ALLOCATE_PRODUCER_IDS, AllocateProducerIdsRequestSchema, request);
  }

  #call<Schema extends DescMessage, Request, Response>(
    method: Method<Request, Response>,
    schema: Schema,
    request: MessageInitShape<Schema>,
  ): Promise<Response> {
    const session = this.#parts.session();
    if (session === undefined) throw new WeirError('COORDINATOR_UNAVAILABLE', 'there is no session yet');
    return session.call(method, create(schema, request) as Request);
  }

  /** Once this broker's own metadata has it all, and its partitions are there; or after a while all the same. */
  async #settled(results: readonly { readonly revision: bigint }[]): Promise<void> {
    const { clock, session, toTakeUp } = this.#parts;
    const revision = results.reduce((latest, result) => Math.max(latest, Number(result.revision)), 0);
    if (revision === 0) return;
    const untilMs = clock.monotonicMs() + SETTLE_MS;
    const isSettled = (): boolean => (session()?.image.revision ?? -1) >= revision && toTakeUp() === 0;
    while (!isSettled() && clock.monotonicMs() < untilMs) await sleep(clock, SETTLE_LOOK_MS);
  }
}

/** What a code of the coordinator is on Kafka's wire. */
export function outcomeOf({ code, message }: { readonly code: string; readonly message: string }): Outcome {
  if (code === 'NONE') return { errorCode: 0, errorMessage: null };
  const known: ErrorCode = isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR';
  return { errorCode: errorNumber(known), errorMessage: message };
}

/** What a request comes to when the coordinator could not be asked at all. @throws what is no refusal */
export function outcomeOfFailure(error: unknown): Outcome {
  if (!(error instanceof WeirError)) throw error;
  return outcomeOf(error);
}

/** What a part of a request comes to that the coordinator has left out of its answer. */
export const NO_RESULT = outcomeOf({ code: 'UNKNOWN_SERVER_ERROR', message: 'the coordinator did not say' });
