import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readClusterFile } from '../../cluster/dev-cluster.ts';
import type { ServiceEntry } from '../../cluster/dev-cluster.ts';
import { WeirChild } from '../../harness/weir-child.ts';
import { freePort, isRunning, endAndWait } from './cluster.ts';
import type { Cluster, Shape } from './cluster.ts';
import { atEnd, sendSignal, temporaryDirectory } from './children.ts';

const START_MS_MAX = 60_000;
const POLL_MS = 10;
const COMMAND = fileURLToPath(new URL('../../../bin/weir', import.meta.url));

/** Weir as `weir dev` starts it from this checkout, on free ports but for the first that Kafka clients reach. */
export class WeirCluster implements Cluster {
  readonly name = 'Weir';
  readonly #shape: Shape;
  readonly #firstAddress: string;
  readonly #data = temporaryDirectory('weir-data');
  readonly #takeBack: () => void;
  #devPid: number | undefined;
  #services: readonly ServiceEntry[] = [];
  /** The brokers that were started again, by their ids. */
  readonly #again = new Map<number, WeirChild>();

  private constructor(shape: Shape, port: number) {
    this.#shape = shape;
    this.#firstAddress = `127.0.0.1:${port}`;
    this.#takeBack = atEnd(() => {
      for (const pid of this.#pids()) sendSignal(pid, 'SIGKILL');
    });
  }

  /** Nothing runs before `start`. */
  static async prepare(shape: Shape): Promise<WeirCluster> {
    return new WeirCluster(shape, await freePort());
  }

  get bootstrap(): string {
    const others = this.#brokers.slice(1).map(({ kafka }) => kafka);
    return [this.#firstAddress, ...others].join(',');
  }

  get pid(): number {
    return this.brokerPids[0] ?? -1;
  }

  get brokerPids(): readonly number[] {
    return this.#brokers.map(({ id, pid }) => this.#again.get(Number(id))?.pid ?? pid);
  }

  get workingPids(): readonly number[] {
    return [...new Set([...this.brokerPids, this.#coordinator.pid])];
  }

  get dataDirectory(): string {
    return this.#data.path;
  }

  /** Where native clients find it, host:port. */
  get coordinators(): readonly string[] {
    return [this.#coordinator.grpc!];
  }

  /** Where a broker tells its metrics, host:port. */
  opsAddress(brokerId: number): string {
    return this.#broker(brokerId).ops;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await endAndWait(this.brokerPids, signal);
  }

  /** Ends one of several brokers. */
  async endBroker(id: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await endAndWait([this.#again.get(id)?.pid ?? this.#broker(id).pid], signal);
  }

  async start(): Promise<number> {
    const launchedMs = Date.now();
    if (this.#services.length === 0) await this.#startDev();
    else for (const { id } of this.#brokers) this.startBroker(Number(id));
    return launchedMs;
  }

  /** Starts a broker on the data that it left; it is not ready yet. */
  startBroker(id: number): void {
    this.#again.set(id, new WeirChild(this.#broker(id).args));
  }

  async remove(): Promise<void> {
    await endAndWait(this.#pids(), 'SIGKILL');
    this.#takeBack();
    this.#data.remove();
  }

  async #startDev(): Promise<void> {
    const { brokers, flush, allInOne = false } = this.#shape;
    const words = ['dev', '--data-dir', this.#data.path, '--ports', 'auto', '--brokers', `${brokers}`];
    words.push('--broker.kafka-listen', this.#firstAddress, '--broker.flush', flush);
    if (!allInOne) words.push('--separate');
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

  get #coordinator(): ServiceEntry {
    const found = this.#services.find(({ kind }) => kind === 'coordinator');
    if (found === undefined) throw new Error('weir dev has started no coordinator');
    return found;
  }

  /** In the order of their ids; none before the start. */
  get #brokers(): readonly ServiceEntry[] {
    return this.#services.filter(({ kind }) => kind === 'broker').toSorted((a, b) => Number(a.id) - Number(b.id));
  }

  #broker(id: number): ServiceEntry {
    const found = this.#brokers.find((service) => service.id === String(id));
    if (found === undefined) throw new Error(`weir dev has started no broker ${id}`);
    return found;
  }

  #pids(): readonly number[] {
    const children = [
      this.#devPid,
      ...this.#services.map(({ pid }) => pid),
      ...[...this.#again.values()].map(({ pid }) => pid),
    ];
    return children.filter((pid): pid is number => pid !== undefined && pid > 0);
  }
}
