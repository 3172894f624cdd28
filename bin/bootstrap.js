// What `weir` and `weir.run` share. Plain JavaScript without dependencies: it runs on any Node from 20, before
// anything is installed.
'use strict';

const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { constants } = require('node:os');
const { delimiter, join } = require('node:path');
const { withLock } = require('./install-lock.js');

const NODE_MAJOR_MIN = 20;

/** The checkout. */
const root = join(__dirname, '..');
const modules = join(root, 'node_modules');
const marker = join(modules, '.weir-installed');
/** The Node that the lockfile pins; it comes from npm like everything else. */
const nodePath = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** Installs the dependencies unless those of the present lockfile are there. Several processes at once wait for one. */
async function install() {
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    throw new Error(`Node.js ${NODE_MAJOR_MIN} or newer is needed, and this is ${process.version}`);
  }
  if (isInstalled()) return;
  await withLock(join(root, '.tools'), {
    isDone: isInstalled,
    waiting: () => process.stderr.write('weir: waiting for another process that is installing the dependencies\n'),
    work: async (lock) => {
      const again = fs.existsSync(modules);
      process.stderr.write(`weir: installing the dependencies (${again ? 'the lockfile has changed' : 'once'})\n`);
      const startMs = Date.now();
      const stamp = lockfileStamp();
      await runInstaller(lock);
      if (!fs.existsSync(nodePath)) throw new Error(`the installation ended without ${nodePath}`);
      fs.writeFileSync(`${marker}.new`, stamp);
      fs.renameSync(`${marker}.new`, marker);
      process.stderr.write(`weir: installed in ${Math.ceil((Date.now() - startMs) / 1000)} s\n`);
    },
  });
}

function isInstalled() {
  try {
    return fs.readFileSync(marker, 'utf8') === lockfileStamp() && fs.existsSync(nodePath);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
    throw error;
  }
}

/** What was installed: binaries differ by platform, so that a tree which was carried to another one installs again. */
function lockfileStamp() {
  const hash = createHash('sha256');
  for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(fs.readFileSync(join(root, name)));
  return `${process.platform}-${process.arch} ${hash.digest('hex')}\n`;
}

/** pnpm, in the version that the manifest pins, obtained through npm. Its output goes to standard error. */
function runInstaller(lock) {
  const { packageManager } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));
  // It is the pinned version already, so it need not look after itself: with a frozen lockfile it refuses to try.
  const pnpm = ['pnpm', 'install', '--frozen-lockfile', '--pm-on-fail=ignore', '--config.confirmModulesPurge=false'];
  const words = ['exec', '--yes', `--package=${packageManager.split('+')[0]}`, '--', ...pnpm];
  // Below `npm start` npm says where it is; then the PATH need not have it.
  const npm = process.env.npm_execpath;
  const [file, fileWords] = npm?.endsWith('npm-cli.js') ? [process.execPath, [npm, ...words]] : ['npm', words];
  return new Promise((resolve, reject) => {
    const child = spawn(file, fileWords, {
      cwd: root,
      env: { ...process.env, PATH: pathWithShell(), npm_config_update_notifier: 'false' },
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32' && file === 'npm',
    });
    if (child.pid !== undefined) lock.alsoHeldBy(child.pid);
    let interrupted;
    const stop = (signal) => {
      interrupted = signal;
      child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, stop);
    const settle = (error) => {
      for (const signal of signals) process.off(signal, stop);
      if (error === undefined) resolve();
      else reject(error);
    };
    child.on('error', (error) => {
      const why = error.code === 'ENOENT' ? 'npm is not on the PATH; it comes with Node.js' : error.message;
      settle(new Error(`the dependencies cannot be installed: ${why}`));
    });
    child.on('exit', (code, signal) => {
      if (code === 0) return settle();
      if (interrupted !== undefined) return settle(new Error(`${interrupted}: the dependencies are not installed`));
      settle(
        new Error(`the dependencies could not be installed (npm exec pnpm ended with ${signal ?? code}, see above)`),
      );
    });
  });
}

/** npm and pnpm run scripts by `sh`, which a PATH of Node alone does not have. */
function pathWithShell() {
  const path = process.env.PATH ?? '';
  return process.platform === 'win32' ? path : [path, '/usr/bin', '/bin'].join(delimiter);
}

/** The script behind a tool's name. The links in node_modules/.bin are shell scripts that want more than Node on the PATH. */
function findTool(name) {
  const { devDependencies } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(devDependencies)) {
    const folder = join(modules, ...dependency.split('/'));
    if (!fs.existsSync(folder)) continue;
    const { bin } = JSON.parse(fs.readFileSync(join(folder, 'package.json'), 'utf8'));
    const tools = typeof bin === 'string' ? { [dependency.split('/').pop()]: bin } : (bin ?? {});
    if (Object.hasOwn(tools, name)) return join(folder, tools[name]);
  }
  return undefined;
}

/**
 * Lets a program take this process's place: literally where Node can do that, else as a child whose signals and exit
 * code are passed on.
 */
function runInstead({ file, words, passInterrupts }) {
  const env = { ...process.env };
  env.NODE_COMPILE_CACHE ??= join(modules, '.cache', 'weir-compile');
  // Syncs and cold reads run in this pool; four threads would queue up behind four slow disks.
  env.UV_THREADPOOL_SIZE ??= '16';
  if (typeof process.execve === 'function' && process.platform !== 'win32') process.execve(file, [file, ...words], env);
  const child = spawn(file, words, { stdio: 'inherit', env });
  const handlers = new Map();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']) {
    // A terminal's Ctrl-C reaches the child without us.
    const handler = () => void ((signal !== 'SIGINT' || passInterrupts) && child.kill(signal));
    handlers.set(signal, handler);
    process.on(signal, handler);
  }
  child.on('error', (error) => {
    process.stderr.write(`weir: ${file} does not start: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    for (const [name, handler] of handlers) process.off(name, handler);
    process.kill(process.pid, signal);
    // Where the signal does not end us, the shell's way of saying it does.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
}

/**
 * A young generation of 2 MiB a half, not 16. What a broker keeps a moment (batches in its cache, requests on their way)
 * outlives either, and what it does not keep is garbage at once: a larger one only takes 100 MiB more, and no less time.
 *
 * And no collection of the whole heap whenever another 64 MiB have been read from connections, which V8 does by default: such
 * buffers are garbage at once and go with the young generation. For three brokers that replicate it was a third of their time.
 */
const nodeFlags = ['--max-semi-space-size=2', '--external-memory-accounted-in-global-limit'];

module.exports = {
  nodeFlags,
  findTool,
  install,
  nodePath,
  root,
  runInstead,
};
