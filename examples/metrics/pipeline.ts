import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { Aggregator } from './aggregator.ts';
import type { AggregatorTopics } from './aggregator.ts';
import { compare } from './compare.ts';
import type { Comparison } from './compare.ts';
import { Fleet, HOSTS } from './fleet.ts';
import { readTable } from './table.ts';
import { GRACE_MS, MINUTE_MS } from './windows.ts';

const PARTITIONS = 8;
/** What SAMPLE_MS of the hosts' time take at least. */
const TICK_MS_MIN = 15;
const READY_MS_MAX = 3_000;
/** Within this a group shares out anew, and all aggregates are there after the last sample. */
const SETTLE_MS_MAX = 30_000;
const LOOK_MS = 100;

/** Where it runs, and with whom. */
export interface PipelineSettings {
  readonly coordinators: readonly string[];
  /** As "http://127.0.0.1:8080". */
  readonly gateway: string;
  /** Leaves topics and group there for a look. */
  readonly keep: boolean;
  readonly say: (line: string) => void;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** A fleet of hosts, and a group that aggregates its samples. */
export class Pipeline {
  readonly #settings: PipelineSettings;
  readonly #topics: AggregatorTopics;
  readonly #group: string;
  readonly #clients: Client[] = [];
  /** All that there were. */
  readonly #aggregators: Aggregator[] = [];
  /** Those that are in the group. */
  readonly #members = new Set<Aggregator>();
  readonly #beganMs = performance.now();

  constructor(settings: PipelineSettings) {
    // Each run has topics of its own.
    const run = Date.now().toString(36);
    this.#settings = settings;
    this.#topics = { samples: `metrics-${run}`, aggregates: `metrics-by-minute-${run}` };
    this.#group = `metrics-aggregators-${run}`;
  }

  /** From the first topic to the comparison. However it ends, nothing of it is left. Rejects when the signal aborts. */
  async run(): Promise<Comparison> {
    const admin = await this.#connect('metrics');
    try {
      await this.#createTopics(admin);
      const nowMs = Date.now();
      const startMs = nowMs - (nowMs % MINUTE_MS);
      const minutes = await this.#produce(startMs);
      await this.#untilPublished(admin, minutes * HOSTS);
      await Promise.all(this.#aggregators.map((aggregator) => aggregator.stop()));
      for (const { name, samples, replayed, published } of this.#aggregators) {
        const replays = replayed === 0 ? '' : `, of which ${replayed} belong to minutes that had been published`;
        this.#tell(`${name} has read ${samples} samples${replays}, and published ${published} aggregates`);
      }
      const late = sum(this.#aggregators.map((aggregator) => aggregator.late));
      if (late > 0) this.#tell(`${late} samples came too late to be in an aggregate`);
      // Once more, as one that is published again must be the same.
      return compare(await readTable(admin, this.#topics.aggregates), { startMs, minutes });
    } finally {
      await Promise.all(this.#clients.filter((client) => client !== admin).map((client) => client.close()));
      if (!this.#settings.keep) await this.#cleanUp(admin);
      await admin.close();
    }
  }

  async #connect(name: string): Promise<Client> {
    const client = new Client({ coordinators: this.#settings.coordinators, name }, clientWorld);
    this.#clients.push(client);
    await client.ready(READY_MS_MAX).catch(async (error: unknown) => {
      await client.close();
      const where = this.#settings.coordinators.join();
      throw new Error(`no coordinator answers at ${where}: start one with "npm start"`, { cause: error });
    });
    return client;
  }

  async #createTopics(admin: Client): Promise<void> {
    const { samples, aggregates } = this.#topics;
    const created = await admin.createTopics([
      { name: samples, partitions: PARTITIONS },
      { name: aggregates, partitions: PARTITIONS, configs: { 'cleanup.policy': 'compact' } },
    ]);
    const refused = created.find(({ refusal }) => refusal !== undefined);
    if (refused !== undefined) throw new Error(`${refused.name} was not created: ${refused.refusal!.message}`);
    this.#tell(`topics ${samples} and ${aggregates}, ${PARTITIONS} partitions each`);
  }

  /** Hosts send while aggregators come and go. Returns how many minutes of theirs are over. */
  async #produce(startMs: number): Promise<number> {
    const connect = (name: string): Promise<Client> => this.#connect(name);
    const { gateway } = this.#settings;
    const fleet = await Fleet.start(connect, { gateway, topic: this.#topics.samples, startMs });
    const first = await this.#join();
    await this.#join();
    await this.#tickUntilShared(fleet);
    await this.#join();
    await this.#tickUntilShared(fleet);
    await this.#leave(first);
    await this.#tickUntilShared(fleet);
    // A minute is over once every partition has a sample that is GRACE_MS younger.
    await this.#tickUntil(fleet, () => fleet.ageMs % MINUTE_MS === GRACE_MS);
    const seconds = fleet.ageMs / 1000;
    this.#tell(`${fleet.samples} samples of ${HOSTS} hosts are acknowledged, of ${seconds} s of their time`);
    return Math.floor(fleet.ageMs / MINUTE_MS);
  }

  /** Until each aggregator has its share, and a minute of the hosts' time more. */
  async #tickUntilShared(fleet: Fleet): Promise<void> {
    const shares = (): number[] => [...this.#members].map(({ partitions }) => partitions);
    await this.#tickUntil(fleet, () => !shares().includes(0) && sum(shares()) === PARTITIONS);
    this.#tell(
      `${PARTITIONS} partitions: ${[...this.#members].map(({ name, partitions }) => `${partitions} of ${name}`).join(', ')}`,
    );
    const untilMs = fleet.ageMs + MINUTE_MS;
    await this.#tickUntil(fleet, () => fleet.ageMs >= untilMs);
  }

  async #tickUntil(fleet: Fleet, isDone: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    while (!isDone()) {
      await Promise.all([fleet.tick(), pause(TICK_MS_MIN, undefined, { signal: this.#settings.signal })]);
      this.#throwIfFailed();
      if (performance.now() > deadlineMs) throw new Error(`the group has not shared out anew in ${SETTLE_MS_MAX} ms`);
    }
  }

  async #join(): Promise<Aggregator> {
    const name = `aggregator-${this.#aggregators.length + 1}`;
    const aggregator = new Aggregator(name, await this.#connect(name), this.#group, this.#topics);
    this.#aggregators.push(aggregator);
    this.#members.add(aggregator);
    this.#tell(`${name} joins`);
    return aggregator;
  }

  async #leave(aggregator: Aggregator): Promise<void> {
    await aggregator.stop();
    this.#members.delete(aggregator);
    this.#tell(`${aggregator.name} has left`);
  }

  /** Until there are as many aggregates as there have to be, or there has been time enough. */
  async #untilPublished(admin: Client, count: number): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    while ((await readTable(admin, this.#topics.aggregates)).values.size < count && performance.now() < deadlineMs) {
      this.#throwIfFailed();
      await pause(LOOK_MS, undefined, { signal: this.#settings.signal });
    }
  }

  #throwIfFailed(): void {
    for (const { name, failure } of this.#aggregators) {
      if (failure !== undefined) throw new Error(`${name} cannot go on: ${messageOf(failure)}`, { cause: failure });
    }
  }

  async #cleanUp(admin: Client): Promise<void> {
    const names = Object.values(this.#topics);
    try {
      await admin.deleteTopics(names);
      await admin.groups.delete(this.#group);
    } catch (error) {
      this.#tell(`of ${names.join()} and the group ${this.#group} something is left: ${messageOf(error)}`);
    }
  }

  #tell(what: string): void {
    const seconds = (performance.now() - this.#beganMs) / 1000;
    this.#settings.say(`${seconds.toFixed(1).padStart(5)} s  ${what}`);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
