import { setTimeout as sleep } from 'node:timers/promises';
import { vi } from 'vitest';
import { messageOf } from '@weir/base/errors.ts';
import { revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { StoreFault } from '@weir/coordinator/store/metadata-store.ts';
import type { MetadataStore, TxnRequest, WatchLoss } from '@weir/coordinator/store/metadata-store.ts';
import { currentRevision, put, Recorder } from '@weir/coordinator/store/testing/store-test-kit.ts';

const COUNTER = '/counter';
const CHANGE = '/change';
/** An increment that has no answer for so long has none. */
const ANSWER_MS_MAX = 30_000;

/** What became of counting. */
interface Outcome {
  readonly stored: readonly string[];
  readonly told: readonly string[];
  readonly lost: WatchLoss | undefined;
}

/**
 * Counts up in a store, one compare-and-set after the other, as the coordinator writes: what has no answer is sent again
 * until it has one, and is told from others' writes by its change id. A watch looks on.
 */
export class SteadyCounter {
  readonly #store: MetadataStore;
  readonly #watch: Recorder;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #at: Revision;
  #error: Error | undefined;
  /** Increments that are certain. */
  counted = 0;
  /** Times that something was sent without an answer to it. */
  unanswered = 0;

  private constructor(store: MetadataStore, watch: Recorder, at: Revision) {
    this.#store = store;
    this.#watch = watch;
    this.#at = at;
    this.#running = this.#run().catch((error: unknown) => {
      this.#error = error instanceof Error ? error : new Error(messageOf(error));
    });
  }

  static async start(store: MetadataStore): Promise<SteadyCounter> {
    const watch = new Recorder(store, { prefix: COUNTER, after: await currentRevision(store) });
    return new SteadyCounter(store, watch, revision(0));
  }

  /** Waits until so many more were counted. */
  async more(count: number, timeoutMs = 30_000): Promise<void> {
    const goal = this.counted + count;
    try {
      await vi.waitUntil(() => this.counted >= goal || this.#error !== undefined, { interval: 5, timeout: timeoutMs });
    } catch {
      throw new Error(`only ${count - goal + this.counted} of ${count} were counted within ${timeoutMs} ms`);
    }
    if (this.#error !== undefined) throw this.#error;
  }

  /** Ends it; what is stored, and what the watch has told, each as it has to be. */
  async finish(): Promise<{ readonly found: Outcome; readonly expected: Outcome }> {
    this.#stop.abort();
    await this.#running;
    if (this.#error !== undefined) throw this.#error;
    const { items } = await this.#store.range({ prefix: COUNTER });
    await this.#watch.until(({ told, lost }) => told.length >= this.counted || lost !== undefined);
    this.#watch.close();
    const told = this.#watch.short.map(([, ...changes]) => changes.join());
    const found = {
      stored: items.map(({ value, version }) => `${value}, version ${version}`),
      told,
      lost: this.#watch.lost,
    };
    const expected = {
      stored: [`${this.counted}, version ${this.counted}`],
      told: Array.from({ length: this.counted }, (_, i) => `+${COUNTER}=${i + 1}`),
      lost: undefined,
    };
    return { found, expected };
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const change = String(this.counted + 1);
      this.#at = await this.#write(change, {
        compare: [{ key: COUNTER, target: 'modRevision', equals: this.#at }],
        success: [put(COUNTER, change), put(CHANGE, change)],
        failure: [{ kind: 'get', key: CHANGE }],
      });
      this.counted++;
      await sleep(5);
    }
  }

  async #write(change: string, request: TxnRequest): Promise<Revision> {
    for (const untilMs = performance.now() + ANSWER_MS_MAX; ;) {
      try {
        const { succeeded, revision: at, responses } = await this.#store.txn(request);
        if (succeeded) return at;
        const last = responses[0];
        if (last?.value === change) return last.modRevision;
        throw new Error(`change ${change} was not written, and ${last?.value} was`);
      } catch (error) {
        if (!(error instanceof StoreFault) || !error.retriable || performance.now() > untilMs) throw error;
        this.unanswered++;
        await sleep(20);
      }
    }
  }
}
