import type { TreeRevision } from '@weir/client/namespace/namespace-client.ts';
import { revisionJson } from '@weir/client/namespace/revision-text.ts';
import type { NodeStat } from '@weir/client/namespace/tree-node.ts';
import { dataJson } from '@weir/client/namespace/node-json.ts';
import type { Positional } from '../command.ts';
import type { Terminal } from '../terminal.ts';

/** The word that names a node. */
export const PATH: Positional = { name: 'PATH', description: 'the node, as /a/b; names are percent-encoded' };

/** An option that guards a write. */
export const VERSION_OPTION = {
  type: 'integer',
  optional: true,
  min: 0,
  max: 0xffff_ffff,
  description: 'Only if the node has this version',
} as const;

/** Data as it is given: "-" stands for standard input. */
export async function dataOf(word: string, terminal: Pick<Terminal, 'input'>): Promise<Uint8Array> {
  if (word !== '-') return Buffer.from(word);
  const pieces: Buffer[] = [];
  for await (const piece of terminal.input()) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** What is known of a node, a line each. */
export function statText(stat: NodeStat): string {
  const lines = [
    `create revision   ${stat.createRevision}`,
    `modified revision ${stat.modRevision}`,
    `version           ${stat.version}`,
    `children          ${stat.childCount} (version ${stat.childrenVersion})`,
    `ephemeral owner   ${stat.ephemeralOwner === 0 ? 'none' : stat.ephemeralOwner}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** As of when something was read, as JSON. */
export function atJson({ revision, leaderEpoch }: TreeRevision): object {
  return revisionJson(revision, leaderEpoch === undefined ? undefined : { leaderEpoch });
}

/** Data on one line, for people. */
export function dataWords(data: Uint8Array): string {
  const shown = dataJson(data);
  return shown.encoding === 'text' ? JSON.stringify(shown.data) : `base64 ${shown.data}`;
}
