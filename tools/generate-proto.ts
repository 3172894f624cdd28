import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { writeProtoCode } from './proto-code.ts';

/** `npm run proto`: writes proto/gen anew from the .proto files. */
for (const args of [['format', '-w'], ['lint']]) {
  const { status } = spawnSync('buf', args, { cwd: 'proto', stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
const problem = writeProtoCode(resolve('proto'));
if (problem !== undefined) {
  console.error(problem);
  process.exit(1);
}
