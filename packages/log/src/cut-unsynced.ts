import { DiskError } from '@weir/base/disk.ts';
import type { LogWriterParts, Mark } from './log-writer-parts.ts';

/**
 * After a failed sync the system has marked as clean what never reached the disk: a process that starts over it could
 * read it back and take it for durable. None of it counted, so it goes, as far as the disk still lets it; and with it
 * an epoch that began behind it while the sync was under way.
 *
 * @param synced what a sync that returned covers
 */
export function cutUnsynced({ disk, directory, epochs, files, segments }: LogWriterParts, synced: Mark): void {
  const { active } = segments;
  if (active === undefined) return;
  try {
    // The epoch first: without its records it would read as damage.
    if (epochs.cutTo(synced.end)) epochs.write(disk, directory);
    const held = files.acquire(active.baseOffset, 'append');
    held.file.truncate(Math.min(synced.position, held.file.size));
    files.release(held);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
