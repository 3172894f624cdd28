import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, WeirChild } from '../harness/weir-child.ts';

/** A service as `cluster.json` tells of it. */
export interface ServiceEntry {
  readonly kind: 'coordinator' | 'broker' | 'gateway';
  readonly id: string;
  readonly pid: number;
  readonly args: readonly string[];
  readonly grpc?: string;
  readonly kafka?: string;
  readonly http?: string;
  readonly ops: string;
}

const START_MS_MAX = 20_000;

/** A `weir dev` of real processes on free ports, with a data directory that lives until `remove`. */
export class DevCluster {
  readonly dataDirectory = mkdtempSync(join(tmpdir(), 'weir-dev-'));
  /** Variables that the process gets besides this one's. */
  readonly environment: Record<string, string> = {};
  readonly #extra: readonly string[];
  #process: WeirChild | undefined;
  #services: readonly ServiceEntry[] = [];

  /** `extra`: further words for `weir dev`, as `--separate`. */
  constructor(...extra: string[]) {
    this.#extra = extra;
  }

  /** Starts it, again after `kill` or `stop`; returns when it has said that it is ready. */
  async start(): Promise<this> {
    const words = ['dev', '--data-dir', this.dataDirectory, '--ports', 'auto', ...this.#extra];
    const child = new WeirChild(words, { environment: this.environment });
    this.#process = child;
    const separate = this.#extra.includes('--separate');
    this.#services = await child.ready(
      () =>
        readClusterFile(this.dataDirectory, (services) =>
          separate ? services.every(({ pid }) => isAlive(pid)) : services[0]?.pid === child.pid,
        ),
      START_MS_MAX,
    );
    return this;
  }

  get services(): readonly ServiceEntry[] {
    return this.#services;
  }

  service(kind: ServiceEntry['kind']): ServiceEntry {
    return this.#services.find((service) => service.kind === kind)!;
  }

  /** Base of the first gateway's addresses, as "http://127.0.0.1:4711". */
  get url(): string {
    return `http://${this.service('gateway').http}`;
  }

  get pid(): number {
    return this.#process!.pid;
  }

  /** All that it printed since its start. */
  get output(): string {
    return this.#process?.output ?? '';
  }

  /** SIGKILL, at once; returns when it is gone. */
  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }

  /** As Ctrl-C does; returns its exit code. */
  async stop(): Promise<number | null> {
    return (await this.#process?.end('SIGINT'))?.code ?? null;
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.dataDirectory, { recursive: true, force: true });
  }
}

/** The services of a `weir dev`; undefined while it is not ready. `isCurrent`: a killed predecessor left its file. */
export function readClusterFile(
  dataDirectory: string,
  isCurrent: (services: readonly ServiceEntry[]) => boolean,
): readonly ServiceEntry[] | undefined {
  try {
    const text = readFileSync(join(dataDirectory, 'cluster.json'), 'utf8');
    const { services } = JSON.parse(text) as { services: ServiceEntry[] };
    return isCurrent(services) ? services : undefined;
  } catch {
    return undefined;
  }
}
