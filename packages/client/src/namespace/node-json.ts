import { revisionJson } from './revision-text.ts';
import type { NodeStat, TreeEvent, TreeNode } from './tree-node.ts';
import type { RevisionLog } from './watch-link.ts';

/** A node's data as text, or base64 where it is not UTF-8. */
export type DataJson =
  | { readonly data: string; readonly encoding: 'text' }
  | { readonly data: string; readonly encoding: 'base64' };

/** A node as JSON, as the command line and HTTP have it. */
export function nodeJson(node: TreeNode): Record<string, unknown> {
  return { ...statJson(node), ...dataJson(node.data) };
}

/** The same without its data. */
export function statJson(stat: NodeStat): Record<string, unknown> {
  return {
    path: stat.path,
    create_revision: stat.createRevision,
    mod_revision: stat.modRevision,
    version: stat.version,
    children_version: stat.childrenVersion,
    child_count: stat.childCount,
    ephemeral_owner: stat.ephemeralOwner === 0 ? null : stat.ephemeralOwner,
  };
}

/** A change as JSON; without data where the watch has none. */
export function eventJson(
  revision: number,
  event: TreeEvent,
  { withData, log }: { readonly withData: boolean; readonly log?: RevisionLog | undefined },
): object {
  const { kind, path } = event;
  const at = revisionJson(revision, log && { leaderEpoch: log.leaderEpoch });
  if (event.kind === 'deleted') return { ...at, kind, path };
  return { ...at, kind, path, node: withData ? nodeJson(event.node) : statJson(event.node) };
}

/** Data as text where it is UTF-8, else as base64. */
export function dataJson(data: Uint8Array): DataJson {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const text = bytes.toString('utf8');
  if (Buffer.from(text).equals(bytes)) return { data: text, encoding: 'text' };
  return { data: bytes.toString('base64'), encoding: 'base64' };
}
