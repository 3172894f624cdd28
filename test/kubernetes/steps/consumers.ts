import type { ConsumersLoad } from '../client-pod.ts';
import { deleteAtOnce, endOnTheSpot } from '../end-on-the-spot.ts';
import type { ConsumersResult } from '../rest-consumers.ts';
import type { Pod, Release } from '../release.ts';
import type { Step, StepContext } from '../step.ts';

/**
 * A gateway's session has to end, and then those of its consumers in their groups; who asks a pod that is gone hears nothing for 10 s,
 * until it is told where gateways are now.
 */
const SILENT_MS_MAX = 60_000;
const WRITTEN_MIN = 500;

/** A consumer outlives its gateway, however that ends, and any gateway serves it. */
export const restConsumers: Step = {
  name: 'rest-consumers',
  title: 'REST consumers and /v1/groups while a gateway ends on the spot, its pod is deleted at once, all are replaced',
  async run(context) {
    const { release, client } = context;
    const ways = [
      ['a gateway ended on the spot', (pod: string) => endOnTheSpot(pod, release)],
      ["a gateway's pod was deleted at once", (pod: string) => deleteAtOnce(pod, release)],
    ] as const;
    for (const [i, [what, kill]] of ways.entries()) {
      const load = client.consumers(`read-over-gateways-${i}`);
      const [victim] = await serving(load, release);
      const state = stateOf(release, victim!.name);
      kill(victim!.name);
      await release.until(`${victim!.name} is replaced`, () => stateOf(release, victim!.name) !== state);
      await release.ready();
      await serving(load, release);
      judgeConsumers(context, await load.finish(), what);
    }
    const load = client.consumers('read-over-a-rollout');
    let pods = await serving(load, release);
    const before = new Set(pods.map(({ uid }) => uid));
    release.kubectl('rollout', 'restart', `deployment/${release.name}-gateway`);
    await release.until('every gateway is another one', () => {
      const now = readyGateways(release);
      // Who is about to stop is told to nobody any more, as by the Service.
      if (String(now.map(({ uid }) => uid)) !== String(pods.map(({ uid }) => uid))) tell(load, now);
      pods = now;
      return pods.length === before.size && pods.every(({ uid }) => !before.has(uid));
    });
    await serving(load, release);
    judgeConsumers(context, await load.finish(), 'all gateways were replaced');
  },
};

/** Returns once every reader is served by all gateways that are ready; those. */
export async function serving(load: ConsumersLoad, release: Release): Promise<readonly Pod[]> {
  const pods = readyGateways(release);
  tell(load, pods);
  await load.served();
  return pods;
}

function readyGateways(release: Release): readonly Pod[] {
  return release.pods('gateway').filter(({ ready }) => ready);
}

function tell(load: ConsumersLoad, pods: readonly Pod[]): void {
  load.tell(pods.map(({ address }) => `${address}:8080`));
}

/** Which process runs in a pod: another one after each start. */
function stateOf(release: Release, name: string): string {
  const pod = release.pods('gateway').find((one) => one.name === name);
  return pod === undefined ? 'none' : `${pod.uid} ${pod.restarts}`;
}

/** Judges what readers were given while that happened. */
export function judgeConsumers({ report }: StepContext, result: ConsumersResult, what: string): void {
  const { problems, written, readers, repeated } = result;
  report.check(
    problems.length === 0 && written > WRITTEN_MIN,
    `${what}: groups lost nothing, in order, and were given again only what was not committed`,
    problems[0] ?? `${written} records written, ${repeated} given again`,
  );
  for (const problem of problems.slice(1, 5)) report.note(problem);
  for (const { name, records, longestGapMs, refusals } of readers) {
    const others = Object.entries(refusals).map(([why, count]) => `${count} × ${why}`);
    report.check(
      longestGapMs < SILENT_MS_MAX,
      `${name} goes on`,
      `${records} records, ${longestGapMs} ms without one at most${others.map((words) => `, ${words}`).join('')}`,
    );
  }
}
