import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { DiskFaults } from '../disk-faults.ts';
import { History } from '../history.ts';
import { createTopic, produce, readAll, readPartition } from '../load.ts';
import type { Refused } from '../load.ts';
import type { Scenario } from '../scenario.ts';
import { WeirProcess } from '../weir-process.ts';

const STALL_MS = 8_000;
/** Reads and probes during the stall. */
const ANSWER_MS_MAX = 2_000;
/** Until a sync of the file in question is hit. */
const TRIES = 100;
/** Large requests that arrive during the stall: more than a broker may hold unsynced. */
const FLOOD_REQUESTS = 200;
const FLOOD_RECORDS = 1_000;
const FLOOD_AT_ONCE = 100;
/** What holding them may cost. */
const MEMORY_MIB_MAX = 1_024;
/** Refusals that tell the client to come again. */
const RETRIABLE = new Set([429, 503, 504]);

/** A disk that hangs: nothing fails, syncs only take long. */
export const syncStall: Scenario = {
  name: 'sync-stall',
  title: `syncs of the records hang for ${STALL_MS / 1_000} s`,
  needs: ['cc'],
  async run({ workshop, report }) {
    const faults = new DiskFaults(workshop);
    const dataDirectory = workshop.directory('data');
    const weir = new WeirProcess(workshop, { dataDirectory, environment: faults.environment });
    const history = new History();
    const topic = { name: 'records', partitions: 2 };
    await weir.start();
    await createTopic(weir, topic, { flush: 'commit' });
    for (let i = 0; i < 20; i++) await produce(weir, history, topic.name, i % 2, 50);
    // The journal gets its file with the first records that share a sync.
    const journal = join(dataDirectory, 'broker', 'journal');
    for (let i = 0; i < TRIES && readdirSync(journal).length === 0; i++) {
      await Promise.all([0, 1, 0, 1, 0, 1].map((partition) => produce(weir, history, topic.name, partition, 10)));
    }
    const before = await readPartition(weir, topic.name, 0);
    const committed = before.records.length;
    /** Each answers what is wrong, or ''. */
    const questions: Record<string, () => Promise<string>> = {
      'a read': async () => {
        const { records, error } = await readPartition(weir, topic.name, 0);
        if (error !== undefined) return `${error.status} ${error.text}`;
        return records.length >= committed ? '' : `${records.length} records, there were ${committed}`;
      },
      '/livez of the broker': async () => statusProblem((await weir.ops('broker', '/livez')).status),
      '/readyz of the gateway': async () => statusProblem((await weir.ops('gateway', '/readyz')).status),
      'the list of topics': async () => statusProblem((await weir.http('/v1/topics')).status),
    };
    // One partition's records are synced with its log, those of several at once with the journal.
    for (const [part, partitions] of [
      ['.log', [0]],
      ['.journal', [0, 1, 0, 1, 0, 1, 0, 1]],
    ] as const) {
      const late = await stall(part, partitions);
      report.check(late !== undefined, `${part}: a sync was hit`);
      if (late !== undefined) await duringStall(part, late.answered);
    }
    faults.clear();
    const freshMs = await timed(() => produce(weir, history, topic.name, 0, 10));
    report.check(freshMs < ANSWER_MS_MAX, 'afterwards a produce is quick again', `${freshMs.toFixed(0)} ms`);
    report.verdict(history.judge(await readAll(weir, topic)), 'at the end');
    await weir.stop();

    /** Produces until a sync hangs; then hands over the produces that wait for it. */
    async function stall(
      part: string,
      partitions: readonly number[],
    ): Promise<{ answered: Promise<Refused | undefined> } | undefined> {
      faults.set({ call: 'sync', waitMs: STALL_MS, times: 1, part });
      for (let i = 0; i < TRIES; i++) {
        const produces = partitions.map((partition) => produce(weir, history, topic.name, partition, 10));
        const all = Promise.all(produces).then((outcomes) => outcomes.find((outcome) => outcome !== undefined));
        await Promise.race([all, pause(200)]);
        if (faults.hits > 0) return { answered: all };
        await all;
      }
      faults.clear();
      return undefined;
    }

    async function duringStall(part: string, late: Promise<Refused | undefined>): Promise<void> {
      report.inject(`one fdatasync of ${part} takes ${STALL_MS} ms`);
      const stalledMs = performance.now();
      const answered = late.then((refused) => ({ refused, ms: performance.now() - stalledMs }));
      const flood = floodOf(FLOOD_REQUESTS);
      let slowestMs = 0;
      let bad = '';
      let memoryMib = 0;
      while (performance.now() - stalledMs < STALL_MS - 1_500) {
        for (const [what, ask] of Object.entries(questions)) {
          let found = '';
          const ms = await timed(async () => (found = await ask()));
          slowestMs = Math.max(slowestMs, ms);
          if (found !== '') bad ||= `${what}: ${found}`;
          if (ms > ANSWER_MS_MAX) bad ||= `${what} took ${ms.toFixed(0)} ms`;
        }
        memoryMib = Math.max(memoryMib, weir.memoryMib);
        report.progress(`${part} hangs since ${((performance.now() - stalledMs) / 1_000).toFixed(0)} s`);
        await pause(100);
      }
      report.check(
        bad === '',
        `${part}: reads of what is committed, probes and metadata are answered`,
        bad || `slowest ${slowestMs.toFixed(0)} ms`,
      );
      report.check(memoryMib < MEMORY_MIB_MAX, `${part}: memory stays bounded`, `${memoryMib.toFixed(0)} MiB`);
      const { refused, ms } = await answered;
      report.check(
        refused === undefined || RETRIABLE.has(refused.status),
        `${part}: the produce in the stall is answered late, or refused so that it is tried again`,
        refused === undefined ? `after ${ms.toFixed(0)} ms` : `${refused.status} ${refused.text.trim().slice(0, 200)}`,
      );
      report.check(refused !== undefined || ms > STALL_MS - 500, `${part}: the sync is waited for`);
      const outcomes = await flood;
      const refusals = outcomes.filter((outcome) => outcome !== undefined);
      const final = refusals.find(({ status }) => !RETRIABLE.has(status));
      report.check(
        final === undefined,
        `${part}: of ${outcomes.length} large requests meanwhile all are taken or refused for now`,
        final === undefined ? `${refusals.length} refused` : `${final.status} ${final.text.trim().slice(0, 200)}`,
      );
    }

    async function floodOf(requests: number): Promise<(Refused | undefined)[]> {
      const outcomes: (Refused | undefined)[] = [];
      let next = 0;
      const send = async (): Promise<void> => {
        while (next++ < requests) {
          const refused = await produce(weir, history, topic.name, 1, FLOOD_RECORDS).catch((error: unknown) => ({
            status: 0,
            text: String(error),
          }));
          outcomes.push(refused);
        }
      };
      await Promise.all(Array.from({ length: FLOOD_AT_ONCE }, send));
      return outcomes;
    }
  },
};

function statusProblem(status: number): string {
  return status === 200 ? '' : `status ${status}`;
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const beforeMs = performance.now();
  await act();
  return performance.now() - beforeMs;
}
