import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { messageOf } from '@weir/base/errors.ts';
import { resolveOptions } from '@weir/base/options.ts';
import type { OptionSource, OptionSpecs, ResolvedOptions } from '@weir/base/options.ts';

/** The words of a command line, taken apart. */
export interface ParsedArguments {
  /** Options as given, by name; a flag without a value is "true". */
  readonly values: Readonly<Record<string, string>>;
  readonly positionals: readonly string[];
  readonly problems: readonly string[];
}

/**
 * Takes `--name value`, `--name=value`, `--flag` and short forms apart. Whether a word after an option is its value
 * depends on the declaration: booleans take none unless it is "true" or "false".
 */
export function parseArguments(
  specs: OptionSpecs,
  words: readonly string[],
  shorts: Readonly<Record<string, string>> = {},
): ParsedArguments {
  const values: Record<string, string> = {};
  const positionals: string[] = [];
  const problems: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') {
      positionals.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      positionals.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const written = equals === -1 ? word : word.slice(0, equals);
    const name = written.startsWith('--') ? written.slice(2) : shorts[written.slice(1)];
    if (name === undefined) {
      problems.push(`${written} is not an option`);
      continue;
    }
    if (values[name] !== undefined) problems.push(`--${name} is given twice`);
    const next = words[i + 1];
    if (equals !== -1) values[name] = word.slice(equals + 1);
    else if (specs[name]?.type === 'boolean') {
      values[name] = next === 'true' || next === 'false' ? words[++i]! : 'true';
    } else if (next === undefined || (next.startsWith('--') && next.length > 2)) {
      // An unknown name is reported as such by the declaration, not for want of a value.
      if (Object.hasOwn(specs, name)) problems.push(`--${name} needs a value`);
      else values[name] = 'true';
    } else values[name] = words[++i]!;
  }
  return { values, positionals, problems };
}

/** Words, then the environment, then a YAML file named by `--config`; the first that has a value wins. */
export function loadOptions<Specs extends OptionSpecs>(
  specs: Specs,
  input: { words: readonly string[]; environment: NodeJS.ProcessEnv; environmentPrefix: string },
): ResolvedOptions<Specs> {
  const problems: string[] = [];
  const parsed = parseArguments(specs, input.words);
  problems.push(...parsed.problems);
  for (const positional of parsed.positionals) problems.push(`"${positional}" is not expected here`);
  const { config, ...values } = parsed.values;
  const sources: OptionSource[] = [
    { label: (name) => `--${name}`, values },
    environmentSource(specs, input.environment, input.environmentPrefix),
  ];
  const configPath = config ?? input.environment[`${input.environmentPrefix}CONFIG`];
  if (configPath !== undefined) {
    const file = readConfig(configPath);
    if (typeof file === 'string') problems.push(file);
    else sources.push({ label: (name) => `${name} in ${configPath}`, values: file });
  }
  const resolved = resolveOptions(specs, sources);
  if (problems.length === 0) return resolved;
  return { ok: false, problems: [...problems, ...(resolved.ok ? [] : resolved.problems)] };
}

/** Kubernetes puts such variables into every pod of a namespace that has a service called, say, `weir-broker`. */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)$/;

function environmentSource(specs: OptionSpecs, environment: NodeJS.ProcessEnv, prefix: string): OptionSource {
  const names = new Map(Object.keys(specs).map((name) => [name.toUpperCase().replaceAll(/[-.]/g, '_'), name]));
  const values: Record<string, string> = {};
  const written = new Map<string, string>();
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(prefix) || value === undefined) continue;
    const rest = variable.slice(prefix.length);
    if (rest === 'CONFIG') continue;
    const name = names.get(rest);
    if (name === undefined && SERVICE_LINK.test(variable)) continue;
    values[name ?? rest] = value;
    written.set(name ?? rest, variable);
  }
  return { label: (name) => written.get(name) ?? name, values };
}

/** A file's values with nested ones joined by dots, or what is wrong with it. */
function readConfig(path: string): Record<string, unknown> | string {
  let document: unknown;
  try {
    // Loaded for those who have such a file: it is as large as all of a service's own code.
    const yaml = createRequire(import.meta.url)('yaml') as typeof Yaml;
    document = yaml.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return `--config ${path} cannot be read: ${messageOf(error)}`;
  }
  if (document === null) return {};
  if (typeof document !== 'object' || Array.isArray(document))
    return `--config ${path} is not a YAML mapping of options`;
  return flatten(document as Record<string, unknown>, '');
}

function flatten(mapping: Record<string, unknown>, prefix: string): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(mapping)) {
    if (Array.isArray(value)) out[prefix + name] = value.join(',');
    else if (value !== null && typeof value === 'object') {
      Object.assign(out, flatten(value as Record<string, unknown>, `${prefix}${name}.`));
    } else out[prefix + name] = value ?? undefined;
  }
  return out;
}
