import { once } from 'node:events';
import type { Terminal } from './terminal.ts';

/** This process's standard streams. A reader that goes away, as `head` does, is an interruption and no fault. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  const callbacks = new Set<() => void>();
  let readerGone = false;
  const interrupt = (): void => {
    for (const callback of callbacks) callback();
    callbacks.clear();
  };
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    readerGone = true;
    interrupt();
  });
  stderr.on('error', () => undefined);
  let listening = false;
  return {
    colour: stdout.isTTY && !('NO_COLOR' in process.env) && process.env['TERM'] !== 'dumb',
    interactive: stdin.isTTY,
    out: (text) => readerGone || stdout.write(text),
    async drained() {
      if (!readerGone && stdout.writableNeedDrain) await Promise.race([once(stdout, 'drain'), once(stdout, 'close')]);
    },
    err: (text) => void stderr.write(text),
    input: () => stdin,
    onInterrupt(callback) {
      if (!listening) {
        listening = true;
        // A second one, of somebody who does not want to wait, finds no handler and ends the process.
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
      }
      callbacks.add(callback);
      return () => void callbacks.delete(callback);
    },
  };
}
