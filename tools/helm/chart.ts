import { globSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { IMAGE } from '../images/image.ts';

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

/** The images that a release's containers run. */
export interface Images {
  readonly weir: string;
  readonly etcd: string;
}

interface ImageValues {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** The images of a release with a values file, or with the defaults: the one that `npm run images` builds, and etcd's. */
export function imagesWith(path: string | undefined): Images {
  const defaults = imageValuesOf(`${CHART}/values.yaml`);
  const own = path === undefined ? {} : imageValuesOf(path);
  return {
    weir: own.weir === undefined ? IMAGE : nameOf(own.weir),
    etcd: nameOf({ ...defaults.etcd!, ...own.etcd }),
  };
}

function imageValuesOf(path: string): { readonly weir?: ImageValues; readonly etcd?: ImageValues } {
  const { image, etcd } = parse(readFileSync(path, 'utf8')) as { image?: ImageValues; etcd?: { image?: ImageValues } };
  return {
    ...(image === undefined ? {} : { weir: image }),
    ...(etcd?.image === undefined ? {} : { etcd: etcd.image }),
  };
}

function nameOf({ repository, tag, digest }: ImageValues): string {
  return `${repository}:${tag}${digest === '' ? '' : `@${digest}`}`;
}
