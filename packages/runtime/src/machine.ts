import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Clock } from '@weir/base/clock.ts';
import type { Random } from '@weir/base/random.ts';

/** The machine's time. Timers do not keep a process alive: listeners do. */
export const machineClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    return () => clearInterval(timer);
  },
  endOfTurn: (callback) => void setImmediate(callback),
};

/** The machine's chance. */
export const machineRandom: Random = {
  unit: () => Math.random(),
  bytes: (length) => randomBytes(length),
};

/** The container's memory limit where there is one, else the machine's memory. */
export function memoryLimitBytes(): number {
  for (const path of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const limit = Number(readFileSync(path, 'utf8').trim());
      // Without a limit cgroup v2 says "max", and v1 a number near 2^63.
      if (Number.isFinite(limit) && limit > 0) return Math.min(limit, totalmem());
    } catch {
      // Not this kind of cgroup.
    }
  }
  return totalmem();
}

/** Memory of this process that no file stands behind: what counts when a container's limit is reached. */
export function anonymousMemoryBytes(): number {
  try {
    const kibibytes = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.memoryUsage.rss();
}

/** What is taken where the system does not say: the usual limit of a login shell. */
const OPEN_FILES_LIMIT_USUAL = 1_024;

/** File descriptors that this process may have open. Node has raised the soft limit to the hard one at its start. */
export function openFilesLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
    if (soft === 'unlimited') return 1_000_000;
    return soft === undefined ? OPEN_FILES_LIMIT_USUAL : Number(soft);
  } catch {
    return OPEN_FILES_LIMIT_USUAL;
  }
}
