import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { noFailures, spoken, STEADY_MS, underSteadyLoad } from '../loads.ts';
import type { Step } from '../step.ts';
import { restored } from './brokers.ts';

/** What Kafka's protocol says of a partition under its minimum: NOT_ENOUGH_REPLICAS, and that after it has appended. */
const NOT_ENOUGH_REPLICAS = /error (19|20)$/;

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

/** A changed value reaches the pods, and costs no request of clients that try again. */
export const upgrade: Step = {
  name: 'upgrade',
  title: 'helm upgrade with changed values, which rolls the brokers, under load over HTTP and Kafka',
  async run(context) {
    const { release, client, report } = context;
    const before = release.pods('broker').map(({ uid }) => uid);
    await restored(context);
    const { silentMs, retries } = await underSteadyLoad(
      context,
      async () => {
        release.upgrade('--reuse-values', '--set', 'gateway.replicas=3', '--set', 'broker.config.log-level=debug');
        await restored(context);
      },
      'try again',
    );
    report.note(`no partition was without an acknowledgement for longer than ${silentMs} ms`);
    const short = Object.keys(retries).filter((why) => NOT_ENOUGH_REPLICAS.test(why));
    report.check(short.length === 0, 'no partition had too few replicas in sync on the way', short.join(', '));
    const gateways = release.pods('gateway');
    report.check(gateways.length === 3, 'there are three gateways now', `${gateways.length}`);
    const after = release.pods('broker').map(({ uid }) => uid);
    report.check(
      after.every((uid) => !before.includes(uid)),
      'a changed config rolls the brokers',
    );
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
