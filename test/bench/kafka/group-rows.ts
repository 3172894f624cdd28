import { setTimeout as pause } from 'node:timers/promises';
import { GroupMember } from '../../harness/group-member.ts';
import { cpuSeconds, residentMiB } from '../measure.ts';
import type { BrokerName, Cluster } from './cluster.ts';
import { scaled } from './row.ts';
import type { Bench, OwnRow, Values } from './row.ts';

const MEMBERS = 50;
const PARTITIONS = 500;
const COMMIT_SECONDS = 10;
const COMMITTERS = 50;
const PARTITIONS_A_COMMIT = 10;
const GROUPS = 1_000;
const QUIET_MS = 5_000;
const HEARTBEAT_MS = 100;
const TOPIC = 'read-by-groups';

/** `groups-…`: what groups of consumers cost a broker. The members are the same program for both, over Kafka's protocol. */
export const groupRows: readonly OwnRow[] = [
  row('groups-join', 'the first member of a new group, with the brokers as they come (Kafka waits 3 s for others)', {
    figures: [{ name: 'from finding the coordinator to the assignment, ms', digits: 0 }],
    measure: firstJoin,
  }),
  row('groups-join-at-once', 'the same, with a Kafka that waits for no others', {
    figures: [{ name: 'from finding the coordinator to the assignment, ms', digits: 0 }],
    groupsAtOnce: true,
    measure: firstJoin,
  }),
  row('groups-rebalance', `${MEMBERS} members of a topic of ${PARTITIONS} partitions, and one more`, {
    figures: [
      { name: 'from its joining until all have their assignments, ms', digits: 0 },
      { name: 'CPU of the broker, ms', digits: 0 },
    ],
    measure: rebalance,
  }),
  row(
    'groups-commits',
    `commits of ${PARTITIONS_A_COMMIT} partitions each by ${COMMITTERS} members, one after the other`,
    {
      figures: [
        { name: 'commits/s', digits: 0 },
        { name: 'CPU of the broker, ms/commit', digits: 3 },
      ],
      measure: commits,
    },
  ),
  row(
    'groups-memory',
    `${GROUPS.toLocaleString('en-US')} groups of one member, with offsets of ${PARTITIONS_A_COMMIT} partitions each`,
    {
      figures: [
        { name: 'memory before, MiB', digits: 0 },
        { name: 'memory with them, MiB', digits: 0 },
      ],
      measure: memory,
    },
  ),
];

function row(
  id: string,
  title: string,
  {
    figures,
    groupsAtOnce = false,
    measure,
  }: Pick<OwnRow, 'figures'> & {
    readonly groupsAtOnce?: boolean;
    readonly measure: (cluster: Cluster, bench: Bench) => Promise<Values>;
  },
): OwnRow {
  return {
    kind: 'own',
    id,
    title,
    figures,
    async measure(name: BrokerName, bench: Bench) {
      const cluster = await bench.fresh(name, { brokers: 1, flush: 'interval', groupsAtOnce });
      try {
        await cluster.start();
        await bench.tools.createTopic(cluster.bootstrap, { name: TOPIC, partitions: PARTITIONS });
        // The first group of all has to wait for the offsets topic.
        await member(cluster, 'warm-up').then((warm) => warm.close());
        return await measure(cluster, bench);
      } finally {
        await cluster.remove();
      }
    },
  };
}

/** A connection to the coordinator of a group, that has not joined. */
function member(cluster: Cluster, group: string): Promise<GroupMember> {
  return GroupMember.find(cluster.bootstrap, { group, topic: TOPIC, partitions: PARTITIONS });
}

/** Joins and takes its part, again for as long as others come meanwhile. */
async function takePart(one: GroupMember): Promise<void> {
  for (;;) {
    const joined = await one.join();
    if (joined === 0 && (await one.sync()).error === 0) return;
    await pause(HEARTBEAT_MS);
  }
}

async function firstJoin(cluster: Cluster): Promise<Values> {
  const beganMs = performance.now();
  const one = await member(cluster, 'first');
  await takePart(one);
  one.close();
  return { 'from finding the coordinator to the assignment, ms': performance.now() - beganMs };
}

async function rebalance(cluster: Cluster): Promise<Values> {
  const members = await Promise.all(Array.from({ length: MEMBERS }, () => member(cluster, 'many')));
  await allTakePart(members);
  const cpu = cpuSeconds(cluster.pid);
  const beganMs = performance.now();
  members.push(await member(cluster, 'many'));
  await allTakePart(members);
  const values = {
    'from its joining until all have their assignments, ms': performance.now() - beganMs,
    'CPU of the broker, ms': (cpuSeconds(cluster.pid) - cpu) * 1_000,
  };
  for (const one of members) one.close();
  return values;
}

/** Members that ask often whether they have to join again, until all of them are in the same generation with their assignments. */
async function allTakePart(members: readonly GroupMember[]): Promise<void> {
  const isIn = (one: GroupMember): boolean => one.isAssigned && one.generation === members[0]!.generation;
  await Promise.all(
    members.map(async (one) => {
      if (!one.isAssigned) await takePart(one);
      while (!members.every(isIn)) {
        await pause(HEARTBEAT_MS);
        if ((await one.heartbeat()) !== 0) await takePart(one);
      }
    }),
  );
}

async function commits(cluster: Cluster, bench: Bench): Promise<Values> {
  const members = await Promise.all(Array.from({ length: COMMITTERS }, (_, i) => member(cluster, `commits-${i}`)));
  await Promise.all(members.map(takePart));
  const partitions = Array.from({ length: PARTITIONS_A_COMMIT }, (_, i) => i);
  const seconds = Math.max(1, COMMIT_SECONDS * bench.scale);
  let count = 0;
  const cpu = cpuSeconds(cluster.pid);
  const beganMs = performance.now();
  const untilMs = beganMs + seconds * 1_000;
  await Promise.all(
    members.map(async (one) => {
      for (let offset = 1; performance.now() < untilMs; offset++) {
        const error = await one.commit(offset, partitions);
        if (error !== 0) throw new Error(`a commit was answered with error ${error}`);
        count++;
      }
    }),
  );
  const took = (performance.now() - beganMs) / 1_000;
  for (const one of members) one.close();
  return {
    'commits/s': count / took,
    'CPU of the broker, ms/commit': ((cpuSeconds(cluster.pid) - cpu) * 1_000) / count,
  };
}

async function memory(cluster: Cluster, bench: Bench): Promise<Values> {
  await pause(QUIET_MS);
  const before = residentMiB(cluster.pid);
  const partitions = Array.from({ length: PARTITIONS_A_COMMIT }, (_, i) => i);
  const members: GroupMember[] = [];
  for (let i = 0; i < scaled(GROUPS, bench); i++) {
    const one = await member(cluster, `group-${i}`);
    members.push(one);
  }
  await Promise.all(
    members.map(async (one) => {
      await takePart(one);
      await one.commit(1, partitions);
    }),
  );
  await pause(QUIET_MS);
  const values = { 'memory before, MiB': before, 'memory with them, MiB': residentMiB(cluster.pid) };
  for (const one of members) one.close();
  return values;
}
