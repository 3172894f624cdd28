import { performance } from 'node:perf_hooks';
import { deleteAtOnce, endOnTheSpot } from '../end-on-the-spot.ts';
import { underSteadyLoad } from '../loads.ts';
import type { Release } from '../release.ts';
import type { Step } from '../step.ts';

/** Until another one decides, with the time that it takes to look into pods. */
const TAKEN_OVER_MS_MAX = 10_000;
const ROLLED_MS_MAX = 240_000;

/** The one that decides dies. The other one takes over; who produces notices nothing. */
export const coordinatorKilled: Step = {
  name: 'coordinator-killed',
  title: 'the active coordinator ends on the spot, then its pod is deleted, under load over HTTP and Kafka',
  async run(context) {
    const { release, client, report } = context;
    const ways = [
      ['its process ended on the spot', endOnTheSpot],
      ['its pod was deleted', deleteAtOnce],
    ] as const;
    for (const [what, kill] of ways) {
      const pod = activeCoordinators(release)[0]!;
      const starts = startsOf(release, pod);
      await underSteadyLoad(context, async () => {
        const startMs = performance.now();
        kill(pod, release);
        // The same one may be back before the other one is sure that it is dead.
        await release.until('another coordinator decides', () =>
          activeCoordinators(release).some((active) => active !== pod || startsOf(release, pod) !== starts),
        );
        const tookMs = performance.now() - startMs;
        report.check(
          tookMs < TAKEN_OVER_MS_MAX,
          `${pod} was active, and ${what}: another one decides`,
          inSeconds(tookMs),
        );
        client.createTopicOverHttp(`after-${what.replaceAll(' ', '-')}`);
        report.check(true, 'it creates topics');
        await release.ready();
      });
      report.check(activeCoordinators(release).length === 1, 'one of both decides', activeCoordinators(release).join());
      report.verdict(client.judge(), `after ${what}`);
    }
  },
};

/** An upgrade replaces them one by one, and there is always one that decides. */
export const coordinatorsRolled: Step = {
  name: 'coordinators-rolled',
  title: 'rollout restart of the coordinators, while topics are created and records written',
  async run(context) {
    const { release, client, report } = context;
    const before = new Set(release.pods('coordinator').map(({ uid }) => uid));
    await underSteadyLoad(context, async () => {
      const startMs = performance.now();
      release.kubectl('rollout', 'restart', `statefulset/${release.name}-coordinator`);
      let created = 0;
      let slowestMs = 0;
      while (!release.pods('coordinator').every(({ uid, ready }) => ready && !before.has(uid))) {
        const askedMs = performance.now();
        client.createTopicOverHttp(`while-rolled-${created++}`);
        slowestMs = Math.max(slowestMs, performance.now() - askedMs);
        if (performance.now() - startMs > ROLLED_MS_MAX) throw new Error(`no new coordinators\n${release.state()}`);
      }
      await release.ready();
      report.check(
        created > 1,
        `in a rollout of ${inSeconds(performance.now() - startMs)} every topic was created`,
        `${created}, the slowest in ${inSeconds(slowestMs)} with the start of who asks`,
      );
    });
    report.verdict(client.judge(), 'after the rollout');
  },
};

/** The pods of coordinators that say of themselves that they decide. */
function activeCoordinators(release: Release): string[] {
  const look = "fetch('http://127.0.0.1:7079/metrics').then(async (a) => console.log(await a.text()))";
  return release
    .pods('coordinator')
    .map(({ name }) => name)
    .filter((name) => {
      const { stdout } = release.tryKubectl('exec', name, '--', 'node', '-e', look);
      return /^weir_coordinator_active 1$/m.test(stdout);
    });
}

/** Tells one start of a pod's container from another. */
function startsOf(release: Release, pod: string): string {
  const found = release.pods('coordinator').find(({ name }) => name === pod);
  return `${found?.uid} ${found?.restarts}`;
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
