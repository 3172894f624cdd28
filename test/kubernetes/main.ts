import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { messageOf } from '@weir/base/errors.ts';
import { ensureImage } from '../../tools/images/build.ts';
import { Report } from '../faults/scenario.ts';
import { ClientPod } from './client-pod.ts';
import { chooseCluster, missingPrograms } from './cluster.ts';
import { ensureEtcdImage, etcdImageWords } from './etcd-image.ts';
import { Release } from './release.ts';
import type { Step, StepContext } from './step.ts';
import { brokerKilled, brokerLost } from './steps/brokers.ts';
import { restConsumers } from './steps/consumers.ts';
import { coordinatorKilled, coordinatorsRolled } from './steps/coordinators.ts';
import { deletePods, rolloutRestart, upgrade } from './steps/disruptions.ts';
import { etcdDeleted, etcdLost, etcdRestored } from './steps/etcd.ts';
import { helmTest, install, notes } from './steps/install.ts';
import { memory } from './steps/memory.ts';
import { networkPolicy, reinstall, secondRelease } from './steps/releases.ts';
import { refusals } from './steps/refusals.ts';
import { values as valuesFiles } from './steps/values.ts';
import { tryRun } from './tools.ts';

/** `npm run test:kubernetes`: the chart and the image on a real cluster. */

const steps: readonly Step[] = [
  install,
  helmTest,
  notes,
  valuesFiles,
  deletePods,
  upgrade,
  rolloutRestart,
  restConsumers,
  brokerKilled,
  brokerLost,
  coordinatorKilled,
  coordinatorsRolled,
  etcdDeleted,
  etcdLost,
  etcdRestored,
  refusals,
  secondRelease,
  networkPolicy,
  reinstall,
  memory,
];

const USAGE = `Usage: npm run test:kubernetes [-- options]

Installs the chart with its defaults and does to it what happens to releases. The cluster is that of --kubeconfig or
KUBECONFIG; namespaces weir-test-1 and weir-test-2 are made in it, and removed with all that is in them.

  --kubeconfig FILE   the cluster
  --load COMMAND      makes the image known to its nodes; the name is put behind it ("kind load docker-image --name weir")
  --only NAME         of the steps behind the installation, just this one (several --only: several)
  --long              the steps that take minutes as well
  --keep              leaves everything as it is at the end
  --list              lists the steps
`;

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    load: { type: 'string' },
    only: { type: 'string', multiple: true },
    long: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const say = (line: string): void => console.log(line);

const made: Release[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`\n${signal}: removing what the test made`);
    if (!values.keep) for (const release of made) removeNamespace(release);
    process.exit(130);
  });
}

if (values.help) process.stdout.write(USAGE);
else if (values.list) for (const { name, title } of steps) say(`${name.padEnd(20)} ${title}`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const unknown = (values.only ?? []).filter((name) => steps.every((step) => step.name !== name));
  if (unknown.length > 0) {
    console.error(`--only ${unknown.join(', ')}: there are ${steps.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  try {
    const cluster = chooseCluster({ kubeconfig: values.kubeconfig, load: values.load }, say);
    const missing = missingPrograms();
    if (missing.length > 0) throw new Error(missing.join('; '));
    const image = ensureImage(say);
    say(`putting ${image} on ${cluster.name}`);
    cluster.load(image);
    const etcdImage = await ensureEtcdImage(say);
    cluster.load(etcdImage);
    return await runSteps(image, etcdImage);
  } catch (error) {
    console.error(`test:kubernetes: ${messageOf(error)}`);
    return 1;
  }
}

async function runSteps(image: string, etcdImage: string): Promise<number> {
  const release = releaseIn('weir-test-1', etcdImage);
  const client = new ClientPod(release, { name: 'ledger', partitions: 4 });
  const chosen = steps.filter(
    ({ name, long }) => name === install.name || (values.only?.includes(name) ?? (long !== true || values.long)),
  );
  const startMs = performance.now();
  const failed: string[] = [];
  try {
    for (const step of chosen) {
      if (await runStep(step, { release, client, image, etcdImage })) continue;
      failed.push(step.name);
      // Without a release there is nothing to do anything to.
      if (step === install) break;
    }
  } finally {
    if (values.keep) say('\nkept, as asked: namespaces weir-test-1 and weir-test-2');
    else for (const each of made) removeNamespace(each);
  }
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
  const names = failed.length === 0 ? '' : ` (${failed.join(', ')})`;
  say(`\n${chosen.length - failed.length} passed, ${failed.length} failed${names}, in ${seconds} s`);
  return failed.length === 0 ? 0 : 1;
}

async function runStep(
  step: Step,
  parts: Pick<StepContext, 'release' | 'client' | 'image' | 'etcdImage'>,
): Promise<boolean> {
  say(`\n${step.name}: ${step.title}`);
  const report = new Report((text) => say(`  … ${text}`));
  const startMs = performance.now();
  try {
    await step.run({ ...parts, report, secondRelease: () => releaseIn('weir-test-2', parts.etcdImage) });
    if (report.checks === 0) report.check(false, 'the step checked something');
  } catch (error) {
    report.check(false, 'the step ran to its end', messageOf(error));
  }
  for (const line of report.lines) say(`  ${line}`);
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  say(`  ${report.failures === 0 ? 'PASS' : 'FAIL'}: ${report.checks} checks, ${report.failures} failed, ${seconds} s`);
  return report.failures === 0;
}

/** A release in a namespace of that name, of which nothing is left from an earlier run. */
function releaseIn(namespace: string, etcdImage: string): Release {
  const release = new Release('weir', namespace, etcdImageWords(etcdImage));
  removeNamespace(release);
  made.push(release);
  return release;
}

function removeNamespace({ namespace }: Release): void {
  tryRun('kubectl', ['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=120s']);
}
