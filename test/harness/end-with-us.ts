import type { ChildProcess } from 'node:child_process';

const children = new Set<ChildProcess>();

/** Kills a child when this process ends: one that is paused would not even notice an interrupt. */
export function endWithUs(child: ChildProcess): void {
  listen();
  children.add(child);
  child.once('exit', () => children.delete(child));
}

let isListening = false;

function listen(): void {
  if (isListening) return;
  isListening = true;
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL');
  });
  // As a test runner ends the processes that run its files: by default nothing that was asked for is done then.
  process.once('SIGTERM', () => process.exit(128 + 15));
}
