import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { ALERTS_FILE } from './rules.ts';
import { freePorts } from '../harness/free-ports.ts';

const START_MS_MAX = 20_000;

/** What Prometheus answers to a query. */
export interface QueryAnswer {
  /** What is wrong with the query, or undefined. */
  readonly error: string | undefined;
  /** How many series came back with a number: NaN, as of nothing divided by nothing, is none. */
  readonly series: number;
}

/** A real Prometheus that scrapes what it is told, several times a second. */
export class PrometheusServer {
  readonly #directory = mkdtempSync(join(tmpdir(), 'weir-prometheus-'));
  #child: ChildProcess | undefined;
  #output = '';
  #url = '';

  /** Starts it. `targets`: host:port by job. @throws Error with what it printed */
  async start(targets: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const config = join(this.#directory, 'prometheus.yaml');
    writeFileSync(
      config,
      stringify({
        global: { scrape_interval: '200ms', scrape_timeout: '200ms', evaluation_interval: '1s' },
        rule_files: [ALERTS_FILE],
        scrape_configs: [...targets].map(([job_name, addresses]) => ({
          job_name,
          static_configs: [{ targets: addresses }],
        })),
      }),
    );
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    this.#url = `http://${address}`;
    const words = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(this.#directory, 'data')}`,
      `--web.listen-address=${address}`,
    ];
    const child = spawn('prometheus', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    }
    const deadline = Date.now() + START_MS_MAX;
    while (!(await this.#isReady())) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`Prometheus is not ready:\n${this.#output}`);
      await pause(50);
    }
  }

  async query(expr: string): Promise<QueryAnswer> {
    const response = await fetch(`${this.#url}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams({ query: expr }),
    });
    const answer = (await response.json()) as { error?: string; data?: { result: { value: [number, string] }[] } };
    const numbers = answer.data?.result.filter(({ value: [, text] }) => text !== 'NaN') ?? [];
    return { error: answer.error, series: numbers.length };
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.#url}/-/ready`)).ok;
    } catch {
      return false;
    }
  }
}
