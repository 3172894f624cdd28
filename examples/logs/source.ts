import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generatedLines } from './generated-lines.ts';

const LOG_DIRECTORY = '/var/log';
/** The youngest ones. */
const FILES_MAX = 5;
const LOG_FILE = /^(syslog|messages|kern|auth|daemon|user)$|\.log$/;

/** Where there may be logs, in the order in which they are looked for. */
export const SOURCE_KINDS = ['journal', 'files', 'dmesg', 'generator'] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

/** Lines of a log. */
export interface LogSource {
  readonly kind: SourceKind;
  /** What it is, for people. */
  readonly title: string;
  /** Opens it; whoever is done with it destroys it. */
  open(): Readable;
}

/**
 * The log of this machine, of the first kind that has something, or of the one that is wanted. `lines`: how many of the last ones, of
 * each file; dmesg has all.
 */
export function findSource(wanted: SourceKind | undefined, lines: number): LogSource | undefined {
  const kinds = wanted === undefined ? SOURCE_KINDS : [wanted];
  for (const kind of kinds) {
    const source = sourceOf(kind, lines);
    if (source !== undefined) return source;
  }
  return undefined;
}

function sourceOf(kind: SourceKind, lines: number): LogSource | undefined {
  switch (kind) {
    case 'journal': {
      const words = ['journalctl', '--quiet', '--no-pager', '-o', 'short-iso'];
      return isThereWith([...words, '-n', '1']) ? ofCommand(kind, [...words, '-n', String(lines)]) : undefined;
    }
    case 'files': {
      const files = logFiles();
      return files.length > 0 ? ofCommand(kind, ['tail', '-q', '-n', String(lines), ...files]) : undefined;
    }
    case 'dmesg':
      return isThereWith(['dmesg']) ? ofCommand(kind, ['dmesg']) : undefined;
    case 'generator': {
      const title = `no log of this machine, but ${lines} lines that this example makes up`;
      return { kind, title, open: () => Readable.from(generatedLines(lines)) };
    }
  }
}

function ofCommand(kind: SourceKind, [program, ...words]: readonly string[]): LogSource {
  return {
    kind,
    title: [program, ...words].join(' '),
    open() {
      const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
      const { stdout } = child;
      child.once('error', (error) => stdout.destroy(error));
      child.once('exit', (code) => {
        if (code !== null && code !== 0) stdout.destroy(new Error(`${program} has ended with ${code}`));
      });
      stdout.once('close', () => child.kill());
      return stdout;
    },
  };
}

/** Whether a command prints something. */
function isThereWith([program, ...words]: readonly string[]): boolean {
  const { status, stdout } = spawnSync(program!, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 && stdout.length > 0;
}

function logFiles(): string[] {
  const found = readdirSync(LOG_DIRECTORY).flatMap((name) => {
    const path = join(LOG_DIRECTORY, name);
    if (!LOG_FILE.test(name)) return [];
    try {
      accessSync(path, constants.R_OK);
      const { size, mtimeMs } = statSync(path);
      return size > 0 && statSync(path).isFile() ? [{ path, mtimeMs }] : [];
    } catch {
      return [];
    }
  });
  const byAge = found.toSorted((one, other) => other.mtimeMs - one.mtimeMs);
  return byAge.slice(0, FILES_MAX).map(({ path }) => path);
}
