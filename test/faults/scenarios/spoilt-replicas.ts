import {
  appendFileSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CHECKPOINT_INTERVAL_MS } from '@weir/base/limits.ts';
import type { Random } from '@weir/base/random.ts';
import { BATCH_CRC_FROM, BATCH_HEADER_BYTES } from '@weir/records/batch-header.ts';
import { batchPositions } from '../damage.ts';
import { FollowingReader } from '../cluster/following-reader.ts';
import type { Broker } from '../cluster/replicated-cluster.ts';
import { onCluster } from '../cluster/trial.ts';
import type { Trial } from '../cluster/trial.ts';

/** All that is acknowledged by now is in the checkpoints: what is missing of it later is no torn tail. */
const CHECKPOINTED_MS = 2 * CHECKPOINT_INTERVAL_MS + 200;

/** Every batch has that many bytes behind those that its CRC does not cover. */
const FLIPPED_WITHIN = BATCH_HEADER_BYTES - BATCH_CRC_FROM;
/** Of a batch, behind its offset and its length. */
const LAST_EPOCH_BYTE = 15;
const READ_MS = 30_000;
const READY_MS = 60_000;
const READY_POLL_MS = 50;
/** Enough to register, and to lead whatever it may. */
const ALONE_MS = 3_000;

/** A write that the crash has cut short. */
export const tornTail = onCluster({
  name: 'torn-tail',
  title: '20: kill -9 of a broker, then of all, each with half a batch at the end of every log',
  async inject(trial) {
    const { brokers } = trial.cluster;
    for (const victims of [[await trial.leaderOf(0)], brokers]) {
      trial.injected(
        `kill -9 of ${victims.map(({ name }) => name).join(', ')}: the last batch of each log is half written`,
      );
      await Promise.all(victims.map((broker) => broker.kill()));
      for (const broker of victims) for (const folder of foldersOf(trial, broker)) tear(folder);
      await Promise.all(victims.map((broker) => broker.start()));
      trial.injected('they are back');
      const folders = victims.flatMap((broker) => foldersOf(trial, broker));
      const torn = folders.filter((folder) => readdirSync(folder).some((name) => name.endsWith('.torn')));
      trial.report.check(torn.length === folders.length, 'every log was cut', `${torn.length} of ${folders.length}`);
      await trial.untilInSync();
      await trial.untilProgress();
    }
  },
});

interface Spoiling {
  readonly what: string;
  apply(folder: string, random: Random): void;
}

/** After a stop in order no start looks at all that is on the disk: that is for `rot-as-it-runs`. */
const FLIPPED: Spoiling = { what: 'a bit is flipped in the middle of the log', apply: flip };
const UNOPENABLE: Spoiling = { what: 'the log cannot be opened', apply: replaceByDirectory };

/** One for each partition but the first. */
const SPOILINGS: readonly Spoiling[] = [
  { what: 'the log is cut in its middle', apply: cut },
  { what: 'the log is gone', apply: (folder) => rmSync(join(folder, segmentOf(folder))) },
  { what: 'the indexes are gone', apply: (folder) => remove(folder, /index$/) },
  { what: 'the leader epochs are gone', apply: (folder) => remove(folder, /^leader-epochs$/) },
  { what: 'the folder is gone', apply: (folder) => rmSync(folder, { recursive: true }) },
];

/** A replica whose files are not what they were. */
export const spoiltReplica = onCluster({
  name: 'spoilt-replica',
  title: '21: files of a stopped replica are flipped, cut, removed and blocked: after a stop, and after kill -9',
  async inject(trial) {
    for (const way of ['stop', 'kill'] as const) {
      const victim = await trial.leaderOf(0);
      await pause(CHECKPOINTED_MS);
      await victim[way]();
      trial.injected(`${victim.name} is gone by a ${way}`);
      const spoilings = [way === 'kill' ? FLIPPED : UNOPENABLE, ...SPOILINGS];
      for (const [i, folder] of foldersOf(trial, victim).entries()) {
        const spoiling = spoilings[i]!;
        trial.injected(`partition ${i} of ${victim.name}: ${spoiling.what}`);
        spoiling.apply(folder, trial.random);
      }
      await victim.start();
      trial.injected(`${victim.name} is back`);
      await trial.untilInSync();
      await trial.untilProgress();
    }
  },
});

/** Rot that a read finds, while its broker runs. */
export const rotAsItRuns = onCluster({
  name: 'rot-as-it-runs',
  title: '21: bits of what a leader has on its disk are flipped as it runs, also in leader epochs, and somebody reads',
  async inject(trial) {
    const { cluster, report, topic, history } = trial;
    const victim = await trial.leaderOf(0);
    const positions = new Map(foldersOf(trial, victim).map((folder) => [folder, middleOf(bytesOf(folder))]));
    // It comes back with nothing in its memory: what it had before is read from its disk.
    await victim.stop();
    await victim.start();
    trial.injected(`${victim.name} has been stopped and started`);
    await trial.untilInSync();
    await trial.until(`${victim.name} leads again`, () => trial.ledBy(victim) > 1);
    const led = trial.observer.partitions.filter(({ leader }) => leader === victim.id).map(({ index }) => index);
    for (const [i, index] of led.entries()) {
      const folder = foldersOf(trial, victim).find((one) => one.endsWith(`-${index}`))!;
      const isEpoch = i % 2 === 1;
      trial.injected(
        `partition ${index} of ${victim.name}: a bit of a batch's ${isEpoch ? 'leader epoch' : 'records'} is flipped`,
      );
      flipAt(folder, positions.get(folder)! + (isEpoch ? LAST_EPOCH_BYTE : BATCH_HEADER_BYTES - 1));
    }
    const reader = new FollowingReader('second reader', { coordinators: cluster.coordinatorAddresses, topic, history });
    const behind = await reader.untilAtEnd(READ_MS);
    await reader.close();
    report.check(behind === undefined, 'another reader reads everything', behind);
    const found = cluster.count(
      [victim],
      /"[^"]* is offline on this broker: its log is damaged: there is no sound batch/,
    );
    report.check(found === led.length, 'the leader has noticed each of them', `${found} of ${led.length}`);
    await trial.until(
      'all of them have begun anew',
      () => cluster.count([victim], /"[^"]* begins anew/) === led.length,
    );
    trial.injected('all of them have begun anew');
    await trial.untilInSync();
    await trial.untilProgress();
  },
});

/** A broker whose disk was replaced by an empty one. */
export const wipedDisk = onCluster({
  name: 'wiped-disk',
  title: '22: kill -9 of a leader, whose disk is empty when it is back, twice',
  async inject(trial) {
    for (let i = 0; i < 2; i++) {
      const victim = await trial.leaderOf(i);
      trial.injected(`kill -9 of ${victim.name}, and its disk is wiped`);
      await victim.kill();
      rmSync(victim.dataDirectory, { recursive: true });
      await victim.start();
      trial.injected(`${victim.name} is back`);
      await trial.untilInSync();
      await trial.untilProgress();
    }
  },
});

/** A broker whose disk was replaced by an old copy of it, while others went on. */
export const oldDisk = onCluster({
  name: 'old-disk',
  title: '22: kill -9 of a leader, which comes back with the disk that it had before',
  async inject(trial) {
    const victim = await trial.leaderOf(0);
    const copy = await copyOfDisk(trial, victim);
    trial.injected(`kill -9 of ${victim.name}`);
    await victim.kill();
    putBack(victim, copy);
    await trial.untilProgress();
    await victim.start();
    trial.injected(`${victim.name} is back with an old disk`);
  },
});

/** The same where nobody went on: it must not lead by the seat that it had. */
export const oldDiskFirst = onCluster({
  name: 'old-disk-first',
  title: '22: kill -9 of all, and one is back first, with the disk that it had before',
  async inject(trial) {
    const { cluster } = trial;
    const victim = await trial.leaderOf(0);
    const copy = await copyOfDisk(trial, victim);
    trial.injected('kill -9 of all brokers');
    await Promise.all(cluster.brokers.map((broker) => broker.kill()));
    putBack(victim, copy);
    await victim.start({ isReadyAwaited: false });
    trial.injected(`${victim.name} is back with an old disk`);
    await pause(ALONE_MS);
    await Promise.all(cluster.others(victim).map((broker) => broker.start()));
    trial.injected('the others are back');
    // As long as the session of the run before lives it is refused, and that one counts as in sync.
    await untilReady(victim);
    trial.injected(`${victim.name} is ready`);
  },
});

/** @throws Error (as a rejection) when it takes long */
async function untilReady(broker: Broker): Promise<void> {
  for (const untilMs = performance.now() + READY_MS; performance.now() < untilMs; await pause(READY_POLL_MS)) {
    if ((await broker.ops('/readyz'))?.status === 200) return;
  }
  throw new Error(`${broker.name} is not ready within ${READY_MS / 1_000} s`);
}

/** A copy of a broker's disk, made while it was stopped; it is back in sync since, and has got more. */
async function copyOfDisk(trial: Trial, broker: Broker): Promise<string> {
  const copy = `${broker.dataDirectory}.old`;
  trial.injected(`${broker.name} stops, its disk is copied, and it goes on`);
  await broker.stop();
  cpSync(broker.dataDirectory, copy, { recursive: true });
  await broker.start();
  await trial.untilInSync();
  await trial.untilProgress();
  return copy;
}

function putBack({ dataDirectory }: Broker, copy: string): void {
  rmSync(dataDirectory, { recursive: true });
  cpSync(copy, dataDirectory, { recursive: true });
}

/** Folders of the topic's replicas, by partition. */
function foldersOf({ topic }: Trial, { dataDirectory }: Broker): string[] {
  return Array.from({ length: topic.partitions }, (_, i) =>
    join(dataDirectory, 'partitions', `${topic.id}-${i}`),
  ).filter((folder) => existsSync(folder));
}

/** The newest segment: there is one only as long as a run takes. */
function segmentOf(folder: string): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .toSorted()
    .at(-1)!;
}

/** The first half of a batch that goes on where the log ends. */
function tear(folder: string): void {
  const path = join(folder, segmentOf(folder));
  const bytes = readFileSync(path);
  const last = Buffer.from(bytes.subarray(batchPositions(bytes).at(-1)));
  const next = last.readBigInt64BE(0) + BigInt(last.readInt32BE(23)) + 1n;
  last.writeBigInt64BE(next, 0);
  appendFileSync(path, last.subarray(0, Math.ceil(last.length / 2)));
}

function bytesOf(folder: string): Buffer {
  return readFileSync(join(folder, segmentOf(folder)));
}

/** While somebody else writes at the end of the file. */
function flipAt(folder: string, position: number): void {
  const file = openSync(join(folder, segmentOf(folder)), 'r+');
  try {
    writeSync(file, Buffer.of(bytesOf(folder)[position]! ^ 1), 0, 1, position);
  } finally {
    closeSync(file);
  }
}

function replaceByDirectory(folder: string): void {
  const path = join(folder, segmentOf(folder));
  rmSync(path);
  mkdirSync(path);
}

/** Somewhere in what a batch's CRC covers. */
function flip(folder: string, random: Random): void {
  const path = join(folder, segmentOf(folder));
  const bytes = readFileSync(path);
  const at = middleOf(bytes) + BATCH_CRC_FROM;
  bytes[at + Math.floor(random.unit() * FLIPPED_WITHIN)]! ^= 1 << Math.floor(random.unit() * 8);
  writeFileSync(path, bytes);
}

function cut(folder: string): void {
  const path = join(folder, segmentOf(folder));
  truncateSync(path, middleOf(readFileSync(path)));
}

/** Where a batch begins. */
function middleOf(bytes: Buffer): number {
  const positions = batchPositions(bytes);
  return positions[Math.floor(positions.length / 2)]!;
}

function remove(folder: string, names: RegExp): void {
  for (const name of readdirSync(folder)) if (names.test(name)) rmSync(join(folder, name));
}
