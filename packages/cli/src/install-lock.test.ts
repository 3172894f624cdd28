import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const LOCK = fileURLToPath(new URL('../../../bin/install-lock.js', import.meta.url));
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A process that takes the lock, notes when it is in and out, and says nothing is done yet. */
function contender(name: string, holdMs: number) {
  const script = `
    const { appendFileSync } = require('node:fs');
    const log = ${JSON.stringify(join(directory, 'log'))};
    require(${JSON.stringify(LOCK)}).withLock(${JSON.stringify(join(directory, 'lock'))}, {
      isDone: () => false,
      waiting: () => {},
      work: async () => {
        appendFileSync(log, 'in ${name}\\n');
        await new Promise((resolve) => setTimeout(resolve, ${holdMs}));
        appendFileSync(log, 'out ${name}\\n');
      },
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'inherit'] });
  return { child, exited: new Promise((resolve) => child.once('exit', resolve)) };
}

function log(): string[] {
  try {
    return readFileSync(join(directory, 'log'), 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('several at once hold it one after another, past holders that died', async () => {
  const dead = contender('dead', 60_000);
  await until(() => log().includes('in dead'));
  const others = ['a', 'b', 'c', 'd'].map((name) => contender(name, 20));
  dead.child.kill('SIGKILL');
  await Promise.all([dead, ...others].map(({ exited }) => exited));
  const held = log().slice(1);
  expect(held).toHaveLength(8);
  for (let i = 0; i < held.length; i += 2) expect(held[i + 1]).toBe(held[i]!.replace('in', 'out'));
  expect(readdirSync(join(directory, 'lock'))).toEqual([]);
});

test('a file that a dead process of long ago left behind does not matter', async () => {
  const first = contender('first', 0);
  await first.exited;
  const holder = { token: 'old', host: hostname(), pids: [first.child.pid] };
  writeFileSync(join(directory, 'lock', 'install.lock.0'), JSON.stringify(holder));
  await contender('second', 0).exited;
  expect(log().slice(2)).toEqual(['in second', 'out second']);
});
