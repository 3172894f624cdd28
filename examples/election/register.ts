/** Something that holders of a lock write to, and that can tell them apart: it takes no write of an earlier holder. */
export class FencedRegister {
  readonly values: string[] = [];
  #highest = 0;

  /** @throws Error when a later holder has written already */
  append(value: string, token: number): void {
    if (token < this.#highest) throw new Error(`token ${token} is fenced off: ${this.#highest} has written`);
    this.#highest = token;
    this.values.push(value);
  }
}
