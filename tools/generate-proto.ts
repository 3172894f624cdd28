import { spawnSync } from 'node:child_process';

/** `npm run proto`: writes proto/gen anew from the .proto files. */
for (const args of [['format', '-w'], ['lint'], ['generate']]) {
  const { status } = spawnSync('buf', args, { cwd: 'proto', stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
