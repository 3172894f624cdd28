import { table } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { ShownConfig } from './resource.ts';

/** Configs in effect, as a table. */
export function configTable(configs: readonly ShownConfig[], terminal: Pick<Terminal, 'colour'>): string {
  const rows = configs.map((config) => [config.name, config.value ?? "(the brokers' --flush)", whereFrom(config)]);
  return table(['CONFIG', 'VALUE', 'SET BY'], rows, terminal);
}

function whereFrom({ source, broker }: ShownConfig): string {
  switch (source) {
    case 'topic':
    case 'cluster':
      return source;
    case 'broker':
      return broker === undefined ? source : `${source} ${broker}`;
    case 'static':
      return 'options';
    case 'default':
      return '-';
  }
}

/** The same as `-o json` shows them. */
export function configsJson(configs: readonly ShownConfig[]): Record<string, unknown>[] {
  return configs.map(({ name, value, source, broker, description }) => ({
    name,
    value,
    source,
    description,
    ...(broker === undefined ? {} : { broker }),
  }));
}
