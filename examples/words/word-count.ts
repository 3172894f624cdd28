import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { CounterProcess } from './counter-process.ts';
import type { WordCount } from './counts.ts';
import { GROUPS, LINE_PARTITIONS, WORD_PARTITIONS } from './places.ts';
import type { Topics } from './places.ts';
import { Splitter } from './splitter.ts';
import { readTable } from './table.ts';
import { lineOf, wordsOf } from './text.ts';

const LINES = 3_000;
const LINES_AT_A_TIME = 100;
const SEND_PAUSE_MS = 30;
/** Of the words of the counter that crashes, which has about half of them: in the middle. */
const CRASH_AFTER_WORDS = 5_000;
const READY_MS_MAX = 3_000;
/** A group may take so long to share out its partitions, or to read what there is. */
const SETTLE_MS_MAX = 30_000;
const LOOK_MS = 100;

/** Where it runs, and with whom. */
export interface WordCountSettings {
  readonly coordinators: readonly string[];
  /** Leaves topics and groups there for a look. */
  readonly keep: boolean;
  readonly say: (line: string) => void;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** The counts, beside those of the text. */
export interface WordCountReport {
  /** Different ones. */
  readonly words: number;
  /** All of them. */
  readonly total: number;
  /** Words that were read again after the crash, and not counted again. */
  readonly recognised: number;
  readonly topWords: readonly (readonly [word: string, count: number])[];
  /** Whatever is not as it must be; empty when all is well. */
  readonly problems: readonly string[];
}

/** Lines in, counts out: two splitters in this process, and two counters in processes of their own, one of which crashes. */
export class WordCountRun {
  readonly #settings: WordCountSettings;
  readonly #topics: Topics;
  readonly #clients: Client[] = [];
  readonly #splitters: Splitter[] = [];
  readonly #counters: CounterProcess[] = [];
  readonly #beganMs = performance.now();

  constructor(settings: WordCountSettings) {
    // Each run has topics of its own.
    const run = Date.now().toString(36);
    this.#settings = settings;
    this.#topics = { lines: `lines-${run}`, words: `words-${run}`, counts: `word-counts-${run}` };
  }

  /** From the first topic to the comparison. However it ends, nothing of it is left. Rejects when the signal aborts. */
  async run(): Promise<WordCountReport> {
    const admin = await this.#connect('words');
    try {
      await this.#createTopics(admin);
      await this.#startMembers(admin);
      await this.#sendLines(admin);
      // One after the other: what the first group has not read is not there yet for the second one.
      await this.#untilRead(admin, GROUPS.splitters(this.#topics), this.#topics.lines);
      await this.#untilRead(admin, GROUPS.counters(this.#topics), this.#topics.words);
      await this.#stopMembers();
      for (const { name, lines, words } of this.#splitters) {
        this.#tell(`${name} has made ${words} words of ${lines} lines`);
      }
      for (const { name, tally, crashes } of this.#counters) {
        const since = crashes > 0 ? ' since its crash' : '';
        this.#tell(`${name} has read ${tally?.words} words${since}, ${tally?.recognised} of them for the second time`);
      }
      return await this.#report(admin);
    } finally {
      await this.#stopMembers();
      await Promise.all(this.#clients.filter((client) => client !== admin).map((client) => client.close()));
      if (!this.#settings.keep) await this.#cleanUp(admin);
      await admin.close();
    }
  }

  async #connect(name: string): Promise<Client> {
    const { coordinators } = this.#settings;
    const client = new Client({ coordinators, name }, clientWorld);
    this.#clients.push(client);
    await client.ready(READY_MS_MAX).catch(async (error: unknown) => {
      await client.close();
      throw new Error(`no coordinator answers at ${coordinators.join()}: start one with "npm start"`, { cause: error });
    });
    return client;
  }

  async #createTopics(admin: Client): Promise<void> {
    const { lines, words, counts } = this.#topics;
    const created = await admin.createTopics([
      { name: lines, partitions: LINE_PARTITIONS },
      { name: words, partitions: WORD_PARTITIONS },
      { name: counts, partitions: WORD_PARTITIONS, configs: { 'cleanup.policy': 'compact' } },
    ]);
    const refused = created.find(({ refusal }) => refusal !== undefined);
    if (refused !== undefined) throw new Error(`${refused.name} was not created: ${refused.refusal!.message}`);
    this.#tell(`topics ${lines} (${LINE_PARTITIONS} partitions), ${words} and ${counts} (${WORD_PARTITIONS} each)`);
  }

  async #startMembers(admin: Client): Promise<void> {
    for (const name of ['splitter-1', 'splitter-2']) {
      this.#splitters.push(new Splitter(name, await this.#connect(name), this.#topics));
    }
    const settings = { coordinators: this.#settings.coordinators, topics: this.#topics };
    const tell = (what: string): void => this.#tell(what);
    this.#counters.push(
      new CounterProcess({ ...settings, name: 'counter-1', crashAfter: CRASH_AFTER_WORDS }, tell),
      new CounterProcess({ ...settings, name: 'counter-2' }, tell),
    );
    await this.#untilShared(admin, GROUPS.splitters(this.#topics));
    await this.#untilShared(admin, GROUPS.counters(this.#topics));
    this.#tell('two splitters and two counters have shared out the partitions');
  }

  async #sendLines(admin: Client): Promise<void> {
    for (let sent = 0; sent < LINES; sent += LINES_AT_A_TIME) {
      const lines = Array.from({ length: LINES_AT_A_TIME }, (_, i) => lineOf(sent + i));
      const records = lines.map((line) => ({ key: null, value: Buffer.from(line) }));
      await Promise.all(records.map((record) => admin.producer.send(this.#topics.lines, record)));
      this.#throwIfFailed();
      await pause(SEND_PAUSE_MS, undefined, { signal: this.#settings.signal });
    }
    this.#tell(`${LINES} lines are acknowledged`);
  }

  /** Until two members are in a group, and each has a share. */
  #untilShared(admin: Client, group: string): Promise<void> {
    return this.#until(`${group} to be shared out`, async () => {
      const { state, members } = await admin.groups.describe(group).catch(() => ({ state: 'none', members: [] }));
      return state === 'Stable' && members.length === 2 && members.every(({ assignment }) => assignment.length > 0);
    });
  }

  /** Until a group has committed where its topic ends. */
  #untilRead(admin: Client, group: string, topic: string): Promise<void> {
    return this.#until(`${group} to read all of ${topic}`, async () => {
      const { partitions } = await admin.awaitTopic(topic);
      const queries = partitions.map(({ index }) => ({ partition: index, timestamp: 'latest' as const }));
      const ends = await admin.listOffsets(topic, queries);
      const committed = await admin.groups.offsets(group);
      return ends.every(
        ({ partition, offset }) => (committed.find((one) => one.partition === partition)?.offset ?? 0) === offset,
      );
    });
  }

  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    while (!(await isSo())) {
      this.#throwIfFailed();
      if (performance.now() > deadlineMs) throw new Error(`it takes more than ${SETTLE_MS_MAX} ms for ${what}`);
      await pause(LOOK_MS, undefined, { signal: this.#settings.signal });
    }
  }

  async #stopMembers(): Promise<void> {
    await Promise.all([...this.#splitters, ...this.#counters].map((member) => member.stop()));
  }

  async #report(admin: Client): Promise<WordCountReport> {
    const counts = new Map<string, number>();
    for (let partition = 0; partition < WORD_PARTITIONS; partition++) {
      const table = await readTable(admin, { topic: this.#topics.counts, partition });
      for (const [word, value] of table) counts.set(word, (JSON.parse(value) as WordCount).count);
    }
    const expected = new Map<string, number>();
    for (let number = 0; number < LINES; number++) {
      for (const [word, times] of wordsOf(lineOf(number))) expected.set(word, (expected.get(word) ?? 0) + times);
    }
    const problems = [...new Set([...expected.keys(), ...counts.keys()])]
      .filter((word) => counts.get(word) !== expected.get(word))
      .map((word) => `"${word}" is counted ${counts.get(word) ?? 0} times instead of ${expected.get(word) ?? 0}`);
    const recognised = this.#counters.reduce((sum, { tally }) => sum + (tally?.recognised ?? 0), 0);
    if (recognised === 0) problems.push('no word came again, although a counter has crashed before it committed');
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const topWords = [...counts].toSorted(([, one], [, other]) => other - one).slice(0, 5);
    return { words: counts.size, total, recognised, topWords, problems };
  }

  #throwIfFailed(): void {
    for (const { name, failure } of [...this.#splitters, ...this.#counters]) {
      if (failure !== undefined) throw new Error(`${name} cannot go on: ${messageOf(failure)}`, { cause: failure });
    }
  }

  /** The counters' group is still theirs for as long as their sessions last, so it goes by itself, without offsets. */
  async #cleanUp(admin: Client): Promise<void> {
    const names = Object.values(this.#topics);
    try {
      await admin.deleteTopics(names);
      await admin.groups.delete(GROUPS.splitters(this.#topics));
    } catch (error) {
      this.#tell(`of ${names.join()} and their groups something is left: ${messageOf(error)}`);
    }
  }

  #tell(what: string): void {
    const seconds = (performance.now() - this.#beganMs) / 1000;
    this.#settings.say(`${seconds.toFixed(1).padStart(5)} s  ${what}`);
  }
}
