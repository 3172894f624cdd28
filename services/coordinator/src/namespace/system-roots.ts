import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { isWithin } from '@weir/base/tree-path.ts';

/** Roots that show the cluster's metadata, each with what to use who wants to change what it shows. */
const SYSTEM_ROOTS: Readonly<Record<string, string>> = {
  '/controller': 'the active coordinator is who holds it',
  '/brokers': 'brokers register themselves; topics are created and altered with "weir topic" or POST /v1/topics',
  '/config': 'configs are altered with "weir config set" and "weir config unset"',
  '/gateways': 'gateways register themselves',
  '/consumers':
    'members join groups with "weir consume --group" or as Kafka\'s consumers do, "weir group seek" or ' +
    'POST /v1/groups/{group}/offsets sets offsets, "weir group delete" or DELETE /v1/groups/{group} deletes groups',
};

/** Shown here by its name alone: what is below it is the brokers' that coordinate the groups. */
const ELSEWHERE = '/consumers';

/** The names below the root that are not the users', in byte order. */
export const SYSTEM_NAMES: readonly string[] = Object.keys(SYSTEM_ROOTS)
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

/** Why nothing is found here at a path that others answer for. */
export function elsewhereRefusal(path: string): Refusal | undefined {
  if (!isWithin(path, ELSEWHERE)) return undefined;
  const message =
    `${ELSEWHERE} is answered by the brokers that lead the partitions of __consumer_offsets, ` +
    'not by the coordinator: ask weir.broker.v1.ConsumerTreeService there';
  return refusal('INVALID_REQUEST', message);
}

function systemRootOf(path: string): string | undefined {
  return Object.keys(SYSTEM_ROOTS).find((root) => isWithin(path, root));
}
