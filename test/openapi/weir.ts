import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WeirChild } from '../harness/weir-child.ts';

const START_MS_MAX = 60_000;
const READY_MS_MAX = 10_000;
/** Of the whole process: about twice what a run takes. What grows with each request goes past it. */
const MEMORY_BYTES_MAX = 512 * 1024 * 1024;
/** pino's number for errors. */
const ERROR_LEVEL = 50;
const LINES_SHOWN_MAX = 5;

/** `weir dev` of this checkout, on a directory that goes with it. */
export class Weir {
  /** Of the gateway. */
  readonly url: string;
  readonly #child: WeirChild;
  readonly #directory: string;
  /** Of all its services. */
  readonly #opsUrls: readonly string[];

  private constructor(child: WeirChild, directory: string, services: readonly Service[]) {
    this.#child = child;
    this.#directory = directory;
    this.url = `http://${services.find(({ kind }) => kind === 'gateway')?.http}`;
    this.#opsUrls = services.map(({ ops }) => `http://${ops}`);
  }

  /** @throws Error when it does not become ready */
  static async start(): Promise<Weir> {
    const directory = mkdtempSync(join(tmpdir(), 'weir-openapi-'));
    const child = new WeirChild(['dev', '--ports', 'auto', '--data-dir', directory]);
    const file = join(directory, 'cluster.json');
    await child.ready(() => existsSync(file) || undefined, START_MS_MAX);
    const { services } = JSON.parse(readFileSync(file, 'utf8')) as { services: Service[] };
    const weir = new Weir(child, directory, services);
    await child.ready(async () => (await weir.#notReady()).length === 0 || undefined, START_MS_MAX);
    return weir;
  }

  /** What is wrong with it after all that it was sent. */
  async problems(say: (line: string) => void): Promise<readonly string[]> {
    const { ended } = this.#child;
    if (ended !== undefined) return [`weir dev ended with ${ended.code ?? ended.signal}:\n${this.#child.output}`];
    const problems = (await this.#notReady()).map((url) => `${url} does not say that it is ready`);
    const bytes = peakMemory(this.#child.pid);
    if (bytes === undefined) say('memory: unknown without /proc');
    else {
      say(`memory at most: ${mebibytes(bytes)}, allowed are ${mebibytes(MEMORY_BYTES_MAX)}`);
      if (bytes > MEMORY_BYTES_MAX) problems.push(`weir dev has taken ${mebibytes(bytes)}`);
    }
    const errors = this.#child.output.split('\n').filter(isError);
    say(`lines of level error in the log: ${errors.length}`);
    problems.push(...errors.slice(0, LINES_SHOWN_MAX));
    if (errors.some((line) => line.includes('did nothing for'))) say('the machine may have been busy: run it alone');
    return problems;
  }

  async stop(): Promise<void> {
    await this.#child.end('SIGTERM');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Which of the gateway and the services do not say that they are ready. */
  async #notReady(): Promise<readonly string[]> {
    const asked = [`${this.url}/ready`, ...this.#opsUrls.map((url) => `${url}/readyz`)];
    const ready = await Promise.all(asked.map(isReady));
    return asked.filter((_, i) => !ready[i]);
  }
}

interface Service {
  readonly kind: string;
  readonly ops: string;
  readonly http?: string;
}

async function isReady(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(READY_MS_MAX) }).catch(() => undefined);
  return response?.ok === true;
}

/** Undefined where the system does not say. */
function peakMemory(pid: number): number | undefined {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return undefined;
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(file, 'utf8'));
  return match === null ? undefined : Number(match[1]) * 1024;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function isError(line: string): boolean {
  if (!line.startsWith('{')) return false;
  const { level } = JSON.parse(line) as { level?: number };
  return level !== undefined && level >= ERROR_LEVEL;
}
