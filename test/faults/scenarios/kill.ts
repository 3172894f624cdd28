import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import { History, partitionName } from '../history.ts';
import type { Verdict } from '../history.ts';
import { createTopic, Load, readAll } from '../load.ts';
import type { LoadTopic } from '../load.ts';
import { joinVerdicts } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { WeirProcess } from '../weir-process.ts';

const PARTITIONS = 3;
/** Folders of deleted topics are gone by then. */
const REMOVED_WITHIN_MS = 15_000;

/** What the killed process was asked for and did not answer: it may have happened. */
interface Topics {
  readonly present: Map<string, LoadTopic>;
  readonly deleted: Set<string>;
  readonly unknown: Set<string>;
}

/** kill -9 in the middle of writes, while topics come and go. */
export const killAtRandom: Scenario = {
  name: 'kill',
  title: 'kill -9 at random moments, while topics are created and deleted',
  needs: [],
  async run({ workshop, random, rounds, report }) {
    const dataDirectory = workshop.directory('data');
    // Otherwise a write that is late would bring a deleted topic back.
    const words = ['--coordinator.auto-create-topics', 'false'];
    const weir = new WeirProcess(workshop, { dataDirectory, words });
    const history = new History();
    const topics: Topics = { present: new Map(), deleted: new Set(), unknown: new Set() };
    const verdicts: Verdict[] = [];
    const wrong: string[] = [];
    let serial = 0;
    let created = 0;
    let removed = 0;
    await weir.start();
    const steady = { name: 'steady', partitions: PARTITIONS };
    await createTopic(weir, steady);
    for (let kill = 1; kill <= rounds; kill++) {
      const loads = [new Load(weir, history, steady, random).start(4)];
      const round = { over: false };
      const coming = comeAndGo(round).catch((error: unknown) => wrong.push(messageOf(error)));
      await pause(100 + random.unit() * 900);
      await weir.kill();
      round.over = true;
      await coming;
      await Promise.all(loads.map((load) => load.stop()));
      await weir.start();
      const present = await presentTopics();
      for (const name of topics.present.keys()) if (!present.has(name)) wrong.push(`${name} was created and is gone`);
      for (const name of topics.deleted) {
        if (present.has(name)) wrong.push(`${name} was deleted and is back`);
        // An acknowledgement may have come in behind the deletion's.
        forget(name);
      }
      for (const name of topics.unknown) {
        if (present.has(name)) topics.present.set(name, { name, partitions: PARTITIONS });
        else forget(name);
      }
      topics.unknown.clear();
      const stored = await readAll(weir, steady, ...topics.present.values());
      verdicts.push(history.judge(stored));
      history.settle(stored);
      report.progress(`${kill} of ${rounds} kills`);

      async function comeAndGo(state: { readonly over: boolean }): Promise<void> {
        while (!state.over) {
          const name = `topic-${serial++}`;
          const topic = { name, partitions: PARTITIONS };
          topics.unknown.add(name);
          const made = await weir.http('/v1/topics', { body: topic }).catch(() => undefined);
          if (made === undefined) return;
          if (made.status !== 201) throw new Error(`${name} was not created: ${made.status} ${made.text}`);
          topics.unknown.delete(name);
          topics.present.set(name, topic);
          created += 1;
          loads.push(new Load(weir, history, topic, random).start(1));
          await pause(random.unit() * 50);
          const victim = [...topics.present.keys()].at(Math.floor(random.unit() * topics.present.size))!;
          if (random.unit() < 0.3) continue;
          topics.unknown.add(victim);
          topics.present.delete(victim);
          const gone = await weir.http(`/v1/topics/${victim}`, { method: 'DELETE' }).catch(() => undefined);
          if (gone === undefined) return;
          topics.unknown.delete(victim);
          if (gone.status >= 300) {
            topics.present.set(victim, { name: victim, partitions: PARTITIONS });
            throw new Error(`${victim} was not deleted: ${gone.status} ${gone.text.trim()}`);
          }
          topics.deleted.add(victim);
          removed += 1;
          forget(victim);
        }
      }
    }
    report.inject(`${rounds} kills; meanwhile ${created} topics created, ${removed} deleted`);
    report.check(
      wrong.length === 0,
      'what was created is there, what was deleted is not',
      wrong.slice(0, 3).join('; '),
    );
    report.verdict(joinVerdicts(verdicts), `after ${rounds} kills`);
    report.check(removed > 0 && history.acknowledgedCount > rounds * 50, 'there was a load to lose');
    const expected = (topics.present.size + 1) * PARTITIONS;
    const left = await foldersAfter(join(dataDirectory, 'broker', 'partitions'), expected);
    report.check(
      left === expected,
      'the folders of deleted topics are removed',
      `${left} folders, ${expected} partitions`,
    );
    await weir.stop();

    function forget(name: string): void {
      for (let i = 0; i < PARTITIONS; i++) history.forget(partitionName(name, i));
    }

    async function presentTopics(): Promise<Set<string>> {
      const { json } = await weir.http('/v1/topics');
      return new Set((json.topics as { name: string }[]).map(({ name }) => name));
    }
  },
};

/** How many folders there are once there are as few as expected, or after a while. */
async function foldersAfter(directory: string, expected: number): Promise<number> {
  const deadline = performance.now() + REMOVED_WITHIN_MS;
  for (;;) {
    const { length } = readdirSync(directory);
    if (length <= expected || performance.now() > deadline) return length;
    await pause(50);
  }
}
