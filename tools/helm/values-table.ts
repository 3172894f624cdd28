import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { CHART } from './chart.ts';

const BEGIN = '<!-- values: made from values.yaml by `npm run docs` -->';
const END = '<!-- /values -->';

/** Where the table is. */
export const CHART_README = `${CHART}/README.md`;

/** README.md of the chart with the table that its values.yaml makes; `npm run check` compares, `npm run docs` writes. */
export function chartReadme(): string {
  const readme = readFileSync(CHART_README, 'utf8');
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${CHART_README} has no place for the table: ${BEGIN} and ${END}`);
  const table = valuesTable(readFileSync(`${CHART}/values.yaml`, 'utf8'));
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${table}\n${readme.slice(end)}`;
}

/**
 * The table of values of a values.yaml, whose comments that begin with `# --` belong to the key below. A key without one
 * is described by its parents or by its children.
 *
 * @throws Error that names keys that nothing describes
 */
export function valuesTable(yaml: string): string {
  const values: unknown = parse(yaml);
  const keys = keysOf(yaml);
  const described = keys.filter(({ description }) => description !== undefined);
  const isDescribed = (path: string): boolean =>
    described.some(({ path: other }) => path === other || path.startsWith(`${other}.`) || other.startsWith(`${path}.`));
  const silent = keys.filter(({ path }) => !isDescribed(path)).map(({ path }) => path);
  if (silent.length > 0)
    throw new Error(`values.yaml says nothing about ${silent.join(', ')}: give each a \`# --\` line`);
  const rows = described.map(({ path, description }) => {
    const fallback = JSON.stringify(path.split('.').reduce<unknown>((at, key) => (at as never)[key], values));
    return `| \`${path}\` | \`${fallback.replaceAll('|', '\\|')}\` | ${description!.replaceAll('|', '\\|')} |`;
  });
  return `| Value | Default | |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

/** Every key of the mappings, by its path, with its comment. Keys within lists are no values of their own. */
function keysOf(yaml: string): { readonly path: string; readonly description: string | undefined }[] {
  const keys: { path: string; description: string | undefined }[] = [];
  const parents: { indent: number; key: string }[] = [];
  let comment: string | undefined;
  for (const line of yaml.split('\n')) {
    const [, begun] = /^\s*# -- (.*)$/.exec(line) ?? [];
    const [, more] = /^\s*# (.*)$/.exec(line) ?? [];
    if (begun !== undefined) comment = begun;
    else if (more !== undefined && comment !== undefined) comment += ` ${more}`;
    const [, indent, key] = /^( *)([a-zA-Z][\w-]*):(?: |$)/.exec(line) ?? [];
    if (indent === undefined || key === undefined) continue;
    while (parents.length > 0 && parents.at(-1)!.indent >= indent.length) parents.pop();
    parents.push({ indent: indent.length, key });
    keys.push({ path: parents.map((parent) => parent.key).join('.'), description: comment });
    comment = undefined;
  }
  return keys;
}
