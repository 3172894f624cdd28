import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LaunchedService } from './launcher.ts';
import { argsAsBound } from './plan.ts';
import { makeDirectory } from '@weir/runtime/make-directory.ts';

const NAME = 'cluster.json';

/** Says in the data directory what runs: whole or not at all. */
export function writeClusterFile(dataDirectory: string, services: readonly LaunchedService[]): void {
  const contents = {
    services: services.map(({ plan, pid, addresses }) => ({
      kind: plan.kind,
      id: plan.id,
      pid,
      args: argsAsBound(plan, addresses),
      ...addresses,
    })),
  };
  makeDirectory(dataDirectory);
  const temporary = join(dataDirectory, `${NAME}.new`);
  writeFileSync(temporary, `${JSON.stringify(contents, undefined, 2)}\n`);
  renameSync(temporary, join(dataDirectory, NAME));
}

/** Removes it; where there is none that is fine. */
export function removeClusterFile(dataDirectory: string): void {
  rmSync(join(dataDirectory, NAME), { force: true });
}
