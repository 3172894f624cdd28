// A lock between processes that needs nothing but files, and that outlives nobody: a holder that died is succeeded.
'use strict';

const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const { hostname } = require('node:os');
const { join } = require('node:path');

/** A holder shows that it lives by touching its file so often. */
const TOUCH_MS = 1_000;
/** One on another machine, or with a process id that was given away again, counts as dead after so long without. */
const SILENT_MS_MAX = 30_000;
const POLL_MS = 200;

/**
 * Runs `work` while no other process does, or returns without when `isDone` says so.
 *
 * The lock is a chain of files, lock.0, lock.1 …, each made exclusively. The first holder has lock.0; when it died, the
 * one that makes lock.1 succeeds it, and so on. Whoever made a file looks again whether the dead ones before it are
 * still there: a holder that is finished removes the chain from the front, so that a successor who was late sees it.
 */
async function withLock(directory, { isDone, waiting, work }) {
  fs.mkdirSync(directory, { recursive: true });
  let told = false;
  for (;;) {
    if (isDone()) return;
    const chain = tryAcquire(directory);
    if (chain !== undefined) return await hold(chain, { isDone, work });
    if (!told) waiting();
    told = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function hold(chain, { isDone, work }) {
  const own = chain.at(-1).path;
  const touch = setInterval(() => {
    const now = new Date();
    fs.utimes(own, now, now, () => {});
  }, TOUCH_MS);
  try {
    const holder = JSON.parse(fs.readFileSync(own, 'utf8'));
    // An installer that outlives its parent still writes.
    const alsoHeldBy = (pid) => fs.writeFileSync(own, JSON.stringify({ ...holder, pids: [...holder.pids, pid] }));
    if (!isDone()) await work({ alsoHeldBy });
  } finally {
    clearInterval(touch);
    for (const { path } of chain) fs.rmSync(path, { force: true });
  }
}

/** The chain of files up to our own, or undefined while another one holds the lock. */
function tryAcquire(directory) {
  const chain = [];
  for (let place = 0; ; place++) {
    const path = join(directory, `install.lock.${place}`);
    const found = read(path);
    if (found === undefined) {
      const token = randomUUID();
      const holder = { token, host: hostname(), pids: [process.pid] };
      if (!create(path, JSON.stringify(holder))) return undefined;
      if (chain.every((earlier) => read(earlier.path)?.token === earlier.token)) return [...chain, { path, token }];
      fs.rmSync(path, { force: true });
      return undefined;
    }
    if (isAlive(found)) return undefined;
    chain.push({ path, token: found.token });
  }
}

/** Makes a file with its contents at once, or says that it exists. */
function create(path, contents) {
  const temporary = `${path}.${process.pid}.${randomUUID()}`;
  fs.writeFileSync(temporary, contents);
  try {
    fs.linkSync(temporary, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

function read(path) {
  let mtimeMs;
  try {
    ({ mtimeMs } = fs.statSync(path));
    return { ...JSON.parse(fs.readFileSync(path, 'utf8')), mtimeMs };
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    // Half written by `alsoHeldBy`: somebody is there, or was.
    if (error instanceof SyntaxError) return { token: 'half written', host: '', pids: [], mtimeMs };
    throw error;
  }
}

function isAlive(holder) {
  if (Date.now() - holder.mtimeMs > SILENT_MS_MAX) return false;
  return holder.host !== hostname() || holder.pids.some(isRunning);
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

module.exports = { withLock };
