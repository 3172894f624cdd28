import type { Cancel, Clock } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import { WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { passesByItself } from './log-errors.ts';
import type { LogFault } from './log-writer-parts.ts';

/**
 * What a log does on the disk, by what becomes of a fault: for want of room or descriptors a step may be taken again; any
 * other fault is the log's end.
 */
export class DiskSteps {
  readonly #clock: Clock;
  readonly #fault: (error: DiskError, what: LogFault) => void;
  readonly #goOn: () => void;
  #cancel: Cancel | undefined;
  #why: string | undefined;

  /** @param goOn takes again what an `attempt` has left, WRITE_RETRY_MS later */
  constructor(clock: Clock, fault: (error: DiskError, what: LogFault) => void, goOn: () => void) {
    this.#clock = clock;
    this.#fault = fault;
    this.#goOn = goOn;
  }

  /** What is waited for; undefined: nothing is. */
  get stuckOn(): string | undefined {
    return this.#why;
  }

  /** Runs a step that can be taken again as it was, which happens by itself. Undefined: it was not done. */
  attempt<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (passesByItself(error)) this.#retryAfter(error);
      else this.#fault(error, 'append');
      return undefined;
    }
  }

  /** Runs a step that the caller can take again; but not a sync. */
  guard<T>(what: LogFault, act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (error instanceof DiskError && !(what === 'append' && passesByItself(error))) this.#fault(error, what);
      throw error;
    }
  }

  /** Runs a step that nobody can take again: half done, it is not what anybody takes it for. */
  once<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (error instanceof DiskError) this.#fault(error, 'append');
      throw error;
    }
  }

  /** Nothing is taken again. */
  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#why = undefined;
  }

  #retryAfter(error: DiskError): void {
    this.#why = error.message;
    this.#cancel ??= this.#clock.after(WRITE_RETRY_MS, () => {
      this.#cancel = undefined;
      this.#why = undefined;
      this.#goOn();
    });
  }
}
