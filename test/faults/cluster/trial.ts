import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import type { Random } from '@weir/base/random.ts';
import { anomaliesIn } from '../../simulation/checks/records.ts';
import type { ReplicaLog } from '../../simulation/checks/records.ts';
import { RecordHistory } from '../../simulation/checks/record-history.ts';
import { partitionName } from '../history.ts';
import type { Group, Groups, GroupSpec } from '../groups/groups.ts';
import type { LoadTopic } from '../load.ts';
import type { Report, Scenario, ScenarioContext } from '../scenario.ts';
import type { Need } from '../workshop.ts';
import { FollowingReader } from './following-reader.ts';
import { checkGroups, FRESH_READER, judgeGroups, noteDeliveries, startGroups } from './group-trial.ts';
import type { Gaps, Lanes } from './lanes.ts';
import { LoadedTopics } from './loaded-topics.ts';
import type { KnownTopic } from './loaded-topics.ts';
import { Observer } from './observer.ts';
import { readReplicas } from './replica-logs.ts';
import { ReplicatedCluster } from './replicated-cluster.ts';
import type { Broker, Topology } from './replicated-cluster.ts';

const TOPIC: LoadTopic = { name: 'records', partitions: 6 };
const REPLICAS = 3;
/** Members start, join, and get their parts. */
const GROUPS_WITHIN_MS = 60_000;
/** Records on every partition, before faults begin and after they are over. */
const PROGRESS_RECORDS = 20;
/** After the last fault: sessions end, logs are recovered, leaders are elected, clients try again. */
const HEALED_WITHIN_MS = 60_000;
const READ_WITHIN_MS = 30_000;
const POLL_MS = 20;
const ANOMALIES_SHOWN = 5;

/** A scenario on a replicated cluster under load. */
export interface ClusterScenario {
  readonly name: string;
  readonly title: string;
  readonly needs?: readonly Need[];
  readonly topology?: Topology;
  readonly flush?: 'commit' | 'interval';
  /** What was acknowledged may be lost: then only what was never true is an anomaly. */
  readonly mayLose?: boolean;
  /** Of the topic. */
  readonly partitions?: number;
  /** Groups that read it, each all of it. */
  readonly groups?: readonly GroupSpec[];
  /** Does its faults, and takes them back; nodes that it has ended run again at its end. */
  inject(trial: Trial): Promise<void>;
}

/** Makes a scenario of it: the cluster, the load, the faults, and what has to be true at the end. */
export function onCluster({ name, title, needs = [], ...rest }: ClusterScenario): Scenario {
  const { disks, diskFaults, store } = rest.topology ?? {};
  const ofTopology: Need[] = ['sandbox'];
  if (disks === 'loop') ofTopology.push('cc', 'loop');
  if (diskFaults === true) ofTopology.push('cc');
  if (store === 'etcd') ofTopology.push('etcd');
  return {
    name,
    title,
    needs: [...new Set([...ofTopology, ...needs])],
    run: (context) => run({ name, title, ...rest }, context),
  };
}

/** A cluster under load while a scenario injects its faults. */
export class Trial {
  readonly cluster: ReplicatedCluster;
  readonly random: Random;
  readonly report: Report;
  readonly topic: KnownTopic;
  readonly lanes: Lanes;
  readonly topics: LoadedTopics;
  readonly groups: Groups;
  readonly history: RecordHistory;
  readonly observer: Observer;
  readonly #beganMs = performance.now();
  #firstFaultMs: number | undefined;
  #lastFaultMs = 0;

  constructor(
    { random, report }: Pick<ScenarioContext, 'random' | 'report'>,
    parts: Pick<Trial, 'cluster' | 'topic' | 'lanes' | 'topics' | 'groups' | 'history' | 'observer'>,
  ) {
    this.random = random;
    this.report = report;
    this.cluster = parts.cluster;
    this.topic = parts.topic;
    this.lanes = parts.lanes;
    this.topics = parts.topics;
    this.groups = parts.groups;
    this.history = parts.history;
    this.observer = parts.observer;
  }

  /** Notes a fault, or that one is over, with its time. */
  injected(what: string): void {
    this.#firstFaultMs ??= performance.now();
    this.#lastFaultMs = performance.now();
    const seconds = ((this.#lastFaultMs - this.#beganMs) / 1_000).toFixed(1).padStart(5);
    this.report.inject(`${seconds} s  ${what}`);
    this.report.progress(what);
  }

  /** The longest times without an acknowledgement: while there were faults, and over all. */
  gaps(): { readonly faults: Gaps; readonly all: Gaps } {
    const nowMs = performance.now();
    const fromMs = this.#firstFaultMs ?? nowMs;
    return { faults: this.lanes.gaps(fromMs, this.#lastFaultMs), all: this.lanes.gaps(0, nowMs) };
  }

  /** The broker that leads a partition, once there is one that is not among some. */
  async leaderOf(partition: number, but: readonly Broker[] = []): Promise<Broker> {
    let leader = -1;
    await this.until(`partition ${partition} has ${but.length === 0 ? 'a' : 'another'} leader`, () => {
      leader = this.observer.partitions[partition]?.leader ?? -1;
      return leader !== -1 && !but.some(({ id }) => id === leader);
    });
    return this.cluster.broker(leader);
  }

  /** The broker that coordinates a group, once there is one that is not among some. */
  async coordinatorOf(group: Group, but: readonly Broker[] = []): Promise<Broker> {
    let found = -1;
    await this.until(`${group.id} has ${but.length === 0 ? 'a' : 'another'} coordinator`, () => {
      found = this.groups.coordinatorId(group);
      return found !== -1 && !but.some(({ id }) => id === found);
    });
    return this.cluster.broker(found);
  }

  /** Waits until those who run are all in their groups, and have all partitions. @throws Error (as a rejection) when that takes long */
  async untilGroupsSettled(groups = this.groups.all): Promise<void> {
    const unsettled = await this.groups.untilSettled(HEALED_WITHIN_MS, groups);
    if (unsettled !== undefined) throw new Error(`not within ${HEALED_WITHIN_MS / 1_000} s: ${unsettled}`);
  }

  /** Waits until groups have committed further in every partition. @throws Error (as a rejection) when that takes long */
  async untilGroupsProgress(groups = this.groups.all): Promise<void> {
    const stuck = await this.groups.untilProgress(HEALED_WITHIN_MS, groups);
    if (stuck !== undefined) throw new Error(`not within ${HEALED_WITHIN_MS / 1_000} s: ${stuck}`);
  }

  /** The number of partitions that a broker leads. */
  ledBy({ id }: Broker): number {
    return this.observer.partitions.filter(({ leader }) => leader === id).length;
  }

  /** Waits until no partition has a broker in sync, or a leader there. */
  async untilOut({ id, name }: Broker): Promise<void> {
    await this.until(`${name} is in no ISR`, () => this.observer.partitions.every(({ isr }) => !isr.includes(id)));
  }

  /** Waits until every partition has a leader, and all its replicas in sync. */
  async untilInSync(): Promise<void> {
    await this.until('all replicas are in sync', () =>
      this.observer.partitions.every(({ leader, isr, replicas }) => leader !== -1 && isr.length === replicas.length),
    );
  }

  /** Waits until some more records were acknowledged on some partitions, all when left out. */
  async untilProgress(partitions = Array.from({ length: this.topic.partitions }, (_, i) => i)): Promise<void> {
    const enough = new Map(partitions.map((i) => [i, this.lanes.acknowledgedOn(i) + PROGRESS_RECORDS]));
    await this.until('records are acknowledged', () =>
      [...enough].every(([partition, count]) => this.lanes.acknowledgedOn(partition) >= count),
    );
  }

  /** @throws Error (as a rejection) when it does not come about soon */
  async until(what: string, holds: () => boolean, withinMs = HEALED_WITHIN_MS): Promise<void> {
    for (const untilMs = performance.now() + withinMs; !holds(); await pause(POLL_MS)) {
      if (performance.now() < untilMs) continue;
      const partitions = this.observer.partitions.map(
        ({ index, leader, isr, elr }) => `${index}: leader ${leader}, ISR [${isr.join(' ')}], ELR [${elr.join(' ')}]`,
      );
      throw new Error(`not within ${withinMs / 1_000} s: ${what}; ${partitions.join('; ')}`);
    }
  }
}

async function run(scenario: ClusterScenario, context: ScenarioContext): Promise<void> {
  const { workshop, report, random } = context;
  report.progress('starting the cluster');
  const cluster = await ReplicatedCluster.start(workshop, scenario.topology ?? {});
  workshop.cleanups.add('writing down what the processes said', () => {
    const directory = join(workshop.root, 'output');
    mkdirSync(directory, { recursive: true });
    for (const node of cluster.nodes) node.writeOutput(join(directory, `${node.name.replace(' ', '-')}.log`));
  });
  const observer = new Observer(cluster.coordinatorAddresses, TOPIC);
  workshop.cleanups.add('closing the observer', () => observer.close());
  const history = new RecordHistory();
  const { client } = observer;
  const target = { coordinators: cluster.coordinatorAddresses, gatewayUrl: cluster.gatewayUrl };
  const topics = new LoadedTopics({ client, target, flush: scenario.flush ?? 'commit', history, random });
  workshop.cleanups.add('ending the load', () => topics.stop());
  workshop.cleanups.add('ending the readers', () => topics.stopReading());
  const loaded = await topics.create({ ...TOPIC, partitions: scenario.partitions ?? TOPIC.partitions });
  const groups = startGroups(scenario.groups ?? [], { cluster, workshop, client, topics: () => topics.all });
  const trial = new Trial(context, { cluster, ...loaded, topics, groups, history, observer });
  await trial.untilInSync();
  await trial.untilProgress();
  const unsettled = await groups.untilSettled(GROUPS_WITHIN_MS);
  if (unsettled !== undefined) throw new Error(`the groups do not come about: ${unsettled}`);

  await scenario.inject(trial);

  const healedMs = performance.now();
  const healed = await outcomeOf(trial.untilInSync());
  const seconds = ((performance.now() - healedMs) / 1_000).toFixed(1);
  report.check(
    healed === undefined,
    'every partition has a leader again, and all replicas in sync',
    healed ?? `after ${seconds} s`,
  );
  const goesOn = await outcomeOf(trial.untilProgress());
  report.check(goesOn === undefined, 'records are acknowledged on every partition again', goesOn);
  const { faults, all } = trial.gaps();
  report.progress('waiting for the last outcomes');
  await topics.stop();
  const committed = await checkGroups(trial);
  const logs = await readAll(trial, target);
  const members = groups.histories();
  noteDeliveries(history, members);
  judge(trial, scenario, logs);
  judgeGroups(trial, { members, committed, mayLose: scenario.mayLose === true });
  const counts = [
    `${history.acknowledgedCount} acknowledged`,
    `longest without one ${inSeconds(faults.oneMs)} on a partition and ${inSeconds(faults.anyMs)} on all during the faults`,
    `${inSeconds(all.oneMs)} and ${inSeconds(all.anyMs)} over all`,
    `${observer.leaderChanges} leader changes`,
    `${observer.isrChanges} ISR changes`,
    `${cluster.count(cluster.brokers, /is cut to \d+: its leader's log/)} truncations`,
    `${cluster.count(cluster.coordinators, /"unclean election:/)} unclean elections`,
    `${cluster.count(cluster.brokers, /after an unclean stop|are not to be trusted/)} unclean recoveries`,
  ];
  report.summary = counts.join(', ');
}

/** A reader that was not there before reads everything, and then every replica's log is looked at. */
async function readAll(
  { cluster, topics, history, report }: Trial,
  { coordinators }: { readonly coordinators: readonly string[] },
): Promise<readonly ReplicaLog[]> {
  const fresh = topics.all.map((topic) => new FollowingReader(FRESH_READER, { coordinators, topic, history }));
  const behind = await Promise.all(fresh.map((reader) => reader.untilAtEnd(READ_WITHIN_MS)));
  const first = behind.find((problem) => problem !== undefined);
  report.check(first === undefined, 'a fresh reader reads everything', first);
  await Promise.all([...fresh.map((reader) => reader.close()), topics.stopReading()]);
  report.progress('stopping the brokers, reading their logs');
  const endings = await Promise.all(cluster.brokers.map((broker) => broker.stop()));
  const codes = endings.map((ending) => ending?.code ?? ending?.signal ?? 'not running');
  report.check(
    codes.every((code) => code === 0),
    'all brokers stop in order',
    codes.join(' '),
  );
  const read = topics.all.map((topic) => readReplicas(cluster.brokers, topic));
  const [logs, differences] = [read.flatMap((one) => one.logs), read.flatMap((one) => one.differences)];
  const replicas = REPLICAS * topics.all.reduce((sum, { partitions }) => sum + partitions, 0);
  report.check(differences.length === 0, 'all replicas have the same bytes', differences.join('; '));
  report.check(logs.length === replicas, 'every replica has a log', `${logs.length} logs`);
  return logs;
}

function judge(
  { history, topic, report }: Trial,
  { mayLose = false }: ClusterScenario,
  replicas: readonly ReplicaLog[],
): void {
  const all = Array.from({ length: topic.partitions }, (_, i) => partitionName(topic.name, i));
  const anomalies = anomaliesIn(history, { replicas, ...(mayLose ? { mayLose: new Set(all) } : {}) });
  for (const { kind, what } of anomalies.slice(0, ANOMALIES_SHOWN)) report.note(`${kind}: ${what}`);
  report.check(anomalies.length === 0, 'anomalies', String(anomalies.length));
  if (!mayLose) return;
  const lost = anomaliesIn(history).filter(({ kind }) => kind === 'lost-write' || kind === 'unseen');
  report.note(`${lost.length} of ${history.acknowledgedCount} acknowledged records are lost, as they may be`);
}

/** Undefined when it came about; why not otherwise. */
async function outcomeOf(awaited: Promise<void>): Promise<string | undefined> {
  try {
    await awaited;
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
