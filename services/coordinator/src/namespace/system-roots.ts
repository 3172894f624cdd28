import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { isWithin } from '@weir/base/tree-path.ts';

/** Roots that show the cluster's metadata, each with what to use who wants to change what it shows. */
const SYSTEM_ROOTS: Readonly<Record<string, string>> = {
  '/controller': 'the active coordinator is who holds it',
  '/brokers': 'brokers register themselves; topics are created and altered with "weir topic" or POST /v1/topics',
  '/config': 'configs are altered with "weir config set" and "weir config unset"',
  '/gateways': 'gateways register themselves',
  '/consumers': 'consumer groups are not built yet, and their nodes will be read-only',
};

/** Not built yet: nothing is there, and nothing may be put there. */
export const UNBUILT_ROOT = '/consumers';

/** The names below the root that show something, in byte order. */
export const SYSTEM_NAMES: readonly string[] = Object.keys(SYSTEM_ROOTS)
  .filter((root) => root !== UNBUILT_ROOT)
  .map((root) => root.slice(1))
  .toSorted();

/** Whether a path is below a root that is not the users'. */
export function isSystemPath(path: string): boolean {
  return systemRootOf(path) !== undefined;
}

/** Why something cannot be done below a root that is not the users'; undefined where it may be. */
export function systemWriteRefusal(path: string, what: string): Refusal | undefined {
  const root = systemRootOf(path);
  if (root === undefined) return undefined;
  if (path === '/controller' && what === 'create') {
    return refusal(
      'NODE_EXISTS',
      '/controller is there already: it is the active coordinator; watch it to see it change',
    );
  }
  if (what === 'check')
    return refusal('FORBIDDEN', `${root} is read-only and takes no part in writes: read ${path} instead`);
  return refusal('FORBIDDEN', `${root} is read-only here: ${SYSTEM_ROOTS[root]}`);
}

/** Why nothing is found at a path below a root that does not exist yet. */
export function unbuiltRefusal(path: string): Refusal | undefined {
  if (!isWithin(path, UNBUILT_ROOT)) return undefined;
  return refusal('NODE_NOT_FOUND', `${UNBUILT_ROOT} does not exist: consumer groups are not built yet`);
}

function systemRootOf(path: string): string | undefined {
  return Object.keys(SYSTEM_ROOTS).find((root) => isWithin(path, root));
}
