import { ERRORS, isErrorCode, messageOf, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { sleep } from '@weir/base/clock.ts';
import { GROUP_CALL_MS, GROUP_RETRY_MS_MAX } from '@weir/base/group-limits.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { METADATA_WAIT_MS, RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import type { Method } from '@weir/base/transport.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import { backoffMs } from '../backoff.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import { noLeaderMessage } from '../metadata/no-leader.ts';

const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** An outcome as it comes over the wire. */
export interface WireOutcome {
  readonly code: string;
  readonly message: string;
}

/** How a group is asked. */
export interface GroupCallOptions<Response> {
  /** How long one try may take; GROUP_CALL_MS when absent. */
  readonly answerMs?: number;
  /** Until when it is tried again; GROUP_RETRY_MS_MAX from now on when absent. */
  readonly retryMs?: number;
  /** What an answer says that is to be tried again when another coordinator may say something else. */
  readonly outcomeOf?: (response: Response) => WireOutcome | undefined;
  /** Tried no more. */
  readonly signal?: AbortSignal;
}

/** Answers after which another broker coordinates the group, or the same one in a moment. */
const MOVED: ReadonlySet<ErrorCode> = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
]);

/** Asks the broker that coordinates a group, whoever that is at the time. */
export class GroupCalls {
  readonly #parts: LeaderCallParts;
  #isClosed = false;
  /** Many that ask at once have it created once. */
  #creating: Promise<void> | undefined;

  constructor(parts: LeaderCallParts) {
    this.#parts = parts;
  }

  /**
   * Asks, and again while the coordinator is not known, not there, or another one. Asked again, it must do no harm.
   *
   * @throws WeirError (as a rejection): COORDINATOR_NOT_AVAILABLE or another retriable code when the time is over, SHUTTING_DOWN
   *   once the signal aborts, and whatever is refused for good
   */
  async ask<Request, Response>(
    groupId: string,
    method: Method<Request, Response>,
    request: Request,
    { answerMs = GROUP_CALL_MS, retryMs = GROUP_RETRY_MS_MAX, outcomeOf, signal }: GroupCallOptions<Response> = {},
  ): Promise<Response> {
    const { clock, random } = this.#parts.world;
    const untilMs = clock.monotonicMs() + retryMs;
    for (let tries = 1; ; tries++) {
      if (this.#isClosed) throw new WeirError('SHUTTING_DOWN', 'the client is closed');
      const tried = await this.#try(groupId, method, request, answerMs);
      const why = 'refused' in tried ? tried.refused : refusalOf(outcomeOf?.(tried.response));
      if (!('refused' in tried) && (why === undefined || !MOVED.has(why.code))) return tried.response;
      const waitMs = backoffMs(tries, BACKOFF, random);
      const isOver = clock.monotonicMs() + waitMs >= untilMs || !ERRORS[why!.code].retriable;
      if (isOver) throw new WeirError(why!.code, why!.message);
      await sleep(clock, waitMs, signal);
      if (signal?.aborted === true) throw new WeirError('SHUTTING_DOWN', 'nobody waits for the answer any more');
    }
  }

  /** Nobody is asked any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** The host:port of the broker that coordinates a group now. @throws WeirError (as a rejection) when there is none */
  async #coordinatorOf(groupId: string): Promise<string> {
    const { metadata } = this.#parts;
    if (metadata.image.topic(OFFSETS_TOPIC) === undefined) await this.#createOffsetsTopic();
    const topic = metadata.image.topic(OFFSETS_TOPIC);
    if (topic === undefined) throw new WeirError('COORDINATOR_NOT_AVAILABLE', `${OFFSETS_TOPIC} is not known here yet`);
    const index = partitionForGroup(groupId, topic.partitions.length);
    const leader = metadata.image.broker(topic.partitions[index]?.leader ?? -1);
    if (leader === undefined) throw new WeirError('COORDINATOR_NOT_AVAILABLE', noLeaderMessage(topic, index));
    return leader.grpcAddress;
  }

  async #try<Request, Response>(
    groupId: string,
    method: Method<Request, Response>,
    request: Request,
    deadlineMs: number,
  ): Promise<{ readonly response: Response } | { readonly refused: Refusal }> {
    try {
      const address = await this.#coordinatorOf(groupId);
      const response = await this.#parts.connections
        .to(address)
        .call(method, request, { deadlineMs, connectMs: GROUP_CALL_MS });
      return { response };
    } catch (error) {
      if (error instanceof WeirError) return { refused: error };
      if (error instanceof TransportError) return { refused: error.failure };
      throw error;
    }
  }

  #createOffsetsTopic(): Promise<void> {
    this.#creating ??= this.#create().finally(() => (this.#creating = undefined));
    return this.#creating;
  }

  async #create(): Promise<void> {
    const { metadata } = this.#parts;
    await metadata.ready(METADATA_WAIT_MS);
    if (metadata.image.topic(OFFSETS_TOPIC) !== undefined) return;
    const { results } = await metadata.createTopics({ topics: [{ name: OFFSETS_TOPIC }], internal: true });
    const [result] = results;
    if (result?.code !== 'NONE' && result?.code !== 'TOPIC_ALREADY_EXISTS') {
      const message = `${OFFSETS_TOPIC} is not created: ${result?.message ?? 'the coordinator did not say why'}`;
      throw new WeirError('COORDINATOR_NOT_AVAILABLE', message);
    }
    await metadata.await(
      (image) => image.topic(OFFSETS_TOPIC),
      METADATA_WAIT_MS,
      () => ({ code: 'COORDINATOR_NOT_AVAILABLE', message: `${OFFSETS_TOPIC} is not known here yet` }),
    );
  }
}

/** An outcome as a refusal; undefined when it is none. A code that is not known here is UNKNOWN_SERVER_ERROR. */
export function refusalOf(outcome: WireOutcome | undefined): Refusal | undefined {
  if (outcome === undefined || outcome.code === 'NONE') return undefined;
  const { code, message } = outcome;
  return { code: isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR', message: message === '' ? code : message };
}

/** @throws WeirError for an outcome that is a refusal */
export function throwIfRefused(outcome: WireOutcome | undefined): void {
  const refused = refusalOf(outcome);
  if (refused !== undefined) throw new WeirError(refused.code, refused.message);
}

/** What was thrown, as a refusal. */
export function thrownRefusal(error: unknown): Refusal {
  return error instanceof WeirError ? error : { code: 'UNKNOWN_SERVER_ERROR', message: messageOf(error) };
}
