import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CHECKPOINT_INTERVAL_MS } from '@weir/base/limits.ts';
import type { Random } from '@weir/base/random.ts';
import { batchPositions, damagesOf } from '../damage.ts';
import type { Damage } from '../damage.ts';
import { valueOf } from '../history.ts';
import type { StoredRecord } from '../history.ts';
import { idempotentBatch, sendBatch } from '../idempotent-batch.ts';
import { createTopic, readPartition } from '../load.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { StartFailure } from '../../harness/weir-child.ts';
import { WeirProcess } from '../weir-process.ts';
import type { Workshop } from '../workshop.ts';

const TOPIC = 'rotten';
const OTHER = 'other';
/** Segments of 1 MiB: some sealed ones, and an active one. */
const RECORDS = 4_800;
const RECORDS_PER_REQUEST = 30;
const AT_ONCE = 6;
/** The client asks for a partition that is offline again and again: that need not be waited for. */
const OFFLINE = /is offline on this broker|: (damaged|missing)"/;
const OFFLINE_ANSWER_MS = 1_000;
/** What is in them can be told from the log or the metadata: one of them is missed by nobody. */
const MADE_AGAIN =
  /^(a index file|a timeindex file|a snapshot file|leader-epochs|partition\.json|checkpoint|clean-shutdown): /;
const NOISE = { name: 'noise', partitions: 4 };
const TRIES = 100;
/** These say what is wrong without the name of the file. */
const OTHER_REASONS = /INCONSISTENT_CLUSTER_ID|DUPLICATE_BROKER_ID|belongs to|metadata store/;
/** Reads in the middle of the log, which go through the index. */
const MIDDLE_READS = 12;

type Stop = 'clean stop' | 'kill';

/** A data directory that a process left behind, and what is in it. */
interface Sound {
  readonly stop: Stop;
  readonly directory: string;
  /** The partition's folder, from the data directory. */
  readonly folder: string;
  readonly records: readonly (StoredRecord & { readonly timestamp: number })[];
  /** The log's first batch, of an idempotent producer. */
  readonly firstBatch: Buffer;
}

/** What came of a damage. */
interface Outcome {
  readonly kind: 'all right' | 'part refused' | 'does not start' | 'unexplained' | 'WRONG';
  readonly why: string;
}

/** Flipped bits, cut and missing files, in the data directory of a stopped process. */
export const bitRot: Scenario = {
  name: 'bit-rot',
  title: 'bits flipped, files cut and removed while nothing runs',
  needs: [],
  async run(context) {
    const { workshop, random, rounds, report } = context;
    const table = new Map<string, Map<string, number>>();
    const wrong: string[] = [];
    const missed: string[] = [];
    const unexplained: string[] = [];
    let count = 0;
    for (const stop of ['clean stop', 'kill'] as const) {
      report.progress(`making the logs of a ${stop}`);
      const sound = await makeSound(workshop, stop);
      const damages = damagesOf(sound.directory, sound.folder, random, Math.max(1, Math.round(rounds / 5)));
      let next = 0;
      const work = async (): Promise<void> => {
        for (let i = next++; i < damages.length; i = next++) {
          const damage = damages[i]!;
          const outcome = await tryDamage(context, sound, damage);
          const row = table.get(damage.what) ?? new Map<string, number>();
          const column = `${stop}: ${outcome.kind}`;
          table.set(damage.what, row.set(column, (row.get(column) ?? 0) + 1));
          if (MADE_AGAIN.test(damage.what) && outcome.kind !== 'all right')
            missed.push(`${damage.exactly}, after a ${stop}`);
          if (outcome.kind === 'unexplained') unexplained.push(`${damage.exactly}, after a ${stop}: ${outcome.why}`);
          if (outcome.kind === 'WRONG') wrong.push(`${damage.exactly}, after a ${stop}: ${outcome.why}`);
          count += 1;
          report.progress(`${i + 1} of ${damages.length} damages after a ${stop}`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    }
    report.inject(`${count} damages, each in a copy of its own`);
    for (const [what, row] of table) {
      const found = [...row]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([column, times]) => (times === 1 ? column : `${column} (${times})`));
      report.note(`${what.padEnd(40)} ${found.join(', ')}`);
    }
    for (const what of wrong) report.note(`WRONG ${what}`);
    report.check(
      wrong.length === 0,
      'everything is served right, or refused with a reason: no wrong record, and no shorter log that looks whole',
      `${wrong.length} of ${count} wrong`,
    );
    report.check(
      unexplained.length === 0,
      'a start that is refused says which file is the reason',
      unexplained.join('; '),
    );
    report.check(
      missed.length === 0,
      'indexes, epochs, checkpoint, clean marker, producers and partition.json are made again, with all records there',
      missed.slice(0, 3).join('; '),
    );
  },
};

async function makeSound(workshop: Workshop, stop: Stop): Promise<Sound> {
  const directory = workshop.directory('sound');
  const weir = new WeirProcess(workshop, { dataDirectory: directory });
  await weir.start();
  const id = await createTopic(
    weir,
    { name: TOPIC, partitions: 1 },
    {
      'segment.bytes': '1048576',
      'max.message.bytes': '524288',
    },
  );
  await createTopic(weir, { name: OTHER, partitions: 1 });
  // Every segment's snapshot has a producer in it.
  const firstBatch = await idempotentBatch(weir, 'first');
  for (const topic of [TOPIC, OTHER]) {
    const { errorCode } = await sendBatch(weir, topic, firstBatch);
    if (errorCode !== 0) throw new Error(`the first batch was answered with error ${errorCode}`);
  }
  for (let number = 0; number < RECORDS; number += RECORDS_PER_REQUEST) {
    const values = Array.from({ length: RECORDS_PER_REQUEST }, (_, i) => valueOf(number + i));
    for (const topic of number === 0 ? [TOPIC, OTHER] : [TOPIC]) {
      const { status, text } = await weir.http(`/v1/topics/${topic}/records?partition=0`, { body: values });
      if (status !== 200) throw new Error(`${status} ${text}`);
    }
  }
  const { records, error } = await readPartition(weir, TOPIC, 0);
  if (error !== undefined || records.length !== RECORDS + 1)
    throw new Error(`${records.length} records: ${error?.text}`);
  // So that the journal has something: records of several partitions that come at once.
  await createTopic(weir, NOISE);
  const journal = join(directory, 'broker', 'journal');
  for (let i = 0; i < TRIES && readdirSync(journal).length === 0; i++) {
    const partitions = Array.from({ length: 2 * NOISE.partitions }, (_, n) => n % NOISE.partitions);
    await Promise.all(
      partitions.map((n) => weir.http(`/v1/topics/${NOISE.name}/records?partition=${n}`, { body: ['noise'] })),
    );
  }
  // All is in the checkpoint: nothing of it may pass for a torn tail.
  await pause(2 * CHECKPOINT_INTERVAL_MS + 200);
  if (stop === 'kill') await weir.kill();
  else await weir.stop();
  const folder = join('broker', 'partitions', `${id}-0`);
  const names = readdirSync(join(directory, folder));
  if (!names.some((name) => name.endsWith('.snapshot'))) throw new Error('there is no producer snapshot');
  const segments = names.filter((name) => name.endsWith('.log'));
  if (segments.length < 3) throw new Error(`there are ${segments.length} segments`);
  for (const name of segments) batchPositions(readFileSync(join(directory, folder, name)));
  return { stop, directory, folder, records: records as Sound['records'], firstBatch };
}

async function tryDamage({ workshop, random }: ScenarioContext, sound: Sound, damage: Damage): Promise<Outcome> {
  const directory = workshop.directory('copy');
  cpSync(sound.directory, directory, { recursive: true });
  damage.apply(directory);
  const weir = new WeirProcess(workshop, { dataDirectory: directory });
  try {
    await weir.start();
    return await judge(weir, sound, { random, knowsProducers: MADE_AGAIN.test(damage.what) });
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    // The first line says with what it ended.
    const text = error.message.slice(error.message.indexOf('\n'));
    return text.includes(basename(damage.path)) || OTHER_REASONS.test(text)
      ? { kind: 'does not start', why: '' }
      : {
          kind: 'unexplained',
          why: `it does not start, and does not say which file is the reason:${text.slice(0, 600)}`,
        };
  } finally {
    await weir.kill();
  }
}

async function judge(
  weir: WeirProcess,
  { records, firstBatch }: Sound,
  { random, knowsProducers }: { random: Random; knowsProducers: boolean },
): Promise<Outcome> {
  const other = await unlessOffline(weir, readPartition(weir, OTHER, 0, 0));
  const read = await unlessOffline(weir, readPartition(weir, TOPIC, 0, 0));
  const wrong = firstWrong(read?.records ?? [], records) ?? firstWrong(other?.records ?? [], records);
  if (wrong !== undefined) return { kind: 'WRONG', why: wrong };
  if (read !== undefined && read.error === undefined && read.records.length < records.length) {
    const there = new Set(read.records.map(({ offset }) => offset));
    const first = records.find(({ offset }) => !there.has(offset))?.offset;
    const gone = records.length - read.records.length;
    return { kind: 'WRONG', why: `${gone} records from offset ${first} on are not there, without an error` };
  }
  let refused = read?.error !== undefined || other?.error !== undefined || read === undefined || other === undefined;
  const middleReads = read === undefined || read.records.length === 0 ? 0 : MIDDLE_READS;
  for (let i = 0; i < middleReads; i++) {
    const record = records[Math.floor(random.unit() * records.length)]!;
    const byTime = i % 3 === 0;
    const from = byTime ? `timestamp=${record.timestamp}` : `offset=${record.offset}`;
    const path = `/v1/topics/${TOPIC}/records?partition=0&${from}&limit=20`;
    const answer = await unlessOffline(weir, weir.http(path));
    if (answer?.status !== 200) {
      refused = true;
      break;
    }
    const expected = byTime ? records.find(({ timestamp }) => timestamp >= record.timestamp)! : record;
    const found = answer.json.records as StoredRecord[];
    if (found[0]?.offset !== expected.offset) {
      return { kind: 'WRONG', why: `a read from ${from} begins at ${found[0]?.offset}, not at ${expected.offset}` };
    }
    const bad = firstWrong(found, records);
    if (bad !== undefined) return { kind: 'WRONG', why: bad };
  }
  // An offset that was given away is not given to another record.
  const path = `/v1/topics/${TOPIC}/records?partition=0`;
  const answer = await unlessOffline(weir, weir.http(path, { body: ['new'] }));
  const given = answer?.json?.offsets?.[0]?.offset as number | undefined;
  if (given !== undefined && given < records.length) {
    return { kind: 'WRONG', why: `a new record gets offset ${given}, and there were ${records.length} records` };
  }
  // What is known of producers can be told from the batches, where these are sound.
  const again = knowsProducers ? await unlessOffline(weir, sendBatch(weir, TOPIC, firstBatch)) : undefined;
  if (again !== undefined && (again.errorCode !== 0 || again.baseOffset !== 0)) {
    const why = `a batch that is sent again gets offset ${again.baseOffset} and error ${again.errorCode}, and not offset 0`;
    return { kind: 'WRONG', why };
  }
  return { kind: refused ? 'part refused' : 'all right', why: '' };
}

/** The answer; undefined: none, or none soon although the log says that something is out of service. */
async function unlessOffline<T>(weir: WeirProcess, asked: Promise<T>): Promise<T | undefined> {
  const answer = asked.catch(() => undefined);
  const state = { answered: false };
  void answer.then(() => (state.answered = true));
  while (!state.answered && !OFFLINE.test(weir.output)) await Promise.race([answer, pause(50)]);
  return Promise.race([answer, pause(OFFLINE_ANSWER_MS, undefined)]);
}

function firstWrong(found: readonly StoredRecord[], records: Sound['records']): string | undefined {
  for (const { offset, value } of found) {
    if (records[offset]?.value !== value) return `offset ${offset} is served with another value`;
  }
  return undefined;
}
