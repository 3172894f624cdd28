import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { pipeToWeir } from './pipe.ts';
import type { Piped } from './pipe.ts';
import { Searcher } from './searcher.ts';
import type { LogSource } from './source.ts';

const PARTITIONS = 6;
const SEARCHERS = 3;
const READY_MS_MAX = 3_000;
/** Within this the group shares out, and has read all that is there. */
const SETTLE_MS_MAX = 30_000;
const LOOK_MS = 50;

/** What is searched, and where. */
export interface LogSearchSettings {
  /** host:port, with commas in between. */
  readonly coordinators: string;
  readonly source: LogSource;
  readonly pattern: RegExp;
  /** Lines that are printed; all are counted. */
  readonly show: number;
  /** Leaves topic and group there for a look. */
  readonly keep: boolean;
  readonly say: (line: string) => void;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** A log goes through `weir produce` into a topic, which a group searches. */
export class LogSearch {
  readonly #settings: LogSearchSettings;
  readonly #topic: string;
  readonly #group: string;
  readonly #clients: Client[] = [];
  readonly #searchers: Searcher[] = [];
  /** Places of lines, each once. After a member has gone without a commit a line comes again, to somebody else. */
  readonly #read = new Set<string>();
  readonly #found = new Set<string>();
  #twice = 0;

  constructor(settings: LogSearchSettings) {
    // Each run has a topic of its own.
    const run = Date.now().toString(36);
    this.#settings = settings;
    this.#topic = `logs-${run}`;
    this.#group = `logs-search-${run}`;
  }

  /** From the topic to the comparison with what went through the pipe. However it ends, nothing of it is left. */
  async run(): Promise<{ readonly problems: readonly string[] }> {
    const { source, pattern, coordinators, say, signal } = this.#settings;
    const admin = await this.#connect('logs');
    try {
      await this.#createTopic(admin);
      await this.#startSearchers(admin);
      say(`${source.title} | weir produce ${this.#topic}, which ${SEARCHERS} searchers read for ${String(pattern)}:`);
      const beganMs = performance.now();
      const piped = await pipeToWeir(source.open(), { topic: this.#topic, coordinators, pattern }, signal);
      const producedMs = performance.now();
      await this.#until('the searchers to read all lines', () => this.#read.size >= piped.lines);
      const readMs = performance.now();
      await this.#stopSearchers();
      this.#tell(piped, { produced: producedMs - beganMs, read: readMs - beganMs });
      return { problems: this.#problems(piped) };
    } finally {
      await this.#stopSearchers();
      await Promise.all(this.#clients.filter((client) => client !== admin).map((client) => client.close()));
      if (!this.#settings.keep) await this.#cleanUp(admin);
      await admin.close();
    }
  }

  async #connect(name: string): Promise<Client> {
    const { coordinators } = this.#settings;
    const client = new Client({ coordinators: coordinators.split(','), name }, clientWorld);
    this.#clients.push(client);
    await client.ready(READY_MS_MAX).catch(async (error: unknown) => {
      await client.close();
      throw new Error(`no coordinator answers at ${coordinators}: start one with "npm start"`, { cause: error });
    });
    return client;
  }

  async #createTopic(admin: Client): Promise<void> {
    const [created] = await admin.createTopics([{ name: this.#topic, partitions: PARTITIONS }]);
    if (created?.refusal !== undefined) throw new Error(`${this.#topic} was not created: ${created.refusal.message}`);
  }

  async #startSearchers(admin: Client): Promise<void> {
    const search = { group: this.#group, topic: this.#topic, pattern: this.#settings.pattern };
    for (let i = 1; i <= SEARCHERS; i++) {
      const name = `searcher-${i}`;
      const searcher = new Searcher(name, await this.#connect(name), search, {
        read: ({ partition, record }) => {
          const place = `${partition} ${record.offset}`;
          if (this.#read.has(place)) this.#twice++;
          this.#read.add(place);
        },
        found: (line, { partition, record }) => {
          this.#found.add(`${partition} ${record.offset}`);
          if (this.#found.size <= this.#settings.show) this.#settings.say(`  ${name}: ${line}`);
        },
      });
      this.#searchers.push(searcher);
    }
    await this.#until('the group to share out', async () => {
      const { members } = await admin.groups.describe(this.#group).catch(() => ({ members: [] }));
      return members.length === SEARCHERS && members.every(({ assignment }) => assignment.length > 0);
    });
  }

  async #until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    while (!(await isSo())) {
      for (const { name, failure } of this.#searchers) {
        if (failure !== undefined) throw new Error(`${name} cannot go on: ${messageOf(failure)}`, { cause: failure });
      }
      if (performance.now() > deadlineMs) throw new Error(`it takes more than ${SETTLE_MS_MAX} ms for ${what}`);
      await pause(LOOK_MS, undefined, { signal: this.#settings.signal });
    }
  }

  async #stopSearchers(): Promise<void> {
    await Promise.all(this.#searchers.map((searcher) => searcher.stop()));
  }

  #tell({ bytes, lines }: Piped, ms: { readonly produced: number; readonly read: number }): void {
    const { say, show } = this.#settings;
    if (this.#found.size > show) say(`  and ${this.#found.size - show} more (--show N prints more of them)`);
    const each = this.#searchers.map((searcher) => `${searcher.name} ${searcher.lines}`).join(', ');
    say(
      `${lines} lines (${(bytes / 1024).toFixed(0)} KiB) were acknowledged after ${(ms.produced / 1000).toFixed(2)} s`,
    );
    say(`${this.#read.size} were read after ${(ms.read / 1000).toFixed(2)} s (${each}), ${this.#twice} of them twice`);
    say(`${this.#found.size} match`);
  }

  #problems({ lines, matches }: Piped): string[] {
    const problems: string[] = [];
    if (this.#read.size !== lines) problems.push(`${this.#read.size} lines were read, and ${lines} went in`);
    if (this.#found.size !== matches) problems.push(`${this.#found.size} lines were found, and ${matches} went in`);
    return problems;
  }

  async #cleanUp(admin: Client): Promise<void> {
    try {
      await admin.deleteTopics([this.#topic]);
      await admin.groups.delete(this.#group);
    } catch (error) {
      this.#settings.say(`of ${this.#topic} and ${this.#group} something is left: ${messageOf(error)}`);
    }
  }
}
