import { messageOf } from '@weir/base/errors.ts';
import { resolveOptions } from '@weir/base/options.ts';
import type { OptionSource, OptionSpecs, ResolvedOptions } from '@weir/base/options.ts';
import { loadOptions, parseArguments } from '@weir/runtime/load-options.ts';
import { runMain } from '@weir/runtime/run-main.ts';
import { VERSION } from '@weir/runtime/run-service.ts';
import { EXIT, UsageError } from './command.ts';
import type { Command, CommandTree } from './command.ts';
import { childrenHelp, commandHelp, commandNames, groupHelp } from './help.ts';
import type { Terminal } from './terminal.ts';

/** What a command line runs in. */
export interface CliContext {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs a command line, without the program's name.
 *
 * @returns the exit code; undefined when a service has run, which ends its process itself
 */
export async function runCli(
  words: readonly string[],
  tree: CommandTree,
  context: CliContext,
): Promise<number | undefined> {
  return runIn([], words, tree, context);
}

async function runIn(
  path: readonly string[],
  words: readonly string[],
  tree: CommandTree,
  context: CliContext,
): Promise<number | undefined> {
  const { terminal } = context;
  const [word, ...rest] = words;
  if (word === undefined) {
    terminal.err(groupHelp(path, tree, { colour: false }));
    return EXIT.usage;
  }
  if (word === '--help' || word === '-h' || word === 'help') {
    terminal.out(groupHelp(path, tree, terminal));
    return EXIT.ok;
  }
  if (path.length === 0 && (word === '--version' || word === '-V')) {
    terminal.out(`weir ${VERSION}\n`);
    return EXIT.ok;
  }
  const node = Object.hasOwn(tree, word) ? tree[word] : undefined;
  if (node === undefined) {
    const name = ['weir', ...path].join(' ');
    const what = word.startsWith('-') ? `${word} is not an option of ${name}` : `${name} has no command "${word}"`;
    terminal.err(`weir: ${what}. There are: ${commandNames(tree)}\nSee ${name} --help\n`);
    return EXIT.usage;
  }
  switch (node.kind) {
    case 'group':
      return runIn([...path, word], rest, node.children, context);
    case 'service': {
      const { children } = node;
      if (children !== undefined && rest[0]?.startsWith('-') === false) {
        return runIn([...path, word], rest, children, context);
      }
      await runMain(await node.load(), rest);
      if (children !== undefined && (rest.includes('--help') || rest.includes('-h'))) {
        terminal.out(`\n${childrenHelp([...path, word], children, terminal)}`);
      }
      return undefined;
    }
    case 'hidden':
      await node.run(rest);
      return undefined;
    case 'command':
      return runCommand([...path, word], await node.load(), rest, context);
  }
}

async function runCommand(
  path: readonly string[],
  command: Command,
  words: readonly string[],
  context: CliContext,
): Promise<number> {
  const { terminal, environment } = context;
  const beforeDashes = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  if (beforeDashes.includes('--help') || beforeDashes.includes('-h')) {
    terminal.out(commandHelp(path, command, terminal));
    return EXIT.ok;
  }
  const name = ['weir', ...path].join(' ');
  const usage = (problems: readonly string[]): number => {
    for (const problem of problems) terminal.err(`${name}: ${problem}\n`);
    terminal.err(`See ${name} --help\n`);
    return EXIT.usage;
  };
  const { positionals, resolved } = readWords(command, words, environment);
  if (!resolved.ok) return usage(resolved.problems);
  try {
    return await command.run({ positionals, options: resolved.values, terminal, environment });
  } catch (error) {
    if (error instanceof UsageError) return usage([error.message]);
    terminal.err(`${name}: ${messageOf(error)}\n`);
    return EXIT.failed;
  }
}

function readWords(
  command: Command,
  words: readonly string[],
  environment: CliContext['environment'],
): { readonly positionals: readonly string[]; readonly resolved: ResolvedOptions<OptionSpecs> } {
  const { options, environmentPrefix } = command;
  if (environmentPrefix !== undefined) {
    return { positionals: [], resolved: loadOptions(options, { words, environment, environmentPrefix }) };
  }
  const { values, positionals, problems } = parseArguments(options, words, command.shorts);
  const resolved = resolveOptions(options, [
    { label: (option) => `--${option}`, values },
    sharedVariables(options, environment),
  ]);
  const all = [...problems, ...positionalProblems(command, positionals), ...(resolved.ok ? [] : resolved.problems)];
  return { positionals, resolved: all.length === 0 ? resolved : { ok: false, problems: all } };
}

function positionalProblems(command: Command, positionals: readonly string[]): string[] {
  const missing = command.positionals
    .slice(positionals.length)
    .map(({ name, description }) => `${name} is missing: ${description}`);
  const most = command.positionals.at(-1)?.repeated === true ? Number.POSITIVE_INFINITY : command.positionals.length;
  const surplus = positionals.slice(most).map((word) => `"${word}" is not expected here`);
  return [...missing, ...surplus];
}

/** Options that mean the same everywhere, and so are worth a variable. */
const SHARED = ['coordinators', 'output', 'timeout'];

function sharedVariables(specs: OptionSpecs, environment: CliContext['environment']): OptionSource {
  const names = SHARED.filter((name) => Object.hasOwn(specs, name) && (environment[variable(name)] ?? '') !== '');
  return { label: variable, values: Object.fromEntries(names.map((name) => [name, environment[variable(name)]])) };
}

function variable(name: string): string {
  return `WEIR_${name.toUpperCase()}`;
}
