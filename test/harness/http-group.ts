import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Answer, HttpOptions, HttpTarget } from '../cluster/http-client.ts';
import type { GivenRecord, GroupLedger, WrittenRecords } from './group-ledger.ts';

/** A gateway. */
export interface GatewayPlace extends HttpTarget {
  readonly name: string;
}

/** Gateways as they are at the time. */
export type GatewayPlaces = () => readonly GatewayPlace[];

/** What is read: a topic, by groups. */
export interface GroupTopic {
  readonly topic: string;
  readonly group: string;
}

/** How long a read waits for records. */
const READ_WAIT_MS = 500;
/** No answer takes longer: a gateway has 10 s to take a consumer over. */
const ANSWER_MS_MAX = 20_000;
/** After an answer that says to try again. */
const AGAIN_MS = 100;
const PACE_MS = 20;
/** Of a partition that a consumer is to go to another place in. */
const NOT_ITS_OWN = 'UNKNOWN_TOPIC_OR_PARTITION';
const RECORDS_PER_REQUEST_MAX = 10;
/** Of a writer at a time: enough for every partition to have some. An odd number: through each gateway each of them. */
const KEYS = 15;

/**
 * Writes keyed records until it is stopped, each request through the next gateway. Where it does not know what became of one, it begins
 * a new key: nothing that is still on its way may come between those behind it.
 */
export class KeyedWriter {
  readonly #topic: string;
  readonly #name: string;
  readonly #gateways: GatewayPlaces;
  readonly #written: WrittenRecords;
  readonly #running: Promise<void>;
  #keys = 0;
  #isStopped = false;

  constructor(topic: string, name: string, gateways: GatewayPlaces, written: WrittenRecords) {
    this.#topic = topic;
    this.#name = name;
    this.#gateways = gateways;
    this.#written = written;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const keys = Array.from({ length: KEYS }, () => this.#newKey());
    for (let turn = 0; !this.#isStopped; turn++) {
      const own = keys[turn % KEYS]!;
      const { key } = own;
      const body = Array.from({ length: 1 + (turn % RECORDS_PER_REQUEST_MAX) }, () => ({ key, n: own.n++ }));
      const path = `/v1/topics/${this.#topic}/records?keyField=key`;
      const answer = await ask(turnOf(this.#gateways(), turn), path, { body });
      const receipts = (answer?.status === 200 ? answer.json.offsets : []) as { partition: number; offset?: number }[];
      for (const [i, { partition, offset }] of receipts.entries()) {
        if (offset !== undefined) this.#written.acknowledged(partition, offset, body[i]!);
      }
      const isKnown = receipts.length === body.length && receipts.every(({ offset }) => offset !== undefined);
      if (!isKnown) keys[turn % KEYS] = this.#newKey();
      await pause(PACE_MS);
    }
  }

  #newKey(): { readonly key: string; n: number } {
    return { key: `${this.#name}-${this.#keys++}`, n: 0 };
  }
}

interface Asked {
  readonly at: GatewayPlace;
  /** Undefined: there was none. */
  readonly answer: Answer | undefined;
}

/** What readers of both kinds have in common: a loop of reads and commits, each through the next gateway. */
abstract class Reader {
  readonly name: string;
  readonly ledger: GroupLedger;
  protected readonly gateways: GatewayPlaces;
  /** Records that it was given, by the gateway that it asked for them. */
  readonly #given = new Map<string, number>();
  /** The longest time between two answers with records. */
  longestGapMs = 0;
  /** Of reads and commits, what came instead of what was asked for, and how often. */
  readonly refusals = new Map<string, number>();
  #lastMs = performance.now();
  /** Of the gateways, which one is next: for reads, and for all else, lest reads come to be at one of them alone. */
  #reads: number;
  #turn: number;
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();
  /** Behind what it was given since the last commit that was acknowledged. */
  readonly #pending = new Map<number, number>();

  /** @param turn - of the gateways, which one it begins at */
  constructor(name: string, ledger: GroupLedger, gateways: GatewayPlaces, turn: number) {
    this.name = name;
    this.ledger = ledger;
    this.gateways = gateways;
    this.#reads = turn;
    this.#turn = turn;
  }

  get count(): number {
    return [...this.#given.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Where it asks. */
  get places(): readonly GatewayPlace[] {
    return this.gateways();
  }

  /** Records that it was given by a gateway that it asked, by that one's name. */
  givenBy(gateway: string): number {
    return this.#given.get(gateway) ?? 0;
  }

  start(): this {
    this.#lastMs = performance.now();
    this.#running = this.#run();
    return this;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Where records are read, and where they are committed. */
  protected abstract readonly paths: { readonly read: string; readonly commit: string };
  protected abstract recordsOf(answer: Answer): readonly GivenRecord[];
  /** A read had no answer: what it was given did not get here. */
  protected abstract goBack(): Promise<void>;

  protected get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Asks the next gateway. `mayBe`: another code that is no wonder. */
  protected next(path: string, options: HttpOptions = {}, mayBe?: string): Promise<Asked> {
    return this.#ask(turnOf(this.gateways(), this.#turn++), path, options, mayBe);
  }

  async #ask(at: GatewayPlace, path: string, options: HttpOptions, mayBe?: string): Promise<Asked> {
    const answer = await ask(at, path, options);
    if (answer === undefined || answer.status >= 300) await this.#refused(path, answer, mayBe);
    return { at, answer };
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#round();
      } catch (error) {
        this.ledger.problem(`${this.name}: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
    }
  }

  async #round(): Promise<void> {
    const floor = this.ledger.committed();
    // Reads and commits go through the same gateway as often as through two.
    const gateways = this.gateways();
    const turn = this.#reads++;
    const { at, answer } = await this.#ask(turnOf(gateways, turn), this.paths.read, {});
    if (answer?.status !== 200) return this.goBack();
    const records = this.recordsOf(answer);
    if (records.length === 0) return;
    this.ledger.given(this.name, records, floor);
    const nowMs = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#given.set(at.name, this.givenBy(at.name) + records.length);
    for (const { partition, offset } of records) this.#pending.set(partition, offset + 1);
    const commitAt = turnOf(gateways, Math.floor(turn / gateways.length));
    const committed = await this.#ask(commitAt, this.paths.commit, { method: 'POST' });
    // Without that answer nobody knows: what is given again then may be committed or not.
    if (committed.answer?.status === 204) this.ledger.acknowledged(this.#pending);
    this.#pending.clear();
  }

  /** What may happen while gateways come and go, and nothing else. */
  async #refused(path: string, answer: Answer | undefined, mayBe: string | undefined): Promise<void> {
    const code = String(answer?.json?.code);
    const why = answer === undefined ? 'no answer' : `${answer.status} ${code}`;
    this.refusals.set(why, (this.refusals.get(why) ?? 0) + 1);
    // 503: try again. 409: somebody else has the partitions since, or a read that was given up is not over.
    const isExpected = answer === undefined || answer.status === 503 || answer.status === 409;
    if (!isExpected && code !== mayBe)
      this.ledger.problem(`${this.name}: ${path} was answered with ${answer.status} ${answer.text}`);
    await pause(AGAIN_MS);
  }
}

/** A consumer of REST v2 that commits by hand. */
export class RestConsumer extends Reader {
  readonly path: string;
  readonly #read: GroupTopic;

  constructor(read: GroupTopic, name: string, place: { ledger: GroupLedger; gateways: GatewayPlaces; turn: number }) {
    super(name, place.ledger, place.gateways, place.turn);
    this.#read = read;
    this.path = `/consumers/${read.group}/instances/${name}`;
  }

  protected get paths(): Reader['paths'] {
    return { read: `${this.path}/records?timeout=${READ_WAIT_MS}`, commit: `${this.path}/offsets` };
  }

  /** Creates it at the gateway that it begins at. @throws Error (as a rejection) */
  async create(): Promise<this> {
    const { group, topic } = this.#read;
    const body = { name: this.name, format: 'binary', 'auto.offset.reset': 'earliest', 'enable.auto.commit': false };
    const created = await this.next(`/consumers/${group}`, { body });
    if (created.answer?.status !== 200) throw new Error(`${this.name} was not created: ${created.answer?.text}`);
    const subscribed = await this.next(`${this.path}/subscription`, { body: { topics: [topic] } });
    if (subscribed.answer?.status !== 204)
      throw new Error(`${this.name} subscribes to nothing: ${subscribed.answer?.text}`);
    return this;
  }

  protected recordsOf({ json }: Answer): readonly GivenRecord[] {
    // Its keys are text, and no JSON.
    return (json as (Omit<ReadRecord, 'value'> & { readonly value: string })[]).map(({ value, ...place }) =>
      givenOf({ ...place, value: JSON.parse(Buffer.from(value, 'base64').toString('utf8')) as ReadRecord['value'] }),
    );
  }

  /** What a read was given whose answer did not come counts as read, unless it goes back: to what is committed. */
  protected async goBack(): Promise<void> {
    while (!this.isStopped) {
      const own = (await this.#answered(`${this.path}/assignments`))?.json.partitions as Place[] | undefined;
      // What it is given next begins at what is committed.
      if (own === undefined || own.length === 0) return;
      const committed = await this.#answered(`${this.path}/offsets`);
      const found = (committed?.json.offsets ?? []) as (Place & { readonly offset: number })[];
      const offsets = own.map(({ topic, partition }) => {
        const offset = found.find((one) => one.topic === topic && one.partition === partition)?.offset ?? 0;
        return { topic, partition, offset };
      });
      // It may have other partitions by now.
      const sought = await this.#answered(`${this.path}/positions`, { body: { offsets } }, NOT_ITS_OWN);
      if (sought?.status === 204) return;
    }
  }

  /** Asks one gateway after another until there is an answer that is no "try again"; undefined: it was stopped. */
  async #answered(path: string, options?: HttpOptions, mayBe?: string): Promise<Answer | undefined> {
    while (!this.isStopped) {
      const { answer } = await this.next(path, options, mayBe);
      if (answer !== undefined && (answer.status < 300 || answer.json?.code === mayBe)) return answer;
    }
    return undefined;
  }
}

/** Reads a group in one call. */
export class GroupReader extends Reader {
  readonly #read: GroupTopic;

  constructor(read: GroupTopic, place: { ledger: GroupLedger; gateways: GatewayPlaces; turn: number }) {
    super(`group ${read.group}`, place.ledger, place.gateways, place.turn);
    this.#read = read;
  }

  protected get paths(): Reader['paths'] {
    const path = `/v1/groups/${this.#read.group}`;
    return { read: `${path}/records?topics=${this.#read.topic}&wait=${READ_WAIT_MS}`, commit: `${path}/commit` };
  }

  protected recordsOf({ json }: Answer): readonly GivenRecord[] {
    return (json.records as ReadRecord[]).map(givenOf);
  }

  protected goBack(): Promise<void> {
    return Promise.resolve();
  }
}

interface Place {
  readonly topic: string;
  readonly partition: number;
}

interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: { readonly key: string; readonly n: number };
}

function givenOf({ partition, offset, value: { key, n } }: ReadRecord): GivenRecord {
  return { partition, offset, key, n };
}

function turnOf(gateways: readonly GatewayPlace[], turn: number): GatewayPlace {
  return gateways[turn % gateways.length]!;
}

/** Undefined: there was no answer. */
async function ask(at: HttpTarget, path: string, options: HttpOptions = {}): Promise<Answer | undefined> {
  return at.http(path, { ...options, timeoutMs: ANSWER_MS_MAX }).catch(() => undefined);
}
