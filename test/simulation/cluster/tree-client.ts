import { WeirError } from '@weir/base/errors.ts';
import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';
import type { Chance } from '../engine/chance.ts';
import { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { simulatedWorld } from './world.ts';

const NAMES = 4;
/** Requests that wait for an answer, past which none is sent. */
const PENDING_MAX = 8;

/** A process that uses the namespace with the real client: it writes nodes, holds a session, and watches everything. */
export class TreeClient {
  readonly process: Process;
  readonly #parts: Parts;
  readonly #chance: Chance;
  readonly #client: NamespaceClient;
  #session: NamespaceSession | undefined;
  #isOpening = false;
  #isStopped = false;
  #operations = 0;
  #pending = 0;

  constructor(name: string, parts: Parts, coordinators: readonly string[]) {
    this.#parts = parts;
    this.process = new Process(name, parts.ground);
    this.#chance = parts.chanceFor(name);
    const { network, ground } = parts;
    const world = simulatedWorld(this.process, {
      network,
      chance: this.#chance,
      fatal: (error) => ground.violated(`${name} ends: ${error.message}`),
    });
    this.#client = new NamespaceClient({ coordinators, name }, world);
    this.process.whenDead(() => network.died(this.process));
    this.#watch();
    this.#next();
  }

  get operations(): number {
    return this.#operations;
  }

  /** Of the session that it has; undefined when it has none. */
  get sessionId(): string | undefined {
    return this.#session?.signal.aborted === false ? this.#session.id : undefined;
  }

  stop(): void {
    this.#isStopped = true;
  }

  #watch(): void {
    let check = this.#parts.checks.tree.watch(Infinity);
    this.#client.watch(
      { path: '/', kind: 'recursive' },
      {
        started: (revision) => {
          check = this.#parts.checks.tree.watch(revision);
        },
        events: (revision, events) => {
          this.#parts.sometimes.saw('a watch told of nodes');
          check.events(revision, events);
        },
        progress: (revision) => check.progress(revision),
        ended: () => {
          this.#parts.sometimes.saw('a watch was ended because its place was lost');
          this.#watch();
        },
      },
    );
  }

  #next(): void {
    this.process.clock.after(this.#chance.between(0, 2 * this.#parts.swarm.operationMs), () => {
      if (this.#isStopped) return;
      this.#next();
      if (this.#pending >= PENDING_MAX) return;
      this.#operations++;
      this.#pending++;
      this.#operation(`${this.process.name} ${this.#operations}`)
        .catch((error: unknown) => {
          if (error instanceof WeirError && error.code !== 'UNKNOWN_SERVER_ERROR') return;
          this.#parts.ground.violated(`${this.process.name} was answered ${String(error)}`);
        })
        .finally(() => this.#pending--);
    });
  }

  async #operation(text: string): Promise<void> {
    const chance = this.#chance;
    const path = `/app/${chance.whole(1, NAMES)}`;
    const { tree } = this.#parts.checks;
    const draw = chance.unit();
    if (draw < 0.1) {
      const { createRevision } = await this.#client.create('/app', text);
      tree.written('/app', { text, revision: createRevision });
    } else if (draw < 0.3) {
      const node = await this.#client.create('/app/item-', text, { sequential: true });
      tree.written(node.path, { text, revision: node.createRevision });
    } else if (draw < 0.6) await this.#hold(path, text);
    else if (draw < 0.8) {
      const { modRevision } = await this.#client.set(path, text);
      tree.written(path, { text, revision: modRevision });
    } else if (draw < 0.95) await this.#client.delete(path);
    else await this.#session?.close();
  }

  /** An ephemeral node, of a session that is opened when there is none. */
  async #hold(path: string, text: string): Promise<void> {
    if (this.sessionId === undefined) {
      if (this.#isOpening) return;
      this.#isOpening = true;
      try {
        this.#session = await this.#client.openSession();
      } finally {
        this.#isOpening = false;
      }
      this.#session.signal.addEventListener('abort', () => this.#parts.sometimes.saw('a client session was over'));
    }
    const session = this.#session!;
    const { createRevision } = await this.#client.create(path, text, { session });
    this.#parts.checks.tree.written(path, { text, revision: createRevision });
    this.#parts.sometimes.saw('an ephemeral node was created');
  }
}
