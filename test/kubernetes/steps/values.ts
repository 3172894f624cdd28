import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Step } from '../step.ts';
import { CHART, run, tryRun } from '../tools.ts';

/** What a cluster has only with the Prometheus operator in it. */
const OPERATOR_API = 'monitoring.coreos.com/v1';
const OPERATOR_KINDS = ['PodMonitor', 'PrometheusRule'];

/** The API server is the last word on what the chart renders: no field that it does not know, no value that it refuses. */
export const values: Step = {
  name: 'values',
  title: 'every values file, as the API server sees it',
  async run({ report, secondRelease }) {
    // Nothing runs in it: what cannot be changed in an object that is there cannot be in the way.
    const release = secondRelease();
    release.createNamespace();
    const operator = OPERATOR_KINDS.flatMap((kind) => ['--api-versions', `${OPERATOR_API}/${kind}`]);
    const files = globSync(['values-*.yaml', 'ci/*-values.yaml'], { cwd: CHART }).toSorted();
    report.check(files.length > 3, 'there are values files', `${files.length}`);
    for (const file of files) {
      const place = ['--namespace', release.namespace];
      const words = ['template', release.name, CHART, ...place, '--values', join(CHART, file), '--no-hooks'];
      const rendered = run('helm', [...words, ...operator]);
      const objects = parseAllDocuments(rendered).flatMap((document) => {
        const object = document.toJS() as { apiVersion: string } | null;
        return object === null || object.apiVersion === OPERATOR_API ? [] : [object];
      });
      const input = objects.map((object) => JSON.stringify(object)).join('\n---\n');
      const apply = ['apply', '--dry-run=server', '--validate=strict', '--filename', '-', ...place];
      const { ok, stderr } = tryRun('kubectl', apply, input);
      // It warns, and takes all the same, what the restricted standard will refuse once there are pods.
      report.check(ok && stderr === '', `${file}: ${objects.length} objects`, stderr.trim().slice(0, 300));
    }
  },
};
