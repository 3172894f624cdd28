import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@weir/base/random.ts';
import { History } from '../faults/history.ts';
import type { Verdict } from '../faults/history.ts';
import { createTopic, Load, readAll } from '../faults/load.ts';
import type { LoadTopic } from '../faults/load.ts';
import { nameOf, targetOf } from './cluster.ts';
import type { Cluster, Service } from './cluster.ts';

/** Between two writes: the services have something to do, and the machine is not full of it. */
const PACE_MS = 20;
/** What each lane has to get through before it counts as served. */
const RECORDS_PER_STEP = 50;
/** A producer's delivery timeout, and then a reconnection, on a machine that has other things to do. */
const PROGRESS_MS_MAX = 60_000;
const POLL_MS = 25;

/** A writer and a reader of one partition through one gateway: it stands still alone. */
interface Lane {
  readonly name: string;
  readonly gateway: Service;
  readonly load: Load;
}

/** Load on every partition of a new topic through every gateway, and what came of it. */
export class SteadyLoad {
  readonly topic: LoadTopic;
  readonly #history: History;
  readonly #lanes: readonly Lane[];

  private constructor(topic: LoadTopic, history: History, lanes: readonly Lane[]) {
    this.topic = topic;
    this.#history = history;
    this.#lanes = lanes;
  }

  /** Creates the topic, with a partition and a replica of each for each broker, and begins. */
  static async start(cluster: Cluster, name: string, random: Random): Promise<SteadyLoad> {
    const [gateway] = cluster.gateways;
    // Of what nobody knows only the coordinator can say that it is not there.
    await untilNone('do not reach the coordinator', async () => {
      const answers = await Promise.all(cluster.gateways.map((each) => each.http('/v1/topics/nobody-knows')));
      return answers.flatMap(({ status, text }) => (status === 404 ? [] : [`${status} ${text.trim()}`]));
    });
    const topic = { name, partitions: cluster.of('broker').length };
    await createTopic(gateway!, topic);
    // A gateway that was just disturbed may hear of the topic later than the one that created it.
    await untilNone('did not hear of the topic', async () => {
      const answers = await Promise.all(cluster.gateways.map((each) => each.http(`/v1/topics/${name}`)));
      return answers.flatMap(({ status, text }) => (status === 200 ? [] : [`${status} ${text.trim()}`]));
    });
    const described = await gateway!.http(`/v1/topics/${name}`);
    const partitions = described.json.partitions as { partition: number; leader: number }[];
    const history = new History();
    const lanes = cluster.of('gateway').flatMap((service) =>
      partitions.map(({ partition, leader }) => {
        const load = new Load(targetOf(service), history, topic, random, { only: [partition], paceMs: PACE_MS });
        return {
          name: `${nameOf(service)} → ${name}-${partition} on broker ${leader}`,
          gateway: service,
          load: load.start(1),
        };
      }),
    );
    return new SteadyLoad(topic, history, lanes);
  }

  /** Returns once every lane has written and read some more: all of them, or those that can do without a service. */
  async progresses(without?: Service): Promise<void> {
    const marks = this.#independentOf(without).map(({ name, load }) => ({
      name,
      load,
      written: load.acknowledged + RECORDS_PER_STEP,
      read: load.read + RECORDS_PER_STEP,
    }));
    await untilNone('stand still', () =>
      marks
        .filter(({ load, written, read }) => load.acknowledged < written || load.read < read)
        .map(({ name, load }) => `${name} (${load.failures.at(-1) ?? 'no failure'})`),
    );
  }

  /** What went wrong until now was somebody else's doing. */
  forgetFailures(): void {
    for (const { load } of this.#lanes) load.failures.length = 0;
  }

  /** What went wrong in lanes that can do without a service, each thing once. */
  failuresWithout(service: Service): string[] {
    const all = this.#independentOf(service).flatMap(({ name, load }) => load.failures.map((why) => `${name}: ${why}`));
    return [...new Set(all)];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map(({ load }) => load.stop()));
  }

  /** Reads everything back through one gateway and compares. */
  async judge(cluster: Cluster): Promise<Verdict> {
    return this.#history.judge(await readAll(cluster.gateways[0]!, this.topic));
  }

  /** No record needs the coordinator on its way; where a broker is away another one leads. */
  #independentOf(service: Service | undefined): readonly Lane[] {
    return this.#lanes.filter(({ gateway }) => gateway !== service);
  }
}

/** Delivery is at least once: a record may be stored twice when its answer was lost. All else is a broken promise. */
export function brokenPromises({ lost, changed, invented, misplaced }: Verdict): readonly string[] {
  return [lost, changed, invented, misplaced].flatMap((problems) => problems.slice(0, 3));
}

/** Returns once a list of what is not as it should be is empty. @throws Error (as a rejection) with it after a while */
async function untilNone(problem: string, list: () => readonly string[] | Promise<readonly string[]>): Promise<void> {
  const deadline = performance.now() + PROGRESS_MS_MAX;
  for (;;) {
    const left = await list();
    if (left.length === 0) return;
    if (performance.now() > deadline) throw new Error(`after ${PROGRESS_MS_MAX} ms ${problem}: ${left.join('; ')}`);
    await pause(POLL_MS);
  }
}
