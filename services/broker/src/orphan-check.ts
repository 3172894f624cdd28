import type { Cancel, Clock } from '@weir/base/clock.ts';
import { ERRORS, messageOf, WeirError } from '@weir/base/errors.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { ORPHAN_CHECK_RETRY_MS, TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { TopicIdState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Logger } from '@weir/runtime/world.ts';

/** What the check needs. */
export interface OrphanCheckParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Topics with records on this broker that its image of the metadata lacks. */
  readonly orphans: () => readonly TopicId[];
  /**
   * Asks the active coordinator; the states come in the order of the ids.
   *
   * @throws WeirError (as a rejection)
   */
  readonly ask: (ids: readonly TopicId[]) => Promise<readonly TopicIdState[]>;
  /** The topic was deleted, for certain. */
  readonly deleted: (id: TopicId) => void;
}

/** Topics that one message names. */
const NAMED_MAX = 20;

/**
 * Finds out what became of topics that a snapshot lacks: it may come from a coordinator that has lost its store, or was
 * given an old one. Records are removed only where the coordinator says that the topic was deleted; a topic it has never
 * heard of keeps its folders, and somebody has to decide (rule 13 in docs/INVARIANTS.md).
 */
export class OrphanCheck {
  readonly #parts: OrphanCheckParts;
  #asking = false;
  /** Asked for while a check was under way. */
  #again = false;
  #cancelRetry: Cancel | undefined;
  #stopped = false;

  constructor(parts: OrphanCheckParts) {
    this.#parts = parts;
  }

  /** A snapshot has come. */
  check(): void {
    if (this.#stopped) return;
    this.#again = this.#asking;
    if (this.#asking) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const orphans = this.#parts.orphans();
    if (orphans.length === 0) return;
    this.#asking = true;
    this.#askAll(orphans)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#asking = false;
        if (this.#again) this.check();
      });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
  }

  async #askAll(orphans: readonly TopicId[]): Promise<void> {
    const unknown: TopicId[] = [];
    let deleted = 0;
    for (let i = 0; i < orphans.length; i += TOPICS_PER_REQUEST_MAX) {
      const ids = orphans.slice(i, i + TOPICS_PER_REQUEST_MAX);
      const states = await this.#parts.ask(ids);
      if (this.#stopped) return;
      for (const [k, id] of ids.entries()) {
        if (states[k] === TopicIdState.DELETED) {
          deleted++;
          this.#parts.deleted(id);
        } else if (states[k] !== TopicIdState.EXISTS) {
          // One that exists is on its way to the image.
          unknown.push(id);
        }
      }
    }
    const { logger } = this.#parts;
    if (deleted > 0) logger.info({ topics: deleted }, 'topics were deleted while this broker was away: removing them');
    if (unknown.length === 0) return;
    logger.warn(
      { topics: unknown.length, ids: unknown.slice(0, NAMED_MAX) },
      'the coordinator has never heard of topics that this broker has records of: their folders stay, unserved. ' +
        'Has it lost its store? If the records are not wanted, stop the broker and remove the folders by hand',
    );
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    const retriable = error instanceof WeirError && ERRORS[error.code].retriable;
    this.#parts.logger[retriable ? 'debug' : 'warn'](
      { err: error },
      `the coordinator does not say what became of topics that its metadata lacks: ${messageOf(error)}`,
    );
    // Else the next snapshot asks again.
    if (retriable) this.#cancelRetry = this.#parts.clock.after(ORPHAN_CHECK_RETRY_MS, () => this.check());
  }
}
