import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const WEIR = fileURLToPath(new URL('../../bin/weir', import.meta.url));

/** What went through a pipe. */
export interface Piped {
  readonly bytes: number;
  readonly lines: number;
  readonly matches: number;
}

/**
 * `source | weir produce topic`, looking at what passes. Resolves once all of it is acknowledged: `weir produce` ends with 0 then, and
 * not before.
 *
 * @throws Error (as a rejection) when either end fails, or the signal aborts
 */
export async function pipeToWeir(
  source: Readable,
  { topic, coordinators, pattern }: { readonly topic: string; readonly coordinators: string; readonly pattern: RegExp },
  signal: AbortSignal,
): Promise<Piped> {
  const words = ['produce', topic, '--coordinators', coordinators];
  const child = spawn(process.execPath, [WEIR, ...words], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const lines = new LineCounter(pattern);
  const piped = pipeline(source, (pieces: AsyncIterable<Buffer | string>) => lines.watch(pieces), child.stdin, {
    signal,
  });
  // What it has read by then it still sends.
  piped.catch(() => child.kill());
  const code = await ended;
  // Why, it has said on standard error.
  if (code !== 0 && !signal.aborted) throw new Error(`weir produce has ended with ${code}`);
  await piped;
  return lines;
}

/** Counts the lines of what passes, and those that match. */
class LineCounter implements Piped {
  bytes = 0;
  lines = 0;
  matches = 0;
  readonly #pattern: RegExp;

  constructor(pattern: RegExp) {
    this.#pattern = pattern;
  }

  async *watch(pieces: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer> {
    let rest = Buffer.alloc(0);
    for await (const piece of pieces) {
      const bytes = Buffer.from(piece as Buffer);
      this.bytes += bytes.length;
      rest = Buffer.concat([rest, bytes]);
      for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
        this.#look(rest.subarray(0, end));
        rest = rest.subarray(end + 1);
      }
      yield bytes;
    }
    if (rest.length > 0) this.#look(rest);
  }

  #look(line: Buffer): void {
    this.lines++;
    if (this.#pattern.test(String(line))) this.matches++;
  }
}
