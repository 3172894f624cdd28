import { CONFIG_VALUE_LENGTH_MAX } from './limits.ts';

/** One config that may be set: its type (in Kafka's words), default, bounds and meaning. */
export type ConfigDefinition = NumberConfig | ChoiceConfig;

interface Described {
  readonly default: string;
  /** A sentence. */
  readonly description: string;
  /** Whether it can be altered later; false: it is settled when its topic is created. */
  readonly live: boolean;
  /** Why there is no more to choose from. */
  readonly because?: string;
}

/** A number, whole but for a `double`. */
export interface NumberConfig extends Described {
  readonly type: 'int' | 'long' | 'double';
  /** -1 where it stands for "no limit". */
  readonly min: number;
  readonly max: number;
}

/** One of some words; a `list` has one or more of them, with commas in between. */
export interface ChoiceConfig extends Described {
  readonly type: 'string' | 'boolean' | 'list';
  readonly choices: readonly string[];
}

/** Definitions by name. */
export type ConfigTable = Readonly<Record<string, ConfigDefinition>>;

/** The definition of a name that came from outside. */
export function definitionOf(table: ConfigTable, name: string): ConfigDefinition | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** What is wrong with a value, or undefined. */
export function valueProblem(name: string, definition: ConfigDefinition, value: string): string | undefined {
  const { type, because } = definition;
  const found = `${name} ${JSON.stringify(value.slice(0, CONFIG_VALUE_LENGTH_MAX))}`;
  const why = because === undefined ? '' : ` (${because})`;
  switch (type) {
    case 'int':
    case 'long': {
      const { min, max } = definition;
      const parsed = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
      if (parsed >= min && parsed <= max) return undefined;
      return `${found} is not a whole number from ${min}${min === -1 ? ' (no limit)' : ''} to ${max}${why}`;
    }
    case 'double': {
      const { min, max } = definition;
      const parsed = /^\d{1,16}(\.\d{1,16})?$/.test(value) ? Number(value) : Number.NaN;
      return parsed >= min && parsed <= max ? undefined : `${found} is not a number from ${min} to ${max}${why}`;
    }
    case 'string':
    case 'boolean':
      if (definition.choices.includes(value)) return undefined;
      return `${found} is not one of ${definition.choices.join(', ')}${why}`;
    case 'list': {
      const items = listOf(value);
      const isSound =
        items.length > 0 && items.every((item, i) => isFirst(items, i) && definition.choices.includes(item));
      if (isSound && value.length <= CONFIG_VALUE_LENGTH_MAX) return undefined;
      return `${found} is not a list of one or more of ${definition.choices.join(', ')}${why}`;
    }
  }
}

function isFirst(items: readonly string[], i: number): boolean {
  return items.indexOf(items[i]!) === i;
}

/** The items of a list config's value. */
export function listOf(value: string): string[] {
  return value.split(',').flatMap((item) => (item.trim() === '' ? [] : [item.trim()]));
}
