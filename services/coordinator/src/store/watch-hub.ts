import { present } from '@weir/base/assert.ts';
import { WATCH_BYTES_KEPT, WATCH_REVISIONS_KEPT } from '@weir/base/limits.ts';
import type { Revision } from '@weir/base/ids.ts';
import type { Revised, Watch, WatchEvent, WatchHandlers, WatchRequest } from './metadata-store.ts';

interface Watcher {
  readonly prefix: string;
  readonly handlers: WatchHandlers;
  /** Everything up to here has been told. */
  position: number;
}

/**
 * The watches of an engine that has all writes pass through it: what recent revisions did, and who has been told how
 * far. Pure: `publish` and `compact` only remember, `deliver` tells; who owns it says when.
 */
export class WatchHub {
  readonly #watchers = new Set<Watcher>();
  /** In revision order. Invariant: every revision above `#forgotten` that wrote something is in here. */
  #history: Revised[] = [];
  #bytes = 0;
  #forgotten: number;
  #revision: number;

  /** @param revision - the store's revision: what came before it is not known */
  constructor(revision: Revision) {
    this.#revision = revision;
    this.#forgotten = revision;
  }

  watch({ prefix, after }: WatchRequest, handlers: WatchHandlers): Watch {
    const watcher: Watcher = { prefix, handlers, position: after };
    this.#watchers.add(watcher);
    return { close: () => void this.#watchers.delete(watcher) };
  }

  /** What a new revision did, to all keys. */
  publish(revised: Revised): void {
    this.#revision = revised.revision;
    this.#history.push(revised);
    this.#bytes += bytesOf(revised);
    if (this.#history.length > WATCH_REVISIONS_KEPT || this.#bytes > WATCH_BYTES_KEPT) this.#forget();
  }

  /** Forgets what revisions before this one did. */
  compact(before: Revision): void {
    if (before - 1 <= this.#forgotten) return;
    this.#forgotten = Math.min(before - 1, this.#revision);
    this.#history.splice(0, this.#indexBehind(this.#forgotten));
    this.#bytes = sum(this.#history.map(bytesOf));
  }

  /** Tells every watcher what it has not been told. Handlers may open and close watches, and write. */
  deliver(): void {
    for (const watcher of this.#watchers) this.#tell(watcher);
  }

  /** Lets go of all watchers. */
  close(): void {
    this.#watchers.clear();
  }

  #tell(watcher: Watcher): void {
    while (this.#watchers.has(watcher) && watcher.position !== this.#revision) {
      const isAhead = watcher.position > this.#revision;
      if (isAhead || watcher.position < this.#forgotten) {
        this.#watchers.delete(watcher);
        watcher.handlers.lost({ kind: isAhead ? 'rewound' : 'compacted' });
        return;
      }
      const next = present(this.#history[this.#indexBehind(watcher.position)], 'what is not forgotten is kept');
      watcher.position = next.revision;
      const events = next.events.filter((event) => keyOfEvent(event).startsWith(watcher.prefix));
      if (events.length > 0) watcher.handlers.revised({ revision: next.revision, events });
    }
  }

  /** Drops the older half at once, so that it costs nothing a revision. */
  #forget(): void {
    const kept = this.#history.slice(Math.ceil(this.#history.length / 2));
    this.#forgotten = this.#history[this.#history.length - kept.length - 1]!.revision;
    this.#history = kept;
    this.#bytes = sum(kept.map(bytesOf));
  }

  /** Where in the history the first revision above this one is. */
  #indexBehind(revision: number): number {
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#history[middle]!.revision > revision) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function keyOfEvent(event: WatchEvent): string {
  return event.kind === 'put' ? event.item.key : event.key;
}

function bytesOf({ events }: Revised): number {
  return sum(events.map((event) => keyOfEvent(event).length + (event.kind === 'put' ? event.item.value.length : 0)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
