import { linesOf } from './figures.ts';
import type { Line, RowResult, Spread } from './figures.ts';

const FAILURE_LINES = 4;
const HEADER = ['row', 'figure', 'Weir', 'Kafka', 'Weir/Kafka', 'target', ''] as const;

/** The table on a terminal: medians, with the least and the most of the rounds. */
export function terminalTable(results: readonly RowResult[]): string {
  const table = [
    HEADER as readonly string[],
    ...results.flatMap((row) => linesOf(row).map((line, i) => [i === 0 ? line.row : '', ...cells(line)])),
  ];
  const widths = HEADER.map((_, column) => Math.max(...table.map((cells_) => cells_[column]!.length)));
  const text = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  const failures = failuresOf(results).map((failure) => `FAILED  ${failure}`);
  return [...text, ...failures].join('\n');
}

/** The table as docs/PERFORMANCE.md has it. */
export function markdownTable(results: readonly RowResult[]): string {
  const lines = results.flatMap((row) => linesOf(row).map((line, i) => [i === 0 ? line.title : '', ...cells(line)]));
  const failures = failuresOf(results).map((failure) => `- failed: ${failure.split('\n')[0]!}`);
  return [
    `| | | Weir | Kafka | Weir/Kafka | Target | |`,
    `| --- | --- | --- | --- | --- | --- | --- |`,
    ...lines.map((line) => `| ${line.join(' | ')} |`.replaceAll(/ {2,}/g, ' ')),
    ...(failures.length === 0 ? [] : ['', ...failures]),
  ].join('\n');
}

/** All that was measured, and how it is judged, for programs. */
export function jsonReport(results: readonly RowResult[], about: Readonly<Record<string, unknown>>): string {
  const rows = results.map((row) => ({
    id: row.id,
    title: row.title,
    figures: linesOf(row).map(({ figure, weir, kafka, ratio, target, verdict }, i) => ({
      figure,
      weir: { ...weir, rounds: row.values[i]!.values.Weir },
      kafka: { ...kafka, rounds: row.values[i]!.values.Kafka },
      ratio,
      target,
      verdict,
    })),
    failures: row.failures,
  }));
  return `${JSON.stringify({ ...about, rows }, undefined, 2)}\n`;
}

/** How many targets were met and missed. */
export function tally(results: readonly RowResult[]): { readonly met: number; readonly missed: number } {
  const verdicts = results.flatMap((row) => linesOf(row).map(({ verdict }) => verdict));
  return {
    met: verdicts.filter((verdict) => verdict === 'met').length,
    missed: verdicts.filter((verdict) => verdict === 'missed').length,
  };
}

/** A number as people read it: 12,345 or 0.35. */
export function told(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function cells({ figure, digits, weir, kafka, ratio, target, verdict }: Line): string[] {
  return [
    figure,
    toldSpread(weir, digits),
    toldSpread(kafka, digits),
    ratio === undefined ? '' : told(ratio, 2),
    target,
    verdict === 'open' ? '' : verdict,
  ];
}

function toldSpread(spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return '–';
  const { median, least, most } = spread;
  if (least === most) return told(median, digits);
  return `${told(median, digits)} (${told(least, digits)} to ${told(most, digits)})`;
}

function failuresOf(results: readonly RowResult[]): string[] {
  return results.flatMap(({ id, failures }) =>
    failures.map(({ broker, message }) => `${id}, ${broker}: ${beginning(message)}`),
  );
}

/** A stack trace of Java says it all in its first lines; progress and JSON have the rest. */
function beginning(message: string): string {
  const lines = message.trimEnd().split('\n');
  return [...lines.slice(0, FAILURE_LINES), ...(lines.length > FAILURE_LINES ? ['…'] : [])].join('\n    ');
}
