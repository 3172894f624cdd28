import type { Cancel } from '@weir/base/clock.ts';

/** Where a command reads and writes: this process's standard streams, or a test's. */
export interface Terminal {
  /** Whether standard output takes colours: a terminal, and nobody asked for none. */
  readonly colour: boolean;
  /** Whether a person types the standard input. */
  readonly interactive: boolean;
  /** Writes to standard output. False: it is behind, wait for `drained` before writing more. */
  out(text: string | Uint8Array): boolean;
  /** Resolves when standard output has caught up, or nobody reads it any more. */
  drained(): Promise<void>;
  /** Writes to standard error. */
  err(text: string): void;
  /** Standard input in pieces as they come. It is read no faster than it is taken. */
  input(): AsyncIterable<Buffer>;
  /** Calls back once when the user interrupts the command. */
  onInterrupt(callback: () => void): Cancel;
  /** Calls back once when nobody reads standard output any more; what is written then is dropped. */
  onReaderGone(callback: () => void): Cancel;
}

/** Escape sequences for standard output; without colours nothing. */
export function styles(terminal: Pick<Terminal, 'colour'>): {
  bold: (text: string) => string;
  dim: (text: string) => string;
} {
  const wrap =
    (code: number) =>
    (text: string): string =>
      terminal.colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { bold: wrap(1), dim: wrap(2) };
}
