import type { Terminal } from './terminal.ts';

/** A terminal for tests: what was written is kept, and the input is given. */
export class TestTerminal implements Terminal {
  readonly colour = false;
  readonly interactive = false;
  output = '';
  errors = '';
  readonly #input: readonly string[];
  readonly #interrupts = new Set<() => void>();

  constructor(...input: string[]) {
    this.#input = input;
  }

  out(text: string | Uint8Array): boolean {
    this.output += typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
    return true;
  }

  err(text: string): void {
    this.errors += text;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  async *input(): AsyncIterable<Buffer> {
    for (const piece of this.#input) yield await Promise.resolve(Buffer.from(piece));
  }

  onInterrupt(callback: () => void): () => void {
    this.#interrupts.add(callback);
    return () => void this.#interrupts.delete(callback);
  }

  onReaderGone(): () => void {
    return () => undefined;
  }

  interrupt(): void {
    for (const callback of this.#interrupts) callback();
  }
}
