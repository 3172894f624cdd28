import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readClusterFile } from '../../cluster/dev-cluster.ts';
import type { ServiceEntry } from '../../cluster/dev-cluster.ts';
import { WeirChild } from '../../harness/weir-child.ts';
import { freePort, isRunning, endAndWait } from './broker.ts';
import type { Broker, Flush } from './broker.ts';
import { atEnd, sendSignal, temporaryDirectory } from './children.ts';

const START_MS_MAX = 60_000;
const POLL_MS = 10;
const COMMAND = fileURLToPath(new URL('../../../bin/weir', import.meta.url));

/** How `weir dev` runs its services: each as a process of its own, or all in one. */
export type Shape = 'separate' | 'all-in-one';

/** Weir as `weir dev` starts it from this checkout, on free ports but for the one that Kafka clients reach. */
export class WeirBroker implements Broker {
  readonly name = 'Weir';
  readonly bootstrap: string;
  readonly #flush: Flush;
  readonly #shape: Shape;
  readonly #data = temporaryDirectory('weir-data');
  readonly #takeBack: () => void;
  #devPid: number | undefined;
  #services: readonly ServiceEntry[] = [];
  #again: WeirChild | undefined;

  private constructor(flush: Flush, shape: Shape, port: number) {
    this.#flush = flush;
    this.#shape = shape;
    this.bootstrap = `127.0.0.1:${port}`;
    this.#takeBack = atEnd(() => {
      for (const pid of this.#pids()) sendSignal(pid, 'SIGKILL');
    });
  }

  /** Nothing runs before `start`. */
  static async prepare(flush: Flush, shape: Shape = 'separate'): Promise<WeirBroker> {
    return new WeirBroker(flush, shape, await freePort());
  }

  get pid(): number {
    return this.#again?.pid ?? this.#service('broker').pid;
  }

  get workingPids(): readonly number[] {
    return [...new Set([this.pid, this.#service('coordinator').pid])];
  }

  get dataDirectory(): string {
    return this.#data.path;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await endAndWait([this.pid], signal);
  }

  async start(): Promise<number> {
    const launchedMs = Date.now();
    if (this.#services.length === 0) await this.#startDev();
    else this.#again = new WeirChild(this.#service('broker').args);
    return launchedMs;
  }

  async remove(): Promise<void> {
    await endAndWait(this.#pids(), 'SIGKILL');
    this.#takeBack();
    this.#data.remove();
  }

  async #startDev(): Promise<void> {
    const words = ['dev', '--data-dir', this.#data.path, '--ports', 'auto', '--broker.kafka-listen', this.bootstrap];
    if (this.#shape === 'separate') words.push('--separate');
    words.push('--broker.flush', this.#flush);
    const child = spawn(process.execPath, [COMMAND, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#devPid = child.pid;
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4_000)));
    const deadline = performance.now() + START_MS_MAX;
    for (;;) {
      const services = readClusterFile(this.#data.path, (all) => all.every(({ pid }) => isRunning(pid)));
      if (services !== undefined) {
        this.#services = services;
        return;
      }
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`weir ${words.join(' ')} is not ready (exit code ${child.exitCode ?? 'none'}):\n${errors}`);
      }
      await pause(POLL_MS);
    }
  }

  #service(kind: ServiceEntry['kind']): ServiceEntry {
    const found = this.#services.find((service) => service.kind === kind);
    if (found === undefined) throw new Error(`weir dev has started no ${kind}`);
    return found;
  }

  #pids(): readonly number[] {
    const children = [this.#devPid, ...this.#services.map(({ pid }) => pid), this.#again?.pid];
    return children.filter((pid): pid is number => pid !== undefined && pid > 0);
  }
}
