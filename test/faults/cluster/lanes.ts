import { setTimeout as pause } from 'node:timers/promises';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { Random } from '@weir/base/random.ts';
import { Client } from '@weir/client/client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { http } from '../../cluster/http-client.ts';
import type { RecordHistory, Send } from '../../simulation/checks/record-history.ts';
import { partitionName } from '../history.ts';
import type { LoadTopic } from '../load.ts';
import { FollowingReader } from './following-reader.ts';

const PRODUCERS = 2;
const READERS = 2;
/** Between two sends of a lane. */
const PACE_MS = 60;
const RECORDS_PER_SEND_MAX = 3;
const VALUE_BYTES_MAX = 300;
/** Records of one lane that wait for their outcome, past which it sends none: those of others go on. */
const PENDING_MAX = 60;
/** Refusals that the client gives without having sent anything. */
const NEVER_SENT: ReadonlySet<ErrorCode> = new Set(['MESSAGE_TOO_LARGE', 'UNKNOWN_TOPIC_OR_PARTITION']);
/** Longer than the gateway's own delivery timeout. */
const ANSWER_MS_MAX = 45_000;

/** Time in which no record was acknowledged. */
export interface Gaps {
  /** On any partition. */
  readonly anyMs: number;
  /** On the partition that waited longest. */
  readonly oneMs: number;
}

/** Where a load goes to. */
interface Target {
  readonly coordinators: readonly string[];
  readonly gatewayUrl: string;
  readonly topic: LoadTopic;
  /** What the names of its producers and readers begin with. */
  readonly name: string;
}

/**
 * A steady load on all partitions of a topic: two native producers and a gateway that write to each of them, and readers that
 * follow each from its start. The history has all that they were told.
 */
export class Lanes {
  readonly #target: Target;
  readonly #history: RecordHistory;
  readonly #random: Random;
  readonly #clients: readonly Client[];
  readonly #readers: readonly FollowingReader[];
  /** When records of each partition were acknowledged. */
  readonly #acknowledgedMs: number[][];
  readonly #work: Promise<void>[] = [];
  readonly #beganMs = performance.now();
  #count = 0;
  #isOver = false;

  constructor(target: Target, history: RecordHistory, random: Random) {
    this.#target = target;
    this.#history = history;
    this.#random = random;
    const { coordinators, topic } = target;
    const clientOf = (name: string): Client => new Client({ coordinators, name }, clientWorld);
    this.#clients = Array.from({ length: PRODUCERS }, (_, i) => clientOf(this.#producer(i)));
    this.#readers = Array.from(
      { length: READERS },
      (_, i) => new FollowingReader(`${target.name}reader-${i + 1}`, { coordinators, topic, history }),
    );
    this.#acknowledgedMs = Array.from({ length: topic.partitions }, () => []);
    for (let partition = 0; partition < topic.partitions; partition++) {
      for (const [i, client] of this.#clients.entries())
        this.#work.push(this.#produce(client, this.#producer(i), partition));
    }
    this.#work.push(this.#postToGateway());
  }

  /** Records of a partition that were acknowledged so far. */
  acknowledgedOn(partition: number): number {
    return this.#acknowledgedMs[partition]!.length;
  }

  /** Among gaps that are part of a window of time. */
  gaps(fromMs: number, toMs: number): Gaps {
    const oneMs = this.#acknowledgedMs.map((times) => longestGap([this.#beganMs, ...times], fromMs, toMs));
    const all = this.#acknowledgedMs.flat().toSorted((a, b) => a - b);
    return { anyMs: longestGap([this.#beganMs, ...all], fromMs, toMs), oneMs: Math.max(...oneMs) };
  }

  /** Sends nothing more; returns when all that was sent has its outcome, or never will have one. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#work);
    await Promise.all(this.#clients.map((client) => client.producer.flush()));
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  /** Ends those who read. */
  async stopReading(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }

  #producer(i: number): string {
    return `${this.#target.name}producer-${i + 1}`;
  }

  async #produce(client: Client, producer: string, partition: number): Promise<void> {
    const { topic } = this.#target;
    let pending = 0;
    while (!this.#isOver) {
      await pause(PACE_MS * (0.5 + this.#random.unit()));
      if (pending >= PENDING_MAX) continue;
      const sends = this.#next(producer, partition);
      pending += sends.length;
      const records = sends.map(({ value }) => ({ key: null, value: Buffer.from(value), partition }));
      client.producer.sendMany(topic.name, records, {}, ({ offset, refusals }) => {
        pending -= sends.length;
        for (const [i, send] of sends.entries()) {
          const why = refusals.get(i);
          if (why === undefined) this.#acknowledged(send, partition, offset[i]!);
          else if (NEVER_SENT.has(why.code)) this.#history.failed(send);
        }
      });
    }
  }

  /** One request at a time, to one partition after another. */
  async #postToGateway(): Promise<void> {
    const { gatewayUrl, topic } = this.#target;
    for (let partition = 0; !this.#isOver; partition = (partition + 1) % topic.partitions) {
      await pause(PACE_MS);
      const sends = this.#next(`${this.#target.name}gateway`, partition);
      const url = `${gatewayUrl}/v1/topics/${topic.name}/records?partition=${partition}`;
      const body = sends.map(({ value }) => value);
      // Whatever else it answers, and no answer: nobody knows whether they are stored.
      const answer = await http(url, { body, timeoutMs: ANSWER_MS_MAX }).catch(() => undefined);
      if (answer?.status !== 200) continue;
      for (const [i, { offset }] of (answer.json.offsets as { offset?: number }[]).entries())
        if (offset !== undefined) this.#acknowledged(sends[i]!, partition, offset);
    }
  }

  #next(producer: string, partition: number): Send[] {
    const count = 1 + Math.floor(this.#random.unit() * RECORDS_PER_SEND_MAX);
    return Array.from({ length: count }, () => {
      const number = ++this.#count;
      const value = `${producer}:${number}:`.padEnd(Math.floor(this.#random.unit() * VALUE_BYTES_MAX), '.');
      // Which of them share a batch is the client's own business.
      return this.#history.sent({
        producer,
        partition: partitionName(this.#target.topic.name, partition),
        value,
        batch: `${producer}:${number}`,
      });
    });
  }

  #acknowledged(send: Send, partition: number, offset: number): void {
    this.#history.acknowledged(send, offset);
    this.#acknowledgedMs[partition]!.push(performance.now());
  }
}

/** Of times in order: the longest between two of them, among those that lie in a window in part. */
function longestGap(times: readonly number[], fromMs: number, toMs: number): number {
  let longest = 0;
  for (const [i, time] of times.entries()) {
    const next = times[i + 1] ?? toMs;
    if (time < toMs && next > fromMs) longest = Math.max(longest, next - time);
  }
  return longest;
}
