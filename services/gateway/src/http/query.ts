import { HttpFailure } from './failure.ts';

/** A request's query. Reading a parameter checks it; `allow` refuses what the route does not have. */
export class Query {
  readonly #values: URLSearchParams | undefined;
  readonly #isMalformed: boolean;

  constructor(text: string) {
    this.#isMalformed = text.includes('%') && !isEncoded(text);
    this.#values = text === '' ? undefined : new URLSearchParams(text);
  }

  /** @throws HttpFailure when a parameter is none of those or was given twice, or when the query is malformed */
  allow(names: readonly string[]): void {
    if (this.#isMalformed) {
      throw new HttpFailure('INVALID_REQUEST', 'the query is not UTF-8 in percent-encoding: write % as %25');
    }
    if (this.#values === undefined) return;
    const seen = new Set<string>();
    for (const name of this.#values.keys()) {
      if (!names.includes(name)) {
        const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
        throw new HttpFailure('INVALID_REQUEST', `the query parameter "${name}" is unknown here: ${known}`);
      }
      if (seen.has(name)) throw new HttpFailure('INVALID_REQUEST', `the query parameter "${name}" was given twice`);
      seen.add(name);
    }
  }

  /** As it is sent on, with its "?"; empty when there is none. */
  get sent(): string {
    return this.#values === undefined ? '' : `?${this.#values.toString()}`;
  }

  text(name: string): string | undefined {
    return this.#values?.get(name) ?? undefined;
  }

  /** A whole number. @throws HttpFailure */
  integer(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= bounds.min && value <= bounds.max) return value;
    throw new HttpFailure(
      'INVALID_REQUEST',
      `${name}=${text} is not a whole number from ${bounds.min} to ${bounds.max}`,
    );
  }

  /** One of some words. @throws HttpFailure */
  choice<const Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    throw new HttpFailure('INVALID_REQUEST', `${name}=${text} is not one of ${choices.join(', ')}`);
  }
}

/** Whether every escape stands for UTF-8: what does not would be replaced, and one key would pass for another. */
function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
