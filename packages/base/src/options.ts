/**
 * An option of a service or of the command line: declared once, with all that parsing, `--help` and the documentation
 * need. Its name is kebab-case; the command line says `--grpc-listen`, the environment `WEIR_BROKER_GRPC_LISTEN` and a
 * YAML file `grpc-listen`.
 */
export type OptionSpec =
  | (OptionCommon & {
      readonly type: 'string';
      readonly default?: string;
      readonly check?: (value: string) => string | undefined;
    })
  | (OptionCommon & { readonly type: 'integer'; readonly default?: number; readonly min: number; readonly max: number })
  | (OptionCommon & { readonly type: 'boolean'; readonly default?: boolean })
  | (OptionCommon & { readonly type: 'choice'; readonly default?: string; readonly choices: readonly string[] });

interface OptionCommon {
  /** One line, without a full stop. */
  readonly description: string;
  /** What stands for the value in `--help`, as "HOST:PORT". */
  readonly placeholder?: string;
  /** Without a default, whether it may be left out. */
  readonly optional?: true;
}

/** The options of a service, by name. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type ValueOf<Spec extends OptionSpec> = Spec extends { type: 'integer' }
  ? number
  : Spec extends { type: 'boolean' }
    ? boolean
    : Spec extends { type: 'choice'; choices: readonly (infer Choice)[] }
      ? Choice
      : string;

/** The values that a declaration yields. */
export type OptionValues<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends { optional: true }
    ? ValueOf<Specs[Name]> | undefined
    : ValueOf<Specs[Name]>;
};

/** Keeps the literal types of a declaration. */
export function declareOptions<const Specs extends OptionSpecs>(specs: Specs): Specs {
  return specs;
}

/** Where values come from; an earlier source wins. */
export interface OptionSource {
  /** How a message names a value of this source, as `--grpc-listen` or `WEIR_BROKER_GRPC_LISTEN`. */
  readonly label: (name: string) => string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Values, or everything that is wrong with them. */
export type ResolvedOptions<Specs extends OptionSpecs> =
  | { readonly ok: true; readonly values: OptionValues<Specs> }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Checks every source against the declaration; every problem is found, not only the first. */
export function resolveOptions<Specs extends OptionSpecs>(
  specs: Specs,
  sources: readonly OptionSource[],
): ResolvedOptions<Specs> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const source of sources) {
    for (const name of Object.keys(source.values)) {
      if (!Object.hasOwn(specs, name))
        problems.push(`${source.label(name)} is not an option${suggestion(specs, name)}`);
    }
  }
  for (const [name, spec] of Object.entries(specs)) {
    const source = sources.find((candidate) => candidate.values[name] !== undefined);
    if (source === undefined) {
      if (spec.default === undefined && spec.optional !== true)
        problems.push(`--${name} is missing: ${spec.description}`);
      values[name] = spec.default;
      continue;
    }
    const parsed = parseValue(spec, source.values[name]);
    if (parsed.ok) values[name] = parsed.value;
    else problems.push(`${source.label(name)}: ${parsed.problem}`);
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, values: values as OptionValues<Specs> };
}

type Parsed = { ok: true; value: unknown } | { ok: false; problem: string };

function parseValue(spec: OptionSpec, raw: unknown): Parsed {
  const text = String(raw);
  switch (spec.type) {
    case 'string': {
      const problem = text === '' ? 'is empty' : spec.check?.(text);
      return problem === undefined ? { ok: true, value: text } : { ok: false, problem: `"${text}" ${problem}` };
    }
    case 'integer': {
      const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
      if (value >= spec.min && value <= spec.max) return { ok: true, value };
      return { ok: false, problem: `"${text}" is not a whole number from ${spec.min} to ${spec.max}` };
    }
    case 'boolean':
      if (text === 'true' || text === 'false') return { ok: true, value: text === 'true' };
      return { ok: false, problem: `"${text}" is neither true nor false` };
    case 'choice':
      if (spec.choices.includes(text)) return { ok: true, value: text };
      return { ok: false, problem: `"${text}" is not one of ${spec.choices.join(', ')}` };
  }
}

function suggestion(specs: OptionSpecs, name: string): string {
  const near = Object.keys(specs).find(
    (known) => known.includes(name) || name.includes(known) || distance(known, name) <= 2,
  );
  return near === undefined ? '' : `; did you mean --${near}?`;
}

/** Levenshtein's, for names of a few characters. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The `--help` text of a declaration: a line an option, aligned. */
export function describeOptions(specs: OptionSpecs): string {
  const rows = Object.entries(specs).map(([name, spec]) => {
    const placeholder =
      spec.placeholder ?? { string: 'TEXT', integer: 'N', boolean: 'true|false', choice: '' }[spec.type];
    const value = spec.type === 'choice' ? spec.choices.join('|') : placeholder;
    const bounds = spec.type === 'integer' ? `, ${spec.min} to ${spec.max}` : '';
    const fallback = spec.default === undefined ? '' : ` (default ${spec.default}${bounds})`;
    return [`  --${name} ${value}`, `${spec.description}${fallback}`] as const;
  });
  const width = Math.min(44, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, right]) =>
      left.length > width ? `${left}\n${' '.repeat(width)}  ${right}` : `${left.padEnd(width)}  ${right}`,
    )
    .join('\n');
}

/** For `check`: why a value is not host:port, or undefined. Brackets around IPv6. */
export function addressProblem(value: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9.-]+):(\d{1,5})$/.exec(value);
  if (match === null || Number(match[2]) > 65_535) return 'is not host:port';
  return undefined;
}

/** The parts of a host:port; the host without the brackets around IPv6, as those want it who connect or listen. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

/** A host:port with another port, as the one that was bound in the place of 0. */
export function withPort(address: string, port: number): string {
  return `${address.slice(0, address.lastIndexOf(':'))}:${port}`;
}

/** For `check`: the same for a list with commas. */
export function addressListProblem(value: string): string | undefined {
  for (const address of value.split(',')) {
    if (addressProblem(address) !== undefined) return `is not a list of host:port (at "${address}")`;
  }
  return undefined;
}
