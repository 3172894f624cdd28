import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { ClientPod } from '../client-pod.ts';
import type { Step } from '../step.ts';
import { CHART, tryRun } from '../tools.ts';
import { restored } from './brokers.ts';

const LOAD_MS = 3_000;

/** Two releases of the same name in two namespaces have nothing to do with each other. */
export const secondRelease: Step = {
  name: 'second-release',
  title: 'a second release in another namespace',
  async run({ client, image, report, secondRelease: make }) {
    const second = make();
    second.createNamespace();
    const startMs = performance.now();
    second.install('--values', 'deploy/helm/weir/values-dev.yaml');
    await second.ready();
    report.note(`values-dev.yaml is Ready ${((performance.now() - startMs) / 1_000).toFixed(1)} s after helm install`);
    const upgrade = ['upgrade', second.name, CHART, '--namespace', second.namespace, '--reset-values'];
    const { ok, stderr } = tryRun('helm', [...upgrade, '--dry-run=server']);
    report.check(
      !ok && stderr.includes("has this release's metadata in SQLite"),
      'an upgrade of it to the defaults, which have etcd, is refused',
      ok ? 'it was taken' : stderr.trim().slice(-200),
    );
    const other = new ClientPod(second, { name: 'other', partitions: 2 });
    await other.start(image);
    const loads = [client.load(4), other.load(4)];
    await pause(LOAD_MS);
    for (const load of loads) await load.finish();
    report.verdict(client.judge(), 'in the first release');
    report.verdict(other.judge(), 'in the second release');
    const names = other.weir('topic', 'list', '-o', 'json').match(/"name":"[^"]+"/g) ?? [];
    report.check(
      names.length === 2 && names.every((name) => name.includes('"other')),
      "the second one has its own topics and none of the first one's",
      names.join(' '),
    );
  },
};

/** What was uninstalled comes back with all that it had: volumes stay. */
export const reinstall: Step = {
  name: 'reinstall',
  title: 'uninstall, and install again on the same volumes',
  async run({ release, client, report }) {
    const claims = (): string[] => release.kubectl('get', 'pvc', '--output', 'name').trim().split('\n').toSorted();
    const before = claims();
    release.uninstall();
    await release.until('all pods are gone', () => release.pods().length === 0);
    report.check(String(claims()) === String(before), 'the volumes are still there', before.join(', '));
    const startMs = performance.now();
    release.install();
    await release.ready();
    report.note(`Ready again ${((performance.now() - startMs) / 1_000).toFixed(1)} s after helm install`);
    report.verdict(client.judge(), 'after the reinstallation');
  },
};

/** Who needs a port reaches it, and nobody else. */
export const networkPolicy: Step = {
  name: 'network-policy',
  title: 'NetworkPolicy on: only those get through who need to',
  async run({ release, client, report }) {
    const { name } = release;
    const broker = `${name}-broker-0.${name}-broker`;
    const ports = [7071, 7072];
    report.check(
      ports.every((port) => client.canConnect(broker, port)),
      'without it, any pod reaches the broker',
    );
    release.upgrade('--reuse-values', '--set', 'networkPolicy.enabled=true');
    await release.ready();
    await release.until('a stranger is kept from the broker', () =>
      ports.every((port) => !client.canConnect(broker, port)),
    );
    report.check(true, 'with it, a stranger is kept from the broker, and from what it replicates');
    release.kubectl('delete', 'pod', `${name}-broker-0`);
    await restored({ release, client });
    report.check(true, 'and brokers follow each other anew');
    report.check(!client.canConnect(`${name}-coordinator`, 7070), 'and from the coordinators');
    for (const port of [2379, 2380, 2381]) {
      report.check(!client.canConnect(`${name}-etcd`, port), `and from etcd's port ${port}`);
    }
    report.check(client.canConnect(`${name}-gateway`, 8080), 'and still reaches the gateway');
    report.check(client.canConnect(`${name}-kafka`, 9092), "and the brokers' port for Kafka clients");
    const load = client.load(4);
    await pause(LOAD_MS);
    const { failed, acknowledged } = await load.finish();
    report.check(
      failed === 0 && acknowledged.length > 0,
      'the gateways reach brokers',
      `${acknowledged.length} records`,
    );
    release.upgrade('--reuse-values', '--set-json', 'networkPolicy.kafkaClients=[]');
    await release.until(
      'nobody reaches that port when nobody is named',
      () => !client.canConnect(`${name}-kafka`, 9092),
    );
    report.check(!client.canConnect(broker, 9092), 'which nobody does when no Kafka client is named');
    release.upgrade('--reuse-values', '--set', 'networkPolicy.enabled=false');
    await release.ready();
    report.verdict(client.judge(), 'after all that');
  },
};
