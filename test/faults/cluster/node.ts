import { writeFileSync } from 'node:fs';
import { http } from '../../cluster/http-client.ts';
import type { Answer } from '../../cluster/http-client.ts';
import type { ServiceKind } from '../../harness/cluster.ts';
import { WeirChild } from '../../harness/weir-child.ts';
import type { Ending } from '../../harness/weir-child.ts';
import type { Place } from './network.ts';

/** A start that recovers logs and is refused for a while because an old session lives. */
const START_MS_MAX = 90_000;
/** What Kubernetes gives by default. */
const STOP_MS_MAX = 30_000;
const OPS_ANSWER_MS_MAX = 2_000;

/** What a node is made of. */
export interface NodeSpec {
  readonly kind: ServiceKind;
  readonly id: string;
  readonly place: Place;
  /** Without kind, id and ops port. */
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** On its place's address; services of one place have different ones. */
  readonly opsPort: number;
}

/** One service of a cluster, a process that comes back at the same place. */
export class Node {
  readonly place: Place;
  readonly name: string;
  readonly #spec: NodeSpec;
  #child: WeirChild | undefined;
  #earlierOutput = '';

  constructor(spec: NodeSpec) {
    this.#spec = spec;
    this.place = spec.place;
    this.name = `${spec.kind} ${spec.id}`;
  }

  get id(): number {
    return Number(this.#spec.id);
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.ended === undefined;
  }

  /** All that it has printed, over its starts. */
  get output(): string {
    return this.#earlierOutput + (this.#child?.output ?? '');
  }

  /** Starts it; returns when it is ready, if that is waited for. @throws StartFailure */
  async start({ isReadyAwaited = true } = {}): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    this.#earlierOutput = this.output;
    const { kind, id, place, words, environment } = this.#spec;
    const common = [kind, '--id', id, '--ops-listen', this.#ops, '--insecure', 'true'];
    const child = new WeirChild([...common, ...words], { environment, runner: place.runner });
    this.#child = child;
    if (!isReadyAwaited) return;
    await child.ready(async () => ((await this.ops('/readyz'))?.status === 200 ? true : undefined), START_MS_MAX);
  }

  /** What it answers on its ops port; undefined: nothing. */
  async ops(path: string): Promise<Answer | undefined> {
    return http(`http://${this.#ops}${path}`, { timeoutMs: OPS_ANSWER_MS_MAX }).catch(() => undefined);
  }

  /** SIGKILL; returns when it is gone. */
  async kill(): Promise<void> {
    await this.#child?.end('SIGKILL');
  }

  /** SIGTERM, and SIGKILL when that takes too long; how it ended. */
  async stop(): Promise<Ending | undefined> {
    const child = this.#child;
    const late = setTimeout(() => child?.signal('SIGKILL'), STOP_MS_MAX);
    const ending = await child?.end('SIGTERM');
    clearTimeout(late);
    return ending;
  }

  /** Every thread of it stands still; its connections stay. */
  pause(): void {
    this.#child?.signal('SIGSTOP');
  }

  resume(): void {
    this.#child?.signal('SIGCONT');
  }

  /** How it has ended by itself, once it has. */
  get ending(): Promise<Ending> {
    if (this.#child === undefined) throw new Error(`${this.name} was never started`);
    return this.#child.ending;
  }

  get #ops(): string {
    return `${this.place.address}:${this.#spec.opsPort}`;
  }

  writeOutput(path: string): void {
    writeFileSync(path, this.output);
  }
}
