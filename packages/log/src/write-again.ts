import type { Disk } from '@weir/base/disk.ts';

/** Read and written at a time. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Writes a part of a file over itself, so that a sync that follows covers it. After a sync that failed the system takes what never
 * reached the disk for written: a process that starts over it reads it back, and no later sync would say that it is not there.
 *
 * @throws DiskError
 */
export function writeAgain(
  disk: Disk,
  path: string,
  { from, to }: { readonly from: number; readonly to: number },
): void {
  if (from >= to) return;
  const file = disk.open(path, 'update');
  try {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, to - from));
    for (let position = from; position < to;) {
      const part = piece.subarray(0, Math.min(piece.length, to - position));
      const bytes = part.subarray(0, file.readNow(part, position));
      if (bytes.length === 0) return;
      file.writeAt(position, bytes);
      position += bytes.length;
    }
  } finally {
    file.close();
  }
}
