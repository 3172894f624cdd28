import { UsageError } from '../command.ts';

/** @throws UsageError, naming the option, for a part that is no NAME=VALUE or whose name comes twice */
export function parseConfigs(option: string, parts: readonly string[]): Record<string, string> {
  const configs: Record<string, string> = {};
  for (const part of parts) {
    const equals = part.indexOf('=');
    if (equals <= 0) throw new UsageError(`${option}: "${part}" is not NAME=VALUE`);
    const name = part.slice(0, equals);
    if (Object.hasOwn(configs, name)) throw new UsageError(`${option}: ${name} is there more than once`);
    configs[name] = part.slice(equals + 1);
  }
  return configs;
}

/** The parts of an option's value that stand between commas. */
export function commaParts(text: string | undefined): string[] {
  return text?.split(',') ?? [];
}
