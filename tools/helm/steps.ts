import { readdirSync } from 'node:fs';
import { messageOf } from '../../packages/base/src/errors.ts';
import { VERSION } from '../../packages/runtime/src/run-service.ts';
import { tryRun } from '../images/run.ts';
import type { Outcome, Step } from '../outcome.ts';
import { CHART, chartManifest, imagesWith, valuesFiles } from './chart.ts';
import type { Images } from './chart.ts';
import { findHelm, helm, NO_HELM } from './helm.ts';
import { schemaProblems } from './kubernetes-types.ts';
import type { Problem, Sourced } from './kubernetes-types.ts';
import { podSecurityProblems, podSpecOf } from './pod-security.ts';
import { referenceProblems } from './references.ts';
import { render, titleOf } from './render.ts';
import type { RenderedObject } from './render.ts';

const KIND_SCRIPTS = 'deploy/kind';

/** What `npm run check` says about the chart, and about the scripts that install it. */
export const chartSteps: readonly Step[] = [
  { name: 'chart version', run: versionIsTheCodes },
  { name: 'helm lint', run: lint },
  { name: 'helm render', run: renderAll },
  { name: 'shellcheck', run: shellcheck },
];

function versionIsTheCodes(): Outcome {
  const { version, appVersion } = chartManifest();
  const wrong = Object.entries({ version, appVersion }).filter(([, value]) => value !== VERSION);
  return outcome(wrong.map(([name, value]) => `${CHART}/Chart.yaml: ${name} is ${value}, the code's is ${VERSION}`));
}

function lint(): Outcome {
  if (findHelm() === undefined) return { kind: 'skipped', why: NO_HELM };
  const problems = valuesFiles().flatMap(({ name: source, path }): Problem[] => {
    const { ok, stdout, stderr } = helm('lint', ['--strict', CHART, ...wordsFor(path)]);
    return ok ? [] : [{ source, problem: (stdout + stderr).trim() }];
  });
  return outcome(grouped(problems));
}

/** Renders the chart with every set of values, and looks at each object and at how they fit together. */
async function renderAll(): Promise<Outcome> {
  if (findHelm() === undefined) return { kind: 'skipped', why: NO_HELM };
  const problems: Problem[] = [];
  const all: Sourced[] = [];
  for (const { name: source, path } of valuesFiles()) {
    try {
      const objects = render(...wordsFor(path));
      all.push(...objects.map((object) => ({ source, object })));
      problems.push(...releaseProblems(objects, imagesWith(path)).map((problem) => ({ source, problem })));
    } catch (error) {
      problems.push({ source, problem: messageOf(error) });
    }
  }
  problems.push(...(await schemaProblems(all)));
  // A check that looked at nothing must not pass.
  if (problems.length === 0 && all.length < 50) return outcome([`only ${all.length} objects were rendered`]);
  return outcome(grouped(problems));
}

function wordsFor(path: string | undefined): string[] {
  return path === undefined ? [] : ['--values', path];
}

/** Each problem once, with who has it: most are the same with all values. */
function grouped(problems: readonly Problem[]): string[] {
  return [...Map.groupBy(problems, ({ problem }) => problem)].map(([problem, [first, ...more]]) => {
    const others = more.length === 0 ? '' : ` and ${more.length} more`;
    return `${problem} (with ${first!.source}${others})`;
  });
}

/** The scripts of deploy/kind, by what people who write shell go by. */
function shellcheck(): Outcome {
  const scripts = readdirSync(KIND_SCRIPTS).filter((name) => !/\.(yaml|md)$/.test(name));
  if (!tryRun('shellcheck', ['--version']).ok) {
    return { kind: 'skipped', why: 'there is no shellcheck: apt-get install shellcheck gets it' };
  }
  const { ok, stdout, words } = tryRun('shellcheck', ['--external-sources', ...scripts], { cwd: KIND_SCRIPTS });
  return ok ? { kind: 'passed' } : outcome([stdout === '' ? words : stdout]);
}

/** What is wrong with the objects of a release, where the schemas have nothing against them. */
export function releaseProblems(objects: readonly RenderedObject[], images: Images): string[] {
  const problems = referenceProblems(objects);
  for (const object of objects) {
    const pod = podSpecOf(object);
    if (pod === undefined) continue;
    problems.push(...podSecurityProblems(pod).map((problem) => `${titleOf(object)}: ${problem}`));
    for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
      const image = container.name === 'etcd' ? images.etcd : images.weir;
      if (container.image !== image) {
        problems.push(`${titleOf(object)}: the image of ${container.name} is ${container.image}, expected ${image}`);
      }
    }
  }
  return problems;
}

function outcome(problems: readonly string[]): Outcome {
  if (problems.length === 0) return { kind: 'passed' };
  return { kind: 'failed', output: problems.map((problem) => `  ${problem}`).join('\n') };
}
