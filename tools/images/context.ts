import { createHash } from 'node:crypto';
import { chmodSync, cpSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What the image is made of, besides the dependencies. */
const SOURCES = [
  'LICENSE',
  '.npmrc',
  'package.json',
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  '{packages,services}/*/package.json',
  '{packages,services}/*/src/**/*.ts',
  'proto/package.json',
  'proto/gen/**/*.js',
];

/** Of these no line runs in production. */
const NOT_SHIPPED = [
  /\.test\.ts$/,
  /\/(test-kit|testing)\//,
  /\/(test-[a-z-]+|[a-z-]+-test-kit|log-model-[a-z]+)\.ts$/,
];

/** Parts of packages that Node does not load: types, source maps, prose. Licences stay. */
const NOT_LOADED = '**/*.{d.ts,d.mts,d.cts,map,md,markdown,tsbuildinfo}';

/** Every file of ours that goes into the image, by its path from the root, in order. */
export function sources(): string[] {
  const found = globSync(SOURCES, { cwd: ROOT, exclude: (path) => path.includes('node_modules') });
  const shipped = found.filter((path) => !NOT_SHIPPED.some((pattern) => pattern.test(path)));
  // A layout that the patterns do not fit any more must not make an empty image.
  if (shipped.length < 100) throw new Error(`only ${shipped.length} files for the image were found below ${ROOT}`);
  return shipped.toSorted();
}

/** Names what an image of this tree has in it: another hash, another image. */
export function treeHash(): string {
  const hash = createHash('sha256');
  for (const path of [...sources(), 'deploy/docker/Dockerfile', 'deploy/docker/weir', 'tools/images/context.ts']) {
    const contents = readFileSync(join(ROOT, path));
    hash.update(`${path} ${contents.length}\n`).update(contents);
  }
  return hash.digest('hex').slice(0, 16);
}

/** For which machine dependencies with native code are taken. */
export interface Platform {
  /** As Node calls it: x64, arm64. */
  readonly cpu: string;
}

/**
 * Lays out all that the image is built from: `app` (the workspace with its production dependencies, as it stands in a
 * checkout), `weir`, and an empty `data`.
 */
export function layOutContext(directory: string, platform: Platform): void {
  const app = join(directory, 'app');
  for (const path of sources()) {
    mkdirSync(dirname(join(app, path)), { recursive: true });
    cpSync(join(ROOT, path), join(app, path));
  }
  installDependencies(app, platform);
  for (const path of globSync(NOT_LOADED, { cwd: join(app, 'node_modules/.pnpm') })) {
    rmSync(join(app, 'node_modules/.pnpm', path), { force: true, recursive: true });
  }
  mkdirSync(join(directory, 'data'));
  cpSync(join(ROOT, 'deploy/docker/Dockerfile'), join(directory, 'Dockerfile'));
  cpSync(join(ROOT, 'deploy/docker/weir'), join(directory, 'weir'));
  chmodSync(join(directory, 'weir'), 0o755);
}

/** Just what the services import, in the versions of the lockfile, with the native parts of the image's platform. */
function installDependencies(app: string, { cpu }: Platform): void {
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { packageManager: string };
  const pnpm = ['pnpm', 'install', '--prod', '--frozen-lockfile', '--prefer-offline', '--pm-on-fail=ignore'];
  const target = ['--os=linux', `--cpu=${cpu}`, '--libc=glibc', '--package-import-method=copy'];
  const words = ['exec', '--yes', `--package=${packageManager}`, '--', ...pnpm, ...target, '--filter=@weir/cli...'];
  run('npm', words, { cwd: app, environment: { ...process.env, npm_config_update_notifier: 'false' } });
}
