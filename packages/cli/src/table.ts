import { styles } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** Rows under a heading, each column as wide as its widest cell. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  terminal: Pick<Terminal, 'colour'>,
): string {
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return `${[styles(terminal).bold(line(heading)), ...rows.map(line)].join('\n')}\n`;
}

/** A count with its noun: "1 record", "12,000 records". */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}
