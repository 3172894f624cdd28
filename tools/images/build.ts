import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layOutContext, treeHash } from './context.ts';
import { IMAGE, REGISTRY_BASE, TREE_LABEL } from './image.ts';
import { localBase, localBaseProblem } from './local-base.ts';
import { run, tryRun } from './run.ts';

/** What to build, on what. */
export interface BuildOptions {
  /** Name and tag. */
  readonly tag?: string;
  /** A base image with Node 24, and `node` on its PATH; without it, `node:24-slim`, or one made here. */
  readonly base?: string | undefined;
  readonly say: (line: string) => void;
}

/** Why no image can be built or run here, or undefined. */
export function engineProblem(): string | undefined {
  const { ok, words } = tryRun('docker', ['version', '--format', '{{.Server.Version}}']);
  if (ok) return undefined;
  return (
    `no Docker engine answers (${words.split('\n').at(-1)}). Get one: install Docker (on Debian: apt-get install ` +
    'docker.io) and start it (systemctl start docker, or dockerd), or set DOCKER_HOST to one that runs'
  );
}

/**
 * Builds the image.
 *
 * @returns name, size in bytes and base
 * @throws Error that says what failed
 */
export function buildImage({ tag = IMAGE, base, say }: BuildOptions): { tag: string; bytes: number; base: string } {
  const problem = engineProblem();
  if (problem !== undefined) throw new Error(problem);
  const baseImage = base ?? chooseBase(say);
  const hash = treeHash();
  const context = mkdtempSync(join(tmpdir(), 'weir-image-'));
  try {
    say('laying out the sources and the production dependencies');
    layOutContext(context, { cpu: engineCpu() });
    say(`building ${tag} on ${baseImage}`);
    const labels = [
      '--label',
      `${TREE_LABEL}=${hash}`,
      '--label',
      `org.opencontainers.image.version=${versionIn(tag)}`,
    ];
    const revision = tryRun('git', ['rev-parse', 'HEAD']);
    if (revision.ok) labels.push('--label', `org.opencontainers.image.revision=${revision.stdout.trim()}`);
    run('docker', ['build', '--quiet', '--build-arg', `BASE_IMAGE=${baseImage}`, ...labels, '--tag', tag, context]);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
  const bytes = Number(run('docker', ['image', 'inspect', '--format', '{{.Size}}', tag]).trim());
  return { tag, bytes, base: baseImage };
}

/** Builds the image unless there is one of this tree; returns its name. */
export function ensureImage(say: (line: string) => void): string {
  const format = `{{index .Config.Labels "${TREE_LABEL}"}}`;
  const { ok, stdout } = tryRun('docker', ['image', 'inspect', '--format', format, IMAGE]);
  if (!ok || stdout.trim() !== treeHash()) buildImage({ say });
  return IMAGE;
}

/** The Dockerfile's base where it is there or can be had, else one that is made here. */
function chooseBase(say: (line: string) => void): string {
  if (tryRun('docker', ['image', 'inspect', REGISTRY_BASE]).ok) return REGISTRY_BASE;
  const pulled = tryRun('docker', ['pull', '--quiet', REGISTRY_BASE]);
  if (pulled.ok) return REGISTRY_BASE;
  const problem = localBaseProblem();
  const why = `${REGISTRY_BASE} cannot be pulled (${pulled.words.split('\n').at(-1)})`;
  if (problem !== undefined) throw new Error(`${why}, and ${problem}. Name another base: --base IMAGE`);
  say(why);
  return localBase(say);
}

/** The tag of an image's name, whose registry may have a port; empty without one. */
function versionIn(name: string): string {
  return /:([^:/]+)$/.exec(name)?.[1] ?? '';
}

/** The engine's processor, in Node's words. */
function engineCpu(): string {
  const arch = run('docker', ['version', '--format', '{{.Server.Arch}}']).trim();
  return arch === 'amd64' ? 'x64' : arch;
}
