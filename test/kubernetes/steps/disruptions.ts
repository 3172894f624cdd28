import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { LoadResult } from '../client.ts';
import type { Report } from '../../faults/scenario.ts';
import type { Step } from '../step.ts';

/** A steady state before and after what is done. */
const STEADY_MS = 3_000;

/** Each pod is deleted under load; it comes back with its data. */
export const deletePods: Step = {
  name: 'delete-pods',
  title: 'each pod is deleted under load',
  async run({ release, client, report }) {
    for (const pod of release.pods()) {
      const load = client.load();
      await pause(STEADY_MS);
      const startMs = performance.now();
      release.kubectl('delete', 'pod', pod.name, '--wait=false');
      await release.until(`${pod.name} is gone`, () => release.pods().every(({ uid }) => uid !== pod.uid));
      await release.ready();
      const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
      await pause(STEADY_MS);
      const result = await load.finish();
      report.check(true, `${pod.name} is back and Ready`, `${seconds} s; ${spoken(result)}`);
      report.verdict(client.judge(), `after ${pod.name} was deleted`);
    }
  },
};

/** A changed value reaches the pods, and costs nothing that was acknowledged. */
export const upgrade: Step = {
  name: 'upgrade',
  title: 'helm upgrade with changed values, under load',
  async run({ release, client, report }) {
    const before = release.pods('broker').map(({ uid }) => uid);
    const load = client.load();
    await pause(STEADY_MS);
    release.upgrade('--reuse-values', '--set', 'gateway.replicas=3', '--set', 'broker.config.log-level=debug');
    await release.ready();
    const gateways = release.pods('gateway');
    report.check(gateways.length === 3, 'there are three gateways now', `${gateways.length}`);
    const after = release.pods('broker').map(({ uid }) => uid);
    report.check(
      after.every((uid) => !before.includes(uid)),
      'a changed config rolls the brokers',
    );
    await pause(STEADY_MS);
    report.note(spoken(await load.finish()));
    report.verdict(client.judge(), 'after the upgrade');
  },
};

/** The gateways are replaced under clients that keep their connections and never try again. */
export const rolloutRestart: Step = {
  name: 'rollout-restart',
  title: 'rollout restart of the gateways under load, no request tried twice',
  async run({ release, client, report }) {
    const gateways = release.workloads().find((name) => name.startsWith('deployment/'))!;
    const load = client.load(16);
    await pause(STEADY_MS);
    const startMs = performance.now();
    const before = new Set(release.pods('gateway').map(({ uid }) => uid));
    release.kubectl('rollout', 'restart', gateways);
    await release.ready();
    await release.until('the old gateways are gone', () =>
      release.pods('gateway').every(({ uid }) => !before.has(uid)),
    );
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    await pause(STEADY_MS);
    const result = await load.finish();
    noFailures(report, result, `in a rollout of ${seconds} s`);
    report.verdict(client.judge(), 'after the rollout');
  },
};

function noFailures(report: Report, result: LoadResult, when: string): void {
  report.check(result.failed === 0, `0 failed requests ${when}`, spoken(result));
  for (const failure of result.failures) report.note(failure);
}

/** A load's result in words. */
function spoken({ requests, failed, acknowledged, longestGapMs, seconds }: LoadResult): string {
  return (
    `${requests} requests in ${seconds} s, ${failed} failed, ${acknowledged.length} records acknowledged, ` +
    `longest time without an acknowledgement ${longestGapMs} ms`
  );
}
