import { describeOptions } from '@weir/base/options.ts';
import type { OptionSpecs } from '@weir/base/options.ts';
import type { Command, CommandTree } from './command.ts';
import { styles } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** The `--help` text of `weir` itself or of a group of commands. */
export function groupHelp(path: readonly string[], tree: CommandTree, terminal: Pick<Terminal, 'colour'>): string {
  const name = ['weir', ...path].join(' ');
  const intro = path.length === 0 ? 'Weir: a distributed commit log that you can talk to with curl.\n\n' : '';
  const start = path.length === 0 ? '\nTo begin, run "weir dev" and do as it says.\n' : '';
  return `${intro}Usage: ${name} COMMAND [--option value]…\n\n${childrenHelp(path, tree, terminal)}${start}`;
}

/** The commands below a name, and how to ask for more. */
export function childrenHelp(path: readonly string[], tree: CommandTree, terminal: Pick<Terminal, 'colour'>): string {
  const { bold } = styles(terminal);
  const rows = rowsOf(tree);
  const width = Math.max(...rows.map(([left]) => left.length));
  const list = rows.map(([left, right]) => `  ${bold(left.padEnd(width))}  ${right}`).join('\n');
  return `Commands:\n${list}\n\n"${['weir', ...path].join(' ')} COMMAND --help" says more.\n`;
}

function rowsOf(tree: CommandTree): (readonly [name: string, summary: string])[] {
  return Object.entries(tree).flatMap(([name, node]) =>
    node.kind === 'hidden' ? [] : [[name, node.summary] as const],
  );
}

/** Names of the commands in a tree, for messages. */
export function commandNames(tree: CommandTree): string {
  return rowsOf(tree)
    .map(([name]) => name)
    .join(', ');
}

/** The `--help` text of a command. */
export function commandHelp(path: readonly string[], command: Command, terminal: Pick<Terminal, 'colour'>): string {
  const { bold } = styles(terminal);
  const name = ['weir', ...path].join(' ');
  const words = command.positionals.map((word) => ` ${word.name}${word.repeated === true ? '…' : ''}`).join('');
  const sections = [`${bold(name)}: ${command.summary}`, `Usage: ${name}${words} [--option value]…`];
  if (command.positionals.length > 0) {
    sections.push(
      command.positionals.map((positional) => `  ${positional.name}  ${positional.description}`).join('\n'),
    );
  }
  if (Object.keys(command.options).length > 0) sections.push(`Options:\n${withShorts(command)}`);
  if (command.notes !== undefined) sections.push(command.notes.join('\n'));
  if (command.examples !== undefined) {
    sections.push(`Examples:\n${command.examples.map((example) => `  ${example}`).join('\n')}`);
  }
  return `${sections.join('\n\n')}\n`;
}

function withShorts(command: Command<OptionSpecs>): string {
  const letters = Object.entries(command.shorts ?? {});
  const described = Object.fromEntries(
    Object.entries(command.helpOptions ?? command.options).map(([name, spec]) => {
      const letter = letters.find(([, long]) => long === name)?.[0];
      return [name, letter === undefined ? spec : { ...spec, description: `${spec.description}; short: -${letter}` }];
    }),
  );
  return describeOptions(described);
}
