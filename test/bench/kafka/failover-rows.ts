import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { sendSignal } from './children.ts';
import type { Figure } from './figures.ts';
import { createReplicated, untilInSync, withNativeClient } from './native-client.ts';
import { NativeLoad } from './native-load.ts';
import type { Outcome } from './native-load.ts';
import { ON_THREE, REPLICATED } from './replicated-rows.ts';
import type { Bench, OwnRow, Values } from './row.ts';
import { WeirCluster } from './weir-cluster.ts';

const GAP: Figure = { name: 'longest gap between acknowledgements, ms', digits: 0 };
const GAP_BEFORE: Figure = { name: 'the same before it, ms', digits: 0 };
const FAILED: Figure = { name: 'sends that were given up', digits: 0 };
const JAVA_GAP: Figure = { name: 'the same with the Java client, ms', digits: 0 };
const SECONDS = 30;

const NATIVE_RECORDS_PER_SECOND = 200;
const NATIVE_QUIET_MS = 10_000;
/** Long enough for a session to end, and for the others to settle down. */
const NATIVE_PAUSE_MS = 15_000;
const AFTERWARDS_MS = 10_000;
/** The Java client waits so long (`request.timeout.ms`) for a broker that has its request and says nothing. */
const JAVA_PATIENCE_SECONDS = 30;

/** `replicated-kill`, `replicated-stop` and `replicated-pause`: what becomes of a steady producer when the leader goes away. */
export const failoverRows: readonly OwnRow[] = [
  goneRow({ id: 'replicated-kill', how: 'kill -9', signal: 'KILL', gapMsMax: 2_000 }),
  goneRow({ id: 'replicated-stop', how: 'a clean stop', signal: 'TERM', gapMsMax: 300 }),
  {
    kind: 'own',
    id: 'replicated-pause',
    title: `${ON_THREE}: the leader stands still (SIGSTOP), native client, 200 records/s, acks=all, idempotent`,
    // The session of 6 s, and what comes after it.
    figures: [{ ...GAP, target: { kind: 'at-most', value: 7_000 } }, GAP_BEFORE, FAILED, JAVA_GAP],
    only: 'Weir',
    async measure(_, bench) {
      const cluster = await WeirCluster.prepare(REPLICATED);
      try {
        await cluster.start();
        return { ...(await pausedUnderNative(cluster)), [JAVA_GAP.name]: await pausedUnderJava(cluster, bench) };
      } finally {
        await cluster.remove();
      }
    },
  },
];

interface Gone {
  readonly id: string;
  readonly how: string;
  readonly signal: 'KILL' | 'TERM';
  readonly gapMsMax: number;
}

function goneRow({ id, how, signal, gapMsMax }: Gone): OwnRow {
  return {
    kind: 'own',
    id,
    title: `${ON_THREE}: ${how} of the leader, Java client, 200 records/s, acks=all, idempotent`,
    figures: [{ ...GAP, target: { kind: 'at-most', value: gapMsMax } }, GAP_BEFORE, FAILED],
    async measure(name, bench) {
      const cluster = await bench.fresh(name, REPLICATED);
      try {
        await cluster.start();
        const harm = `kill -${signal} ${leaderPid(cluster)}`;
        const { longestGapMs, gapBeforeMs, ...outcome } = await bench.tools.failover(cluster.bootstrap, {
          seconds: SECONDS,
          harm,
        });
        allThereOnce(outcome);
        return { [GAP.name]: longestGapMs, [GAP_BEFORE.name]: gapBeforeMs, [FAILED.name]: outcome.failed };
      } finally {
        await cluster.remove();
      }
    },
  };
}

async function pausedUnderNative(cluster: WeirCluster): Promise<Values> {
  return withNativeClient(cluster, async (client) => {
    const topic = 'paused';
    await createReplicated(client, topic, 1);
    const load = new NativeLoad(client, { topic, recordsPerSecond: NATIVE_RECORDS_PER_SECOND, recordBytes: 100 });
    const begunMs = performance.now();
    await pause(NATIVE_QUIET_MS);
    const pid = cluster.brokerPids[client.topic(topic)!.partitions[0]!.leader - 1]!;
    const pausedMs = performance.now();
    sendSignal(pid, 'SIGSTOP');
    await pause(NATIVE_PAUSE_MS);
    sendSignal(pid, 'SIGCONT');
    await pause(AFTERWARDS_MS);
    await load.stop();
    await untilInSync(client, topic);
    const outcome = await load.outcome();
    allThereOnce(outcome);
    const { acknowledgements } = load;
    return {
      [GAP.name]: acknowledgements.longestGapMs({ fromMs: pausedMs, toMs: performance.now() }),
      [GAP_BEFORE.name]: acknowledgements.longestGapMs({ fromMs: begunMs, toMs: pausedMs }),
      [FAILED.name]: outcome.failed,
    };
  });
}

/** The pause outlasts the client's patience: what is measured is the client more than the brokers. */
async function pausedUnderJava(cluster: Cluster, bench: Bench): Promise<number> {
  const harm = `pid=${leaderPid(cluster)}
    kill -STOP $pid
    (sleep ${JAVA_PATIENCE_SECONDS + 10}; kill -CONT $pid) > /dev/null 2>&1 < /dev/null &`;
  const { longestGapMs, ...outcome } = await bench.tools.failover(cluster.bootstrap, {
    seconds: 3 * JAVA_PATIENCE_SECONDS,
    harm,
  });
  allThereOnce(outcome);
  return longestGapMs;
}

/** For a shell that has a broker's id in $LEADER: the process of that broker. */
function leaderPid({ brokerPids }: Cluster): string {
  return `$(echo ${brokerPids.join(' ')} | cut -d ' ' -f $LEADER)`;
}

/** @throws Error: a gap says nothing where records are lost or doubled */
function allThereOnce({ lost, duplicates }: Outcome): void {
  if (lost > 0 || duplicates > 0)
    throw new Error(`${lost} acknowledged records are lost, ${duplicates} are there twice`);
}
