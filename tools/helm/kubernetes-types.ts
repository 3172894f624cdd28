import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../packages/base/src/errors.ts';
import type { RenderedObject } from './render.ts';
import { titleOf } from './render.ts';

/**
 * Compares objects with Kubernetes' schemas, as `kubernetes-models` has them, in two ways that complete each other: its
 * validators know formats and bounds but let unknown fields pass, TypeScript's check of object literals lets none pass.
 */

/** An object, and the values that it was rendered with. */
export interface Sourced {
  readonly source: string;
  readonly object: RenderedObject;
}

/** What is wrong, and with which values. */
export interface Problem {
  readonly source: string;
  readonly problem: string;
}

/** What the packages that have the schemas call a kind. */
interface Model {
  readonly type: string;
  readonly module: string;
  validate(object: unknown): void;
}

/** What is wrong; empty when nothing is. */
export async function schemaProblems(objects: readonly Sourced[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  const known: (Sourced & { model: Model })[] = [];
  for (const sourced of objects) {
    const { source, object } = sourced;
    const model = await modelOf(object);
    if (model === undefined) {
      problems.push({ source, problem: `${titleOf(object)}: there is no kind ${object.kind} in ${object.apiVersion}` });
      continue;
    }
    known.push({ ...sourced, model });
    try {
      model.validate(object);
    } catch (error) {
      problems.push({ source, problem: `${titleOf(object)}: ${messageOf(error)}` });
    }
  }
  return [...problems, ...typeProblems(known)];
}

async function modelOf({ apiVersion, kind }: RenderedObject): Promise<Model | undefined> {
  const operator = apiVersion.startsWith('monitoring.coreos.com/');
  const name = `${operator ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models'}/${apiVersion}/${kind}`;
  let loaded: Record<string, (new (data: unknown) => { validate(): void }) | undefined>;
  try {
    loaded = (await import(name)) as typeof loaded;
  } catch {
    return undefined;
  }
  const Kind = loaded[kind];
  if (Kind === undefined) return undefined;
  return {
    type: `I${kind}`,
    module: fileURLToPath(import.meta.resolve(name)),
    validate: (object) => new Kind(object).validate(),
  };
}

const STRICT = { target: 'esnext', module: 'nodenext', strict: true, noEmit: true, skipLibCheck: true, types: [] };

/** Writes the objects down as TypeScript and has the compiler read it. */
function typeProblems(objects: readonly (Sourced & { model: Model })[]): Problem[] {
  if (objects.length === 0) return [];
  const directory = mkdtempSync(join(tmpdir(), 'weir-chart-'));
  try {
    const starts: (Sourced & { readonly line: number })[] = [];
    const lines: string[] = [];
    for (const [index, { source, object, model }] of objects.entries()) {
      starts.push({ line: lines.length + 1, source, object });
      lines.push(`import type { ${model.type} as Type${index} } from ${JSON.stringify(model.module)};`);
      lines.push(...`export const object${index}: Type${index} = ${JSON.stringify(object, null, 2)};`.split('\n'));
    }
    writeFileSync(join(directory, 'objects.ts'), lines.join('\n'));
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions: STRICT, files: ['objects.ts'] }));
    const { status, stdout, stderr, error } = spawnSync('tsc', ['-p', directory, '--pretty', 'false'], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status === 0) return [];
    const problems = stdout.split('\n').flatMap((line) => {
      const match = /objects\.ts\((\d+),\d+\): error TS\d+: (.*)$/.exec(line);
      if (match === null) return [];
      const at = Number(match[1]);
      const { source, object } = starts.findLast((start) => start.line <= at)!;
      return [{ source, problem: `${titleOf(object)}: ${match[2]} (at ${lines[at - 1]?.trim()})` }];
    });
    return problems.length > 0 ? problems : [{ source: 'tsc', problem: `${stdout}${stderr}${error?.message ?? ''}` }];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
