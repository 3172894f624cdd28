import type { Clock } from '@weir/base/clock.ts';
import type { DiskError, DiskFile } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { HeldFile } from './open-files.ts';
import type { SegmentFiles } from './segment-files.ts';

/**
 * The active segment's file, open as long as its writer needs it, and its syncs in the background: never two, as a failure
 * is reported to one of them alone.
 */
export class ActiveFile {
  readonly #clock: Clock;
  readonly #files: SegmentFiles;
  #held: HeldFile | undefined;
  #syncingSinceMs: number | undefined;

  constructor(clock: Clock, files: SegmentFiles) {
    this.#clock = clock;
    this.#files = files;
  }

  get syncing(): boolean {
    return this.#syncingSinceMs !== undefined;
  }

  get syncingSinceMs(): number | undefined {
    return this.#syncingSinceMs;
  }

  /**
   * The file of the active segment, which stays open until `release`.
   *
   * @throws DiskError
   */
  hold(baseOffset: Offset): DiskFile {
    this.#held ??= this.#files.acquire(baseOffset, 'append');
    return this.#held.file;
  }

  /** It is not needed any more, but for a sync that is under way. */
  release(): void {
    if (this.#held !== undefined) this.#files.release(this.#held);
    this.#held = undefined;
  }

  /** Starts a sync of the file, which is held; none is under way. */
  sync(baseOffset: Offset, done: (error: DiskError | undefined, durationMs: number) => void): void {
    const held = this.#files.acquire(baseOffset, 'append');
    const startedMs = this.#clock.monotonicMs();
    this.#syncingSinceMs = startedMs;
    held.file.sync((error) => {
      this.#files.release(held);
      this.#syncingSinceMs = undefined;
      done(error, this.#clock.monotonicMs() - startedMs);
    });
  }
}
