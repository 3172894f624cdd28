import { addressProblem } from './options.ts';

/** A listener that is not named otherwise. */
export const DEFAULT_LISTENER = 'default';

/** One address and the name of the listener that it belongs to. */
export interface NamedAddress {
  readonly name: string;
  /** host:port. */
  readonly address: string;
}

/**
 * Reads a list of listeners: `HOST:PORT`, or `NAME=HOST:PORT,NAME=HOST:PORT`. What is written in this form is what
 * brokers register with, too.
 *
 * @throws Error that says what is wrong
 */
export function parseListeners(text: string): NamedAddress[] {
  const listeners = text.split(',').map((part): NamedAddress => {
    const at = part.indexOf('=');
    const name = at === -1 ? DEFAULT_LISTENER : part.slice(0, at);
    const address = part.slice(at + 1);
    if (!/^[a-zA-Z][a-zA-Z0-9_-]{0,62}$/.test(name))
      throw new Error(`has ${JSON.stringify(name)}, which is no name of a listener`);
    const problem = addressProblem(address);
    if (problem !== undefined) throw new Error(`${problem} (at "${part}")`);
    return { name, address };
  });
  const names = new Set(listeners.map(({ name }) => name));
  if (names.size < listeners.length)
    throw new Error('has two listeners of one name: each has its own, as NAME=HOST:PORT,…');
  return listeners;
}

/** What is wrong with such a list, or undefined. */
export function listenersProblem(text: string): string | undefined {
  try {
    parseListeners(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * What clients are told: the advertised address of each listener that has one, else where it is bound.
 *
 * @throws Error when something is advertised that does not listen
 */
export function advertised(bound: string, advertise: string | undefined): string {
  const listeners = parseListeners(bound);
  if (advertise === undefined) return bound;
  const told = new Map(parseListeners(advertise).map(({ name, address }) => [name, address]));
  for (const name of told.keys()) {
    if (listeners.some((listener) => listener.name === name)) continue;
    throw new Error(`--kafka-advertise has the listener "${name}", and --kafka-listen has not`);
  }
  return formatListeners(listeners.map(({ name, address }) => ({ name, address: told.get(name) ?? address })));
}

/** The list as text; a single listener without a name is just its address. */
export function formatListeners(listeners: readonly NamedAddress[]): string {
  const [first] = listeners;
  if (listeners.length === 1 && first?.name === DEFAULT_LISTENER) return first.address;
  return listeners.map(({ name, address }) => `${name}=${address}`).join(',');
}

/** The address that a registered list has for a listener, or undefined. */
export function addressOf(registered: string, listener: string): string | undefined {
  if (registered === '') return undefined;
  return parseListeners(registered).find(({ name }) => name === listener)?.address;
}
