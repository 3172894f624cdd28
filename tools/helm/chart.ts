import { globSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** The chart, seen from the root of the checkout. */
export const CHART = 'deploy/helm/weir';

/** A set of values that the chart is tried with. */
export interface ValuesFile {
  /** For messages; "defaults" for the chart's own. */
  readonly name: string;
  readonly path: string | undefined;
}

/** The defaults, what is shipped beside them, and what `ci/` has for each switch. */
export function valuesFiles(): ValuesFile[] {
  const paths = globSync([`${CHART}/values-*.yaml`, `${CHART}/ci/*-values.yaml`]).toSorted();
  return [{ name: 'defaults', path: undefined }, ...paths.map((path) => ({ name: path, path }))];
}

/** What `Chart.yaml` says of itself. */
export function chartManifest(): { readonly version: string; readonly appVersion: string } {
  return parse(readFileSync(`${CHART}/Chart.yaml`, 'utf8')) as { version: string; appVersion: string };
}
