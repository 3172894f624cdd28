import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, WeirError } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { WeirChild } from '../../harness/weir-child.ts';

const COUNTER = '/counter';
const LIVE_SESSIONS = 8;
const START_MS_MAX = 30_000;
/** Between two sessions that are left to die. */
const MORTAL_EVERY_MS = 1_500;
/** A change that has no answer for so long has none. */
const ANSWER_MS_MAX = 60_000;

/** A session that was left without a word, and when others saw its node go. */
interface Mortal {
  readonly path: string;
  readonly leftMs: number;
  goneMs: number | undefined;
}

/**
 * A steady load of metadata changes and sessions, a broker's among them, with what has to be true of it: what was acknowledged stays, nodes of
 * sessions that heartbeat do too, those of sessions that were left go in time, and a watch tells every change once.
 */
export class SteadyLoad {
  readonly #client: NamespaceClient;
  readonly #looksOn: NamespaceClient;
  readonly #admin: Client;
  readonly #broker: WeirChild;
  readonly #directory = mkdtempSync(join(tmpdir(), 'weir-load-'));
  readonly #stop = new AbortController();
  readonly #sessions: NamespaceSession[] = [];
  readonly #mortals: Mortal[] = [];
  readonly #told: string[] = [];
  readonly #wrong: string[] = [];
  readonly #topics: string[] = [];
  #counted = 0;
  #running: Promise<unknown> = Promise.resolve();
  /** What ended a part of it that was to go on. */
  #ended: unknown;
  /** The last failure after which a change was asked for again. */
  #uncertain: unknown;

  private constructor(coordinators: readonly string[]) {
    this.#client = new NamespaceClient({ coordinators, name: 'load', waitMs: ANSWER_MS_MAX }, clientWorld);
    this.#looksOn = new NamespaceClient({ coordinators, name: 'onlooker', waitMs: ANSWER_MS_MAX }, clientWorld);
    this.#admin = new Client({ coordinators, name: 'admin' }, clientWorld);
    const listeners = ['grpc', 'kafka', 'replication', 'ops'].flatMap((name) => [`--${name}-listen`, '127.0.0.1:0']);
    const words = ['broker', '--coordinators', coordinators.join(), '--data-dir', this.#directory, ...listeners];
    this.#broker = new WeirChild(words);
  }

  static async start(coordinators: readonly string[]): Promise<SteadyLoad> {
    const load = new SteadyLoad(coordinators);
    await load.#begin();
    return load;
  }

  /** Changes of the counter that are certain. */
  get counted(): number {
    return this.#counted;
  }

  /** What the broker has printed last. */
  report(): string {
    return `broker:\n${this.#broker.output.slice(-3_000)}`;
  }

  /** Waits for so many more changes. */
  async more(count: number, withinMs: number): Promise<void> {
    const goal = this.#counted + count;
    const untilMs = performance.now() + withinMs;
    while (this.#counted < goal) {
      if (this.#ended !== undefined) throw new Error('the load ended', { cause: this.#ended });
      if (performance.now() > untilMs) {
        const made = count - goal + this.#counted;
        const last = messageOf(this.#uncertain);
        throw new Error(`only ${made} of ${count} changes were made within ${withinMs} ms; the last failure: ${last}`);
      }
      await sleep(10);
    }
  }

  /** Ends it, and tells all that did not hold: nothing, if everything did. */
  async finish({ mortalMsMax }: { readonly mortalMsMax: number }): Promise<readonly string[]> {
    this.#stop.abort();
    await this.#running;
    const untilMs = performance.now() + mortalMsMax;
    while (this.#mortals.some(({ goneMs }) => goneMs === undefined) && performance.now() < untilMs) await sleep(50);
    for (const { path, leftMs, goneMs } of this.#mortals) {
      const lived = (goneMs ?? Infinity) - leftMs;
      if (lived > mortalMsMax) this.#wrong.push(`${path} outlived its session by ${Math.round(lived)} ms`);
    }
    for (const [i, session] of this.#sessions.entries()) {
      if (session.signal.aborted) this.#wrong.push(`session ${i} is lost: ${messageOf(session.signal.reason)}`);
    }
    const { names } = await this.#client.children('/live');
    if (names.length !== LIVE_SESSIONS) this.#wrong.push(`${names.length} of ${LIVE_SESSIONS} live nodes are there`);
    const { node } = await this.#client.get(COUNTER);
    if (node.version !== this.#counted)
      this.#wrong.push(`the counter is at ${node.version}, and ${this.#counted} were counted`);
    await this.#untilTold();
    const expected = Array.from({ length: this.#counted }, (_, i) => String(i + 1));
    const firstWrong = expected.findIndex((value, i) => this.#told[i] !== value);
    if (firstWrong !== -1 || this.#told.length !== expected.length) {
      const around = this.#told.slice(Math.max(0, firstWrong - 2), firstWrong + 3);
      this.#wrong.push(
        `the watch told ${this.#told.length} of ${expected.length} changes, at ${firstWrong}: ${around.join()}`,
      );
    }
    const { names: kept } = await this.#client.children('/brokers/topics');
    const lost = this.#topics.filter((topic) => !kept.includes(topic));
    if (lost.length > 0) this.#wrong.push(`topics that were acknowledged are not there: ${lost.join()}`);
    if (this.#topics.length === 0) this.#wrong.push('no topic was created');
    if (this.#mortals.length === 0) this.#wrong.push('no session was left');
    return this.#wrong;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const session of this.#sessions) session.abandon('the test is over');
    await Promise.all([this.#client.close(), this.#looksOn.close(), this.#admin.close(), this.#broker.end('SIGKILL')]);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #begin(): Promise<void> {
    for (const path of [COUNTER, '/live', '/mortal']) await this.#client.create(path);
    for (let i = 0; i < LIVE_SESSIONS; i++) {
      const session = await this.#client.openSession({ timeoutMs: ANSWER_MS_MAX });
      await this.#client.create(`/live/${i}`, '', { session });
      this.#sessions.push(session);
    }
    await Promise.all([this.#watchCounter(), this.#watchLive(), this.#watchMortal()]);
    // Whoever is cut off while it registers cannot know that it has, and does so again.
    await this.#broker.ready(
      () => this.#broker.output.includes('registered with the coordinator') || undefined,
      START_MS_MAX,
    );
    this.#running = Promise.all([this.#count(), this.#createTopics(), this.#leaveSessions()]).catch(
      (error: unknown) => {
        this.#ended = error;
        this.#wrong.push(`the load ended: ${messageOf(error)}`);
      },
    );
  }

  #watchCounter(): Promise<void> {
    return this.#watch(COUNTER, 'data', ({ data }) => void this.#told.push(Buffer.from(data).toString()));
  }

  #watchLive(): Promise<void> {
    return this.#watch('/live', 'children', ({ kind, path }) => {
      if (kind === 'deleted') this.#wrong.push(`${path} went while its session had heartbeats`);
    });
  }

  #watchMortal(): Promise<void> {
    return this.#watch('/mortal', 'children', ({ kind, path }) => {
      const mortal = this.#mortals.find((one) => one.path === path);
      if (kind === 'deleted' && mortal !== undefined) mortal.goneMs = performance.now();
    });
  }

  #watch(
    path: string,
    kind: 'data' | 'children',
    tell: (event: { readonly kind: string; readonly path: string; readonly data: Uint8Array }) => void,
  ): Promise<void> {
    return new Promise((resolve) => {
      this.#looksOn.watch(
        { path, kind },
        {
          started: () => resolve(),
          events: (_revision, events) => {
            for (const event of events) {
              tell({
                kind: event.kind,
                path: event.path,
                data: event.kind === 'deleted' ? new Uint8Array() : event.node.data,
              });
            }
          },
          ended: ({ code, message }) => void this.#wrong.push(`the watch of ${path} ended: ${code}, ${message}`),
        },
      );
    });
  }

  /** What has no answer is asked again with the same version, until it has one: then it was done, or somebody else has. */
  async #count(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const value = String(this.#counted + 1);
      await this.#certain(async () => {
        try {
          await this.#client.set(COUNTER, value, { version: this.#counted });
        } catch (error) {
          const isOther = error instanceof WeirError && error.code === 'BAD_VERSION';
          if (!isOther || Buffer.from((await this.#client.get(COUNTER)).node.data).toString() !== value) throw error;
        }
      });
      this.#counted++;
      await sleep(10);
    }
  }

  async #createTopics(): Promise<void> {
    for (let i = 0; !this.#stop.signal.aborted; i++) {
      const name = `topic-${i}`;
      try {
        const [created] = await this.#admin.createTopics([{ name, partitions: 1 }]);
        // Before the broker has registered there is nobody to have them.
        if (created?.refusal === undefined) this.#topics.push(name);
      } catch (error) {
        if (!isUncertain(error)) throw error;
      }
      await sleep(200);
    }
  }

  async #leaveSessions(): Promise<void> {
    for (let i = 0; !this.#stop.signal.aborted; i++) {
      const path = `/mortal/${i}`;
      try {
        const session = await this.#client.openSession({ timeoutMs: ANSWER_MS_MAX });
        const mortal = { path, leftMs: Infinity, goneMs: undefined };
        this.#mortals.push(mortal);
        await this.#client.create(path, '', { session });
        session.abandon('left');
        mortal.leftMs = performance.now();
      } catch (error) {
        // Whether it was made is not known: it is none that is looked at.
        this.#mortals.splice(this.#mortals.findIndex((one) => one.path === path) >>> 0, 1);
        if (!isUncertain(error)) throw error;
      }
      await sleep(MORTAL_EVERY_MS);
    }
  }

  async #certain(act: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!isUncertain(error)) throw error;
        this.#uncertain = error;
      }
    }
  }

  async #untilTold(): Promise<void> {
    const untilMs = performance.now() + 15_000;
    while (this.#told.length < this.#counted && performance.now() < untilMs) await sleep(50);
  }
}

/** Whether what was asked may have been done, or can be asked again. */
function isUncertain(error: unknown): boolean {
  return error instanceof WeirError && error.retriable;
}
