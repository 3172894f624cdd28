import { whyDiffers } from './known-differences.ts';
import type { Outcome } from './scenario.ts';

const CELL_CHARACTERS_MAX = 60;

/** A client's scenario on both. */
export interface Row {
  readonly client: string;
  readonly scenario: string;
  readonly weir: Outcome;
  readonly kafka: Outcome;
}

/** What Weir's column says: like {@link textOf}, and where it went well but otherwise than on Kafka, what differs. */
function weirText(row: Row): string {
  const { known, unknown } = differencesOf(row);
  if (unknown.length > 0) return `differs: ${unknown.join('; ')}`;
  return known.length === 0 ? textOf(row.weir) : `ok, but ${known.join('; ')}`;
}

/** What a cell says. */
function textOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'ok':
      return outcome.detail === '' ? 'ok' : `ok (${outcome.detail})`;
    case 'failed':
    case 'skipped':
    case 'n/a':
      return `${outcome.kind}: ${outcome.reason.replaceAll(/\s+/g, ' ')}`;
  }
}

/** Whether something is wrong: with Weir, or with the client's program, which has to get through on Kafka. */
export function isWrong(row: Row): boolean {
  return row.weir.kind === 'failed' || row.kafka.kind === 'failed' || differencesOf(row).unknown.length > 0;
}

/** The lines of the table; what has no room in a cell stands in full behind it. */
export function tableOf(rows: readonly Row[]): string[] {
  const cells = rows.map((row) => [row.client, row.scenario, weirText(row), textOf(row.kafka)] as const);
  const shown = [['client', 'scenario', 'Weir', 'Kafka'] as const, ...cells].map((row) => row.map(shorten));
  const widths = [0, 1, 2].map((column) => Math.max(...shown.map((row) => row[column]!.length)));
  const lines = shown.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  // A text that many cells share is there once.
  const long = new Map<string, string>();
  for (const [client, scenario, ...both] of cells) {
    for (const [column, cell] of both.entries()) {
      if (cell.length <= CELL_CHARACTERS_MAX) continue;
      const place = `${client} ${scenario} on ${column === 0 ? 'Weir' : 'Kafka'}`;
      const first = long.get(cell);
      long.set(cell, first === undefined ? place : `${first}, ${scenario}`);
    }
  }
  if (long.size === 0) return lines;
  return [...lines, '', 'In full:', ...[...long].map(([cell, places]) => `${places}: ${cell}`)];
}

function differencesOf({ client, scenario, weir, kafka }: Row): { known: string[]; unknown: string[] } {
  const known: string[] = [];
  const unknown: string[] = [];
  if (weir.kind !== 'ok' || kafka.kind !== 'ok') return { known, unknown };
  for (const key of new Set([...Object.keys(weir.seen), ...Object.keys(kafka.seen)])) {
    const [here, there] = [weir.seen[key] ?? 'missing', kafka.seen[key] ?? 'missing'];
    if (here === there) continue;
    const why = whyDiffers({ client, scenario, key });
    if (why === undefined) unknown.push(`${key} is ${here}, with Kafka ${there}`);
    else known.push(`${key} is ${here} (${why})`);
  }
  return { known, unknown };
}

function shorten(cell: string): string {
  return cell.length <= CELL_CHARACTERS_MAX ? cell : `${cell.slice(0, CELL_CHARACTERS_MAX - 1)}…`;
}
