import { setTimeout as pause } from 'node:timers/promises';
import { DiskFaults } from '../disk-faults.ts';
import { History } from '../history.ts';
import { createTopic, Load, produce, readAll } from '../load.ts';
import { LoopDisk } from '../loop-disk.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { WeirProcess } from '../weir-process.ts';

const ENDS_WITHIN_MS = 15_000;
/** More than a group of the journal takes, so that the log's own file is synced. */
const LARGE_GROUP_RECORDS = 600;

interface Target {
  readonly name: string;
  /** Of the path whose sync fails. */
  readonly part: string;
  /** Records are acknowledged by this sync: its failure ends the process. Otherwise it may go on. */
  readonly ends: boolean;
}

const TARGETS: readonly Target[] = [
  { name: "a log's own file", part: '.log', ends: true },
  { name: 'the journal', part: '/journal/', ends: true },
  { name: 'the checkpoint', part: '/checkpoint', ends: false },
  { name: 'the metadata', part: '/metadata.db', ends: false },
];

/** One fdatasync fails: what it should have covered may be gone although it can be read back. */
export const syncError: Scenario = {
  name: 'sync-error',
  title: 'one sync fails with EIO; then a new start, then a power cut',
  needs: ['root', 'cc', 'loop'],
  async run(context) {
    for (const target of TARGETS) await failOnce(context, target);
  },
};

async function failOnce({ workshop, random, report }: ScenarioContext, target: Target): Promise<void> {
  const disk = new LoopDisk(workshop, 256);
  const faults = new DiskFaults(workshop);
  const dataDirectory = disk.at('data');
  const failing = new WeirProcess(workshop, { dataDirectory, environment: faults.environment });
  const history = new History();
  const topics = [{ name: 'records', partitions: 4 }];
  const topic = topics[0]!;
  report.progress(`${target.name}: starting`);
  await failing.start();
  await createTopic(failing, topic, { flush: 'commit' });
  const load = new Load(failing, history, topic, random).start(6);
  await pause(500);
  faults.set({ call: 'sync', error: 'EIO', times: 1, part: target.part });
  // What makes each of the files be synced.
  const large = produce(failing, history, topic.name, 0, LARGE_GROUP_RECORDS).catch(() => undefined);
  const late = { name: 'late', partitions: 1 };
  const created = await createTopic(failing, late).then(
    () => true,
    () => false,
  );
  if (created) topics.push(late);
  const ending = await failing.endsWithin(target.ends ? ENDS_WITHIN_MS : 3_000);
  const running = failing.running;
  await failing.kill();
  await load.stop();
  await large;
  report.inject(`EIO from one fdatasync of ${target.name} (${faults.hits} hit)`);
  if (faults.hits === 0) {
    report.check(false, `${target.name}: a sync was hit`);
    return;
  }
  if (target.ends) {
    report.check(
      ending !== undefined && ending.code !== 0 && ending.signal === null,
      `${target.name}: the process ends by itself`,
      running ? `it still runs after ${ENDS_WITHIN_MS} ms` : JSON.stringify(ending),
    );
    const named = failing.output.split('\n').find((line) => line.includes(target.part) && line.includes('EIO'));
    report.check(named !== undefined, `${target.name}: it says which file`, messageIn(named ?? failing.output));
  } else report.note(`${target.name}: ${running ? 'it went on' : `it ended with ${JSON.stringify(ending)}`}`);

  const healthy = new WeirProcess(workshop, { dataDirectory });
  await healthy.start();
  const stored = await readAll(healthy, ...topics);
  report.verdict(history.judge(stored), `${target.name}, after a new start`);
  history.settle(stored);
  // What was read now counts: it has to be on the disk and not in the page cache alone.
  disk.cutPower();
  await healthy.kill();
  disk.unmount();
  disk.mount();
  await healthy.start();
  report.verdict(history.judge(await readAll(healthy, ...topics)), `${target.name}, after a power cut on top of it`);
  await healthy.stop();
  disk.unmount();
}

/** The message of a log line, without the rest. */
function messageIn(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  try {
    return (JSON.parse(line) as { msg: string }).msg;
  } catch {
    return line.slice(0, 200);
  }
}
