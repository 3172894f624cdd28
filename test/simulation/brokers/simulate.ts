import { isInternalTopic } from '@weir/base/ids.ts';
import { RecordHistory } from '../checks/record-history.ts';
import { anomaliesIn } from '../checks/records.ts';
import type { ReplicaLog } from '../checks/records.ts';
import type { AlterIsrResponse } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Sometimes } from '../sometimes.ts';
import { setStage } from '../stage.ts';
import type { Stage, StageOutcome } from '../stage.ts';
import { Groups } from '../groups/groups.ts';
import { DeletionChecks } from './deletion-checks.ts';
import { BrokerFaults } from './faults.ts';
import { IdempotentProducer } from './idempotent-producer.ts';
import { CALM_MS, CONVERGED_MS, Liveness } from './liveness.ts';
import { logged } from './logged.ts';
import { BrokerMachine } from './machine.ts';
import { NativeProducer } from './producer.ts';
import { Reader } from './reader.ts';
import { ReplicaChecks } from './replica-checks.ts';
import { recordsOf } from './replica-records.ts';
import { brokerSwarmOf } from './swarm.ts';
import type { BrokerSwarm } from './swarm.ts';
import { loadPartitions, Topics } from './topics.ts';
import { Trimmer } from './trimmer.ts';

/** How a run of the brokers ended. */
export interface BrokerOutcome extends StageOutcome {
  readonly kind: 'brokers';
  readonly seed: number;
  readonly swarm: BrokerSwarm;
  readonly scale: number;
  /** Records sent, and times that readers were given some. */
  readonly operations: number;
  readonly acknowledged: number;
  readonly faults: number;
}

/** How long things may take before the load begins, and how often is looked whether all is well at the end. */
const TOPICS_MS_MAX = 60_000;
const LOOK_EVERY_MS = 250;
/** Readers that begin at the start while there are faults, at most. */
const AUDITORS_MAX = 3;
/** Of the reader at the end, which has little time. */
const FRESH_CREDIT_BYTES = 1024 * 1024;

/**
 * Runs one seed of the brokers: real ones on simulated disks, with real clients, through faults; then a core of them heals, has
 * to converge, and everything that was acknowledged has to be there.
 *
 * @param options.scale - how long the faults last, as a multiple of what `npm test` has time for
 * @param options.print - sees the trace as it is made
 */
export async function simulateBrokers(
  seed: number,
  options: { readonly scale?: number; readonly print?: ((line: string) => void) | undefined } = {},
): Promise<BrokerOutcome> {
  const { scale = 1 } = options;
  const swarm = brokerSwarmOf(seed, scale);
  const stage: Stage<BrokerSwarm> = setStage(seed, swarm, {
    print: options.print,
    written: (writes) => cluster.replicas.written(writes),
    watchers: [refusalsOfIsr(() => stage.parts.sometimes)],
  });
  const cluster = new BrokerCluster(stage);
  await cluster.run();
  return { ...stage.end(), kind: 'brokers', seed, swarm, scale, ...cluster.counts() };
}

/** Sees what leaders are answered who ask for other in-sync replicas. */
function refusalsOfIsr(sometimes: () => Sometimes): NetworkWatcher {
  return {
    sent({ path }, { side }, message) {
      if (side !== 'server' || !path.endsWith('/AlterIsr')) return;
      const { results } = message as AlterIsrResponse;
      if (results.some(({ code }) => code === 'INELIGIBLE_REPLICA'))
        sometimes().saw('a replica that may not be in sync was refused');
    },
    received() {},
    over() {},
  };
}

class BrokerCluster {
  readonly replicas: ReplicaChecks;
  readonly #deletions: DeletionChecks;
  readonly #groups: Groups;
  readonly #stage: Stage<BrokerSwarm>;
  readonly #machines: readonly BrokerMachine[];
  readonly #history = new RecordHistory();
  readonly #producers: (NativeProducer | IdempotentProducer)[] = [];
  readonly #readers: Reader[] = [];
  #auditors = 0;
  #faults: BrokerFaults | undefined;
  #liveness: Liveness | undefined;

  constructor(stage: Stage<BrokerSwarm>) {
    this.#stage = stage;
    const { parts, coordinators } = stage;
    const { ground, sometimes, history, swarm } = parts;
    this.#machines = Array.from(
      { length: swarm.brokers },
      (_, i) =>
        new BrokerMachine(i + 1, parts, coordinators.addresses, {
          recovered: (machine) => this.replicas.recovered(machine),
          ended: (machine) => this.#ended(machine),
          wiped: (machine) => this.replicas.wiped(machine),
          logged: (machine, line) => {
            logged(machine, line, parts);
            this.#groups.logged(line);
            if (line.message.startsWith('compaction: '))
              this.replicas.compacted(machine, String(line.facts['partition']));
          },
        }),
    );
    const { violated, trace, scheduler } = ground;
    const note = (what: string): void => trace.note(scheduler.nowMs, what);
    const machines = this.#machines;
    this.#groups = new Groups(parts, { machines, replicas: () => this.replicas, history: this.#history });
    this.replicas = new ReplicaChecks({ history, sometimes, violated, note, machines, watcher: this.#groups });
    this.#deletions = new DeletionChecks(machines, this.replicas, violated);
  }

  async run(): Promise<void> {
    const { parts, coordinators, failed } = this.#stage;
    const { scheduler } = parts.ground;
    for (const machine of this.#machines) machine.start();
    const absent = await this.#sendAway();
    const topics = new Topics(parts, coordinators.addresses);
    await this.#passUntil(TOPICS_MS_MAX, () => topics.areThere);
    if (!topics.areThere) parts.ground.violated(`there are no topics after ${TOPICS_MS_MAX} ms without a fault`);
    if (failed()) return;
    for (const machine of absent) machine.start();
    const load = {
      coordinators: coordinators.addresses,
      history: this.#history,
      partitions: loadPartitions(parts.swarm),
    };
    const { producers, idempotentProducers, readers } = parts.swarm;
    for (let i = 1; i <= producers; i++) this.#producers.push(new NativeProducer(`producer ${i}`, parts, load));
    for (let i = 0; i < idempotentProducers; i++) this.#producers.push(new IdempotentProducer(i, parts, load));
    for (let i = 1; i <= readers; i++) this.#readers.push(new Reader(`reader ${i}`, parts, load));
    const trimmer = new Trimmer(parts, load, (partition, start) => this.#deletions.acknowledged(partition, start));
    this.#groups.begin(load);
    const clients = [...this.#producers, ...this.#readers, trimmer];
    const readAll = (): void => this.#readAll(load);
    this.#faults = new BrokerFaults(parts, { coordinators, machines: this.#machines, clients, readAll });
    await this.#pass(parts.swarm.safetyMs);
    if (failed()) return;
    this.#faults.stop();
    this.#groups.stopFaults();
    const liveness = new Liveness(parts, { coordinators, machines: this.#machines });
    this.#liveness = liveness;
    liveness.heal();
    for (const { process } of clients) process.resume();
    this.#groups.heal();
    await this.#pass(CALM_MS);
    for (const client of [...this.#producers, trimmer]) client.stop();
    liveness.bringBack();
    const fresh = new Reader('fresh reader', parts, { ...load, creditBytes: FRESH_CREDIT_BYTES });
    this.#readers.push(fresh);
    const groups = this.#groups.liveness(() => liveness.waiting());
    const missing = (): string | undefined =>
      liveness.missing() ?? fresh.behind(this.#unreadable()) ?? this.#unanswered() ?? groups.missing();
    await this.#passUntil(CONVERGED_MS, () => missing() === undefined);
    const problem = missing();
    if (problem === undefined) parts.ground.trace.note(scheduler.nowMs, 'all is well');
    else parts.ground.violated(`${CONVERGED_MS} ms after everything healed ${problem}`);
    this.#groups.end();
    if (!failed()) this.#judge();
  }

  /** Somebody begins to read everything. Nobody reads so often that it would cost a seed its time. */
  #readAll(load: ConstructorParameters<typeof Reader>[2]): void {
    if (this.#auditors >= AUDITORS_MAX) return;
    this.#readers.push(new Reader(`auditor ${++this.#auditors}`, this.#stage.parts, load));
  }

  /** Some brokers that are registered are away while topics are created, by chance: which of them have replicas all the same. */
  async #sendAway(): Promise<readonly BrokerMachine[]> {
    const { history, chanceFor } = this.#stage.parts;
    const chance = chanceFor('absent');
    if (this.#machines.length === 1 || !chance.happens(0.3)) return [];
    const active = (): number => history.activeBrokers().size;
    await this.#passUntil(TOPICS_MS_MAX, () => active() === this.#machines.length);
    const absent = this.#machines.filter(() => chance.happens(0.5)).slice(1);
    for (const machine of absent) machine.kill('it is away while topics are created');
    await this.#passUntil(TOPICS_MS_MAX, () => active() === this.#machines.length - absent.length);
    return absent;
  }

  counts(): { readonly operations: number; readonly acknowledged: number; readonly faults: number } {
    const clients = [...this.#producers, ...this.#readers, this.#groups];
    return {
      operations: clients.reduce((sum, { operations }) => sum + operations, 0),
      acknowledged: this.#history.acknowledgedCount,
      faults: (this.#faults?.count ?? 0) + this.#groups.faults,
    };
  }

  async #pass(ms: number, done: () => boolean = () => false): Promise<void> {
    const { parts, failed } = this.#stage;
    const { scheduler } = parts.ground;
    await scheduler.runUntil(scheduler.nowMs + ms, () => {
      for (const machine of this.#machines) machine.shrinkSegments();
      this.replicas.look();
      this.#deletions.look();
      this.#groups.look();
      return failed() || done();
    });
  }

  async #passUntil(ms: number, done: () => boolean): Promise<void> {
    for (let passed = 0; passed < ms && !done() && !this.#stage.failed(); passed += LOOK_EVERY_MS) {
      await this.#pass(LOOK_EVERY_MS);
    }
  }

  #ended(machine: BrokerMachine): void {
    const { scheduler } = this.#stage.parts.ground;
    if (this.#liveness === undefined) this.#faults?.ended(machine);
    else if (this.#liveness.core.includes(machine)) scheduler.in(100, () => machine.start());
  }

  /** Partitions of the load that wait for an operator. */
  #unreadable(): ReadonlySet<string> {
    const { history } = this.#stage.parts;
    const names = new Map([...history.under('/topics/')].map(([name, { id }]) => [id as string, name]));
    const waiting = this.#liveness?.waiting() ?? new Set<string>();
    const unreadable = [...history.partitions()].filter(([topicId, index]) => waiting.has(`${topicId}-${index}`));
    return new Set(unreadable.map(([topicId, index]) => `${names.get(topicId)}/${index}`));
  }

  /** Native clients end what they have begun. */
  #unanswered(): string | undefined {
    const unreadable = this.#unreadable();
    return this.#producers.map((producer) => producer.unanswered(unreadable)).find((problem) => problem !== undefined);
  }

  /** Holds what clients were told against each other, and against what lies on the disks. */
  #judge(): void {
    const { parts } = this.#stage;
    const replicas: ReplicaLog[] = [];
    const startOffsets = new Map<string, number>();
    const mayLose = new Set(this.#unreadable());
    const compacted = new Set<string>();
    for (const [topicId, index] of parts.history.partitions()) {
      const folder = `${topicId}-${index}`;
      for (const machine of this.#liveness?.core ?? []) {
        for (const partition of machine.broker?.partitions.all() ?? []) {
          if (partition.folder !== folder || partition.state.kind === 'offline' || !machine.isWhole(folder)) continue;
          if (isInternalTopic(partition.topic.name)) continue;
          const name = `${partition.topic.name}/${index}`;
          if (this.replicas.mayHaveLost(folder)) mayLose.add(name);
          startOffsets.set(name, this.replicas.startOffsetOf(folder));
          const { logStartOffset } = partition;
          if (partition.topic.settings.compacts) compacted.add(name);
          const records = recordsOf(machine.disk, folder);
          replicas.push({ partition: name, replica: `broker ${machine.id}`, startOffset: logStartOffset, records });
        }
      }
    }
    const [first, ...others] = anomaliesIn(this.#history, { replicas, startOffsets, mayLose, compacted });
    if (first !== undefined) parts.ground.violated(`${first.kind}: ${first.what} (and ${others.length} more)`);
  }
}
