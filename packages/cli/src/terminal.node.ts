import type { Terminal } from './terminal.ts';

/**
 * One Ctrl-C arrives several times where npm or a bootstrap passes it on beside the terminal. Only a signal that comes
 * later is of somebody who does not want to wait.
 */
const SAME_INTERRUPT_MS = 500;

/** This process's standard streams. A reader that goes away, as `head` does, is no fault. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  const interrupted = new Set<() => void>();
  const readerLeft = new Set<() => void>();
  let readerGone = false;
  let draining: Promise<void> | undefined;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    readerGone = true;
    for (const callback of readerLeft) callback();
  });
  stderr.on('error', () => undefined);
  let listening = false;
  let firstMs: number | undefined;
  const onSignal = (): void => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      for (const callback of interrupted) callback();
    } else if (performance.now() - firstMs > SAME_INTERRUPT_MS) process.exit(130);
  };
  return {
    colour: stdout.isTTY && !('NO_COLOR' in process.env) && process.env['TERM'] !== 'dumb',
    interactive: stdin.isTTY,
    out: (text) => readerGone || stdout.write(text),
    drained() {
      if (readerGone || !stdout.writableNeedDrain) return Promise.resolve();
      draining ??= new Promise((resolve) => {
        const done = (): void => {
          draining = undefined;
          stdout.off('drain', done);
          readerLeft.delete(done);
          resolve();
        };
        stdout.on('drain', done);
        readerLeft.add(done);
      });
      return draining;
    },
    err: (text) => void stderr.write(text),
    input: () => stdin,
    onInterrupt(callback) {
      if (!listening) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
      listening = true;
      interrupted.add(callback);
      return () => void interrupted.delete(callback);
    },
    onReaderGone(callback) {
      readerLeft.add(callback);
      return () => void readerLeft.delete(callback);
    },
  };
}
