import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The generator's word to a linter that this project does not have; ours is told by .oxlintrc.json to leave the folder alone. */
const LINTER_MARK = '/* eslint-disable */\n';

/** Writes the code of the .proto files below a directory, as `gen`. Returns what went wrong; undefined: nothing. */
export function writeProtoCode(directory: string): string | undefined {
  const { status, stdout, stderr } = spawnSync('buf', ['generate', '-o', directory], {
    cwd: 'proto',
    encoding: 'utf8',
  });
  if (status !== 0) return stdout + stderr;
  const gen = join(directory, 'gen');
  for (const name of readdirSync(gen, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(?:js|d\.ts)$/.test(name)) continue;
    const path = join(gen, name);
    writeFileSync(path, readFileSync(path, 'utf8').replace(LINTER_MARK, ''));
  }
  return undefined;
}
