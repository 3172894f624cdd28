import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { ERRORS, messageOf, WeirError } from '@weir/base/errors.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import { DOUBT_RETRY_MS, DOUBTS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { ReportDoubtfulReplicasRequestSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  ReportDoubtfulReplicaResult,
  ReportDoubtfulReplicasRequest,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Logger } from '@weir/runtime/world.ts';
import type { DoubtToReport } from './partition/doubts.ts';
import { DOUBT_REASONS } from './registration.ts';

/** What reporting doubtful replicas needs. */
export interface DoubtReporterParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly brokerId: number;
  /** This broker's epoch; undefined while it is not registered. */
  readonly brokerEpoch: () => number | undefined;
  /** What the coordinator has to be told, as the metadata stands. */
  readonly toReport: () => readonly DoubtToReport[];
  /** @throws WeirError (as a rejection) when the coordinator did not answer, or refused the whole request */
  readonly ask: (request: ReportDoubtfulReplicasRequest) => Promise<readonly ReportDoubtfulReplicaResult[]>;
}

/**
 * Tells the coordinator of replicas that became doubtful under this registration, until the metadata shows that nobody counts on
 * them. What is to be told is asked anew each time: no answer matters, and none that is lost.
 */
export class DoubtReporter {
  readonly #parts: DoubtReporterParts;
  #isDue = false;
  #isAsking = false;
  #cancelRetry: Cancel | undefined;
  #isStopped = false;

  constructor(parts: DoubtReporterParts) {
    this.#parts = parts;
  }

  /** There may be something to tell: that is found out at the end of the turn. */
  look(): void {
    if (this.#isDue || this.#isStopped) return;
    this.#isDue = true;
    this.#parts.clock.endOfTurn(() => {
      this.#isDue = false;
      this.#tell();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry?.();
  }

  #tell(): void {
    const { ask, brokerEpoch, brokerId, toReport } = this.#parts;
    const epoch = brokerEpoch();
    // A registration lists them, and brings metadata.
    if (this.#isAsking || this.#isStopped || epoch === undefined) return;
    const doubts = toReport().slice(0, DOUBTS_PER_REQUEST_MAX);
    if (doubts.length === 0) return;
    const replicas = doubts.map(({ key, doubt, spokeIn, partitionEpoch }) => ({
      topicId: uuidToBytes(key.topicId),
      partition: key.index,
      reason: DOUBT_REASONS[doubt],
      leaderEpoch: spokeIn,
      partitionEpoch,
    }));
    this.#isAsking = true;
    const request = { brokerId, brokerEpoch: BigInt(epoch), replicas };
    ask(create(ReportDoubtfulReplicasRequestSchema, request))
      .then(
        (results) => this.#answered(results),
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#isAsking = false;
        this.#lookLater();
      });
  }

  #answered(results: readonly ReportDoubtfulReplicaResult[]): void {
    const refused = results.find(({ code }) => code !== 'NONE');
    // The metadata is ahead of what was told: it says so, and is looked at again.
    if (refused !== undefined) this.#parts.logger.debug({ code: refused.code }, `not taken yet: ${refused.message}`);
  }

  #failed(error: unknown): void {
    const passes = error instanceof WeirError && ERRORS[error.code].retriable;
    this.#parts.logger[passes ? 'debug' : 'warn'](
      { err: error },
      `the coordinator cannot be told of damaged replicas, trying again: ${messageOf(error)}`,
    );
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    this.#cancelRetry ??= this.#parts.clock.after(DOUBT_RETRY_MS, () => {
      this.#cancelRetry = undefined;
      this.look();
    });
  }
}
