import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';

/** Copies what is in a directory and below it to another disk, durably. */
export function copyDirectory(from: SimulatedDisk, to: SimulatedDisk, path = '.'): void {
  for (const name of from.list(path) ?? []) {
    const inner = path === '.' ? name : `${path}/${name}`;
    const contents = from.contentsOf(inner);
    if (contents === undefined) {
      to.makeDirectory(inner);
      copyDirectory(from, to, inner);
      continue;
    }
    const file = to.open(inner, 'create');
    file.append([contents]);
    file.syncNow();
    file.close();
  }
  to.syncDirectory(path);
}
