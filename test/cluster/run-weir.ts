import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));

/** How a command line ended. */
export interface CommandEnding {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `weir` with words and standard input, to its end. */
export function runWeir(words: readonly string[], input = ''): Promise<CommandEnding> {
  return new Promise((resolve) => {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'weir-test-compile-cache') };
    const child = spawn(process.execPath, [MAIN, ...words], { env });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
