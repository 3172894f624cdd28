import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { FLUSH_INTERVAL_MS } from '@weir/base/limits.ts';
import { History } from '../history.ts';
import type { Verdict } from '../history.ts';
import { createTopic, Load, readAll } from '../load.ts';
import { LoopDisk } from '../loop-disk.ts';
import { joinVerdicts } from '../scenario.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { WeirProcess } from '../weir-process.ts';

/** With `flush=interval` a sync begins after the interval, and takes its time, as may the one in front of it. */
const SYNC_MS_MAX = 500;

interface PowerCuts {
  readonly flush: 'commit' | 'interval';
  readonly partitions: number;
  readonly cuts: number;
}

/** The power fails under load, with one log. */
export const powerCut: Scenario = {
  name: 'power-cut',
  title: 'the power fails under load; flush=commit, 1 partition',
  needs: ['root', 'cc', 'loop'],
  run: (context) => run(context, { flush: 'commit', partitions: 1, cuts: context.rounds }),
};

/** The same with many logs, whose small groups share their syncs. */
export const powerCutManyLogs: Scenario = {
  name: 'power-cut-many',
  title: 'the power fails under load; flush=commit, 50 partitions',
  needs: ['root', 'cc', 'loop'],
  run: (context) => run(context, { flush: 'commit', partitions: 50, cuts: context.rounds }),
};

/** The same where records count before they are synced. */
export const powerCutInterval: Scenario = {
  name: 'power-cut-interval',
  title: 'the power fails under load; flush=interval, 3 partitions',
  needs: ['root', 'cc', 'loop'],
  run: (context) => run(context, { flush: 'interval', partitions: 3, cuts: Math.ceil(context.rounds / 2) }),
};

async function run({ workshop, random, report }: ScenarioContext, options: PowerCuts): Promise<void> {
  const { flush, partitions, cuts } = options;
  const disk = new LoopDisk(workshop, 512);
  const weir = new WeirProcess(workshop, { dataDirectory: disk.at('data') });
  const history = new History();
  const topic = { name: 'records', partitions };
  await weir.start();
  await createTopic(weir, topic, { flush });
  const verdicts: Verdict[] = [];
  let refused = 0;
  let reportedUnsynced = 0;
  for (let cut = 1; cut <= cuts; cut++) {
    const load = new Load(weir, history, topic, random).start();
    // With flush=interval long enough for some of it to be synced.
    await pause((flush === 'interval' ? 1_500 : 100) + random.unit() * 900);
    const cutAtMs = performance.now();
    disk.cutPower();
    // It may still run for a moment on a disk that takes nothing more: what it acknowledges then counts as well.
    if (random.unit() < 0.5) await pause(random.unit() * 200);
    await weir.kill();
    await load.stop();
    refused += load.refused.length;
    disk.unmount();
    disk.mount();
    await weir.start();
    const stored = await readAll(weir, topic);
    const durableUntilMs = flush === 'commit' ? undefined : cutAtMs - FLUSH_INTERVAL_MS - 2 * SYNC_MS_MAX;
    verdicts.push(history.judge(stored, durableUntilMs));
    history.settle(stored);
    if (/unsynced/.test(weir.output)) reportedUnsynced += 1;
    report.progress(`${cut} of ${cuts} power cuts`);
  }
  await weir.stop();
  report.inject(`${cuts} power cuts (ext4 shutdown), each followed by kill -9, a new mount and a new start`);
  if (refused > 0) report.note(`${refused} requests were refused on the dead disk`);
  report.verdict(joinVerdicts(verdicts), `after ${cuts} power cuts`);
  const { acknowledgedCount } = history;
  report.check(acknowledgedCount > cuts * 50, 'there was a load to lose', `${acknowledgedCount} acknowledged`);
  if (flush === 'interval') {
    report.check(
      reportedUnsynced === cuts,
      'the log says after every cut that the replica may lack what was not synced',
      `${reportedUnsynced} of ${cuts}`,
    );
  }
}
