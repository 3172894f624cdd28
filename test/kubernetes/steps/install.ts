import { performance } from 'node:perf_hooks';
import { run, tryRun } from '../tools.ts';
import type { Step } from '../step.ts';

/** From nothing to Ready with the chart's defaults, in a namespace that enforces the restricted standard. */
export const install: Step = {
  name: 'install',
  title: 'helm install with the defaults, from nothing to Ready',
  async run({ release, client, image, etcdImage, report }) {
    release.createNamespace();
    const privileged = tryRun('kubectl', [
      '--namespace',
      release.namespace,
      'run',
      'root',
      `--image=${image}`,
      '--dry-run=server',
    ]);
    report.check(!privileged.ok && privileged.stderr.includes('violates PodSecurity'), 'a pod as root is refused here');
    const startMs = performance.now();
    release.install();
    await release.ready();
    report.check(
      true,
      'every pod is Ready',
      `${((performance.now() - startMs) / 1_000).toFixed(1)} s after helm install`,
    );
    const pods = release.pods();
    report.check(
      pods.every(({ restarts }) => restarts === 0),
      'no container was started twice on the way',
      pods
        .map(({ name, node, restarts }) => `${name} on ${node}${restarts === 0 ? '' : ` (${restarts} restarts)`}`)
        .join(', '),
    );
    const counts = ['etcd', 'coordinator', 'broker', 'gateway'].map((component) => release.pods(component).length);
    report.check(
      String(counts) === '3,2,3,2',
      'there are three members of etcd, two coordinators, three brokers and two gateways',
      counts.join(', '),
    );
    const images = release.kubectl('get', 'pods', '--output', 'jsonpath={..containers[*].image}').trim().split(' ');
    report.check(
      String([...new Set(images)].toSorted()) === String([image, etcdImage].toSorted()),
      "etcd's members run etcd's image, all others the one image",
      [...new Set(images)].join(', '),
    );
    await client.start(image);
  },
};

/** The chart's own test. */
export const helmTest: Step = {
  name: 'helm-test',
  title: "helm test: produce and consume over HTTP and gRPC, leaders over Kafka's protocol",
  async run({ release, report }) {
    const words = ['test', release.name, '--namespace', release.namespace, '--logs', '--timeout', '3m'];
    const { ok, stdout, stderr } = tryRun('helm', words);
    report.check(
      ok && /Phase:\s+Succeeded/.test(stdout),
      'helm test succeeds',
      ok ? '' : `${stdout}${stderr}`.slice(-600),
    );
  },
};

/** NOTES are read by whoever has just installed: each command has to work as it stands. */
export const notes: Step = {
  name: 'notes',
  title: 'every command of NOTES, as printed',
  async run({ release, client, report }) {
    const text = run('helm', ['get', 'notes', release.name, '--namespace', release.namespace]);
    const commands = commandsOf(text);
    report.check(commands.length >= 5, 'NOTES have commands', `${commands.length}`);
    report.check(
      commands.some((command) => command.includes('kubectl exec')),
      'some of them run inside of a pod',
    );
    // "In another terminal" is in the background here; what comes after it waits until it listens.
    const script = commands.map((command) =>
      command.startsWith('kubectl port-forward') ? `${command} &\n${UNTIL_FORWARDED}` : command,
    );
    const words = ['-x', '-c', ['set -euo pipefail', "trap 'kill $(jobs -p)' EXIT", ...script].join('\n')];
    const { ok, stdout, stderr } = tryRun('bash', words);
    report.check(ok, 'all of them work', ok ? '' : `${stdout}${stderr}`.slice(-1_500));
    const inside = /inside the cluster is at (http:\S+:\d+)/.exec(text)?.[1] ?? 'nowhere';
    const program = `fetch('${inside}/v1/topics/hello/records').then(async (a) => console.log(a.status, await a.text()))`;
    const answer = client.exec('node', '-e', program);
    const kafka = /begin at (\S+):(\d+)/.exec(text);
    report.check(
      kafka !== null && client.canConnect(kafka[1]!, Number(kafka[2])),
      'what they name for Kafka clients takes connections inside of a pod',
      kafka?.[0],
    );
    report.check(answer.startsWith('200 {"records":[{'), `${inside} answers inside of a pod`, answer.slice(0, 80));
  },
};

const UNTIL_FORWARDED =
  'for _ in $(seq 100); do curl --silent --fail --output /dev/null http://127.0.0.1:8080/ready && break; sleep 0.1; done';

/** The lines of NOTES that are meant for a shell; what deletes the data is not run. */
function commandsOf(text: string): string[] {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => /^ {2,}(kubectl|helm|curl|echo|printf)\b/.test(line))
    .map((line) => line.trim())
    .filter((line) => !/^helm uninstall|^kubectl delete\b/.test(line));
}
