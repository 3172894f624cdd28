import { WeirError } from '@weir/base/errors.ts';
import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';
import type { NodeStat } from '@weir/client/namespace/tree-node.ts';
import type { Chance } from '../engine/chance.ts';
import { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import type { Swarm } from '../swarm.ts';
import { simulatedWorld } from './world.ts';

const NAMES = 4;
/** Requests that wait for an answer, past which none is sent. */
const PENDING_MAX = 8;

/** A process that uses the namespace with the real client: it writes and reads nodes, holds a session, and watches everything. */
export class TreeClient {
  readonly process: Process;
  readonly #parts: Parts<Swarm>;
  readonly #chance: Chance;
  readonly #client: NamespaceClient;
  #session: NamespaceSession | undefined;
  #isOpening = false;
  #isStopped = false;
  #operations = 0;
  #pending = 0;
  /** The newest revision of which it was told anything. */
  #toldRevision = 0;

  constructor(name: string, parts: Parts<Swarm>, coordinators: readonly string[]) {
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
          this.#told(revision);
        },
        progress: (revision) => {
          check.progress(revision);
          this.#told(revision);
        },
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
    const draw = chance.unit();
    if (draw < 0.1) this.#written(await this.#client.create('/app', text), text);
    else if (draw < 0.25) this.#written(await this.#client.create('/app/item-', text, { sequential: true }), text);
    else if (draw < 0.5) await this.#hold(path, text);
    else if (draw < 0.65) this.#written(await this.#client.set(path, text), text);
    else if (draw < 0.75) await this.#client.delete(path);
    else if (draw < 0.95) await this.#read(path);
    else await this.#close();
  }

  async #close(): Promise<void> {
    if (this.sessionId !== undefined) this.#parts.checks.clientSessions.wanted(this.sessionId, false);
    await this.#session?.close();
  }

  #written({ path, modRevision }: NodeStat, text: string): void {
    this.#parts.checks.tree.written(path, { text, revision: modRevision });
    this.#told(modRevision);
  }

  async #read(path: string): Promise<void> {
    const leastRevision = this.#toldRevision;
    const { revision, node } = await this.#client.exists(path);
    this.#parts.checks.tree.read(path, { revision, modRevision: node?.modRevision ?? 0, leastRevision });
    this.#told(revision);
  }

  #told(revision: number): void {
    this.#toldRevision = Math.max(this.#toldRevision, revision);
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
      this.#parts.checks.clientSessions.wanted(this.#session.id, true);
      this.#session.signal.addEventListener('abort', () => this.#parts.sometimes.saw('a client session was over'));
    }
    const session = this.#session!;
    this.#written(await this.#client.create(path, text, { session }), text);
    this.#parts.sometimes.saw('an ephemeral node was created');
  }
}
