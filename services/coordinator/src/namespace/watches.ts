import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { revision as asRevision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { WATCH_MESSAGE_BYTES, WATCH_MESSAGE_EVENTS_MAX } from '@weir/base/limits.ts';
import type { ClusterImage } from '../controller/image.ts';
import type { NodeEvent } from './node.ts';
import { isWithin, parentOf, ROOT } from '@weir/base/tree-path.ts';
import { WatchHistory } from './watch-history.ts';
import type { HistoryLimits } from './watch-history.ts';

/**
 * What is watched: `data` a node itself; `children` that it and its children come and go; `recursive` all of the node and
 * what is below it.
 */
export type WatchKind = 'data' | 'children' | 'recursive';

/** A watch as it is asked for. */
export interface WatchRequest {
  readonly path: string;
  readonly kind: WatchKind;
  /** The first revision whose changes are wanted; undefined: from now on. */
  readonly from: number | undefined;
}

/** Where a watch's messages go. */
export interface WatchOutput {
  /** Whether nothing more may be given to it until it has room again. */
  readonly full: boolean;
  /** `complete`: there is nothing more of this revision. */
  events(watch: Watch, batch: { revision: Revision; events: readonly NodeEvent[]; complete: boolean }): void;
  /** It is over, and why. */
  ended(watch: Watch, why: Refusal): void;
}

/** A place in the history: a batch, and an event in it. */
interface Cursor {
  batch: number;
  event: number;
}

/** One watch. */
export interface Watch {
  readonly request: WatchRequest;
  readonly output: WatchOutput;
  /** Undefined while it has everything. */
  behind: Cursor | undefined;
}

/** The watches over one part of the tree, and the history that they go on from. None has a queue of its own. */
export class Watches {
  readonly #history: WatchHistory;
  readonly #countsData: boolean;
  /** By kind and path. */
  readonly #index = new Map<string, Set<Watch>>();
  #size = 0;

  /**
   * @param options.since - nothing is known of what was at or before this revision
   * @param options.countsData - the events hold on to their data, which counts towards the history's limit
   */
  constructor({
    since,
    countsData,
    limits,
  }: {
    readonly since: Revision;
    readonly countsData: boolean;
    readonly limits?: HistoryLimits;
  }) {
    this.#history = new WatchHistory(since, limits);
    this.#countsData = countsData;
  }

  get size(): number {
    return this.#size;
  }

  /** The oldest revision that a watch may begin at. */
  get oldest(): number {
    return this.#history.compacted + 1;
  }

  /** Begins a watch; nothing is sent before `pump`. Why not, when its beginning is too old. */
  start(request: WatchRequest, output: WatchOutput): Watch | Refusal {
    const { from } = request;
    if (from !== undefined && from < this.oldest) {
      const message =
        `changes are kept from revision ${this.oldest} on, and ${from} is older: ` +
        'read what is there now, and watch from the revision after it';
      return refusal('COMPACTED', message);
    }
    const behind = from === undefined ? undefined : { batch: this.#history.numberOf(from), event: 0 };
    const watch: Watch = { request, output, behind };
    const key = keyOf(request.kind, request.path);
    this.#index.set(key, (this.#index.get(key) ?? new Set()).add(watch));
    this.#size++;
    return watch;
  }

  /** Ends a watch; its output hears nothing more of it. */
  stop(watch: Watch): void {
    const key = keyOf(watch.request.kind, watch.request.path);
    const same = this.#index.get(key);
    if (same?.delete(watch) !== true) return;
    this.#size--;
    if (same.size === 0) this.#index.delete(key);
  }

  /** What a transaction did. */
  publish(revision: Revision, events: readonly NodeEvent[]): void {
    if (events.length === 0) return;
    const batch = this.#history.end;
    this.#history.append({ revision, events, bytes: this.#countsData ? bytesOf(events) : 0 });
    for (const watch of this.#interestedIn(events)) {
      watch.behind ??= { batch, event: 0 };
      this.pump(watch);
    }
  }

  /** Gives a watch what it is behind with, while its output takes it. */
  pump(watch: Watch): void {
    while (watch.behind !== undefined && !watch.output.full) {
      if (watch.behind.batch < this.#history.first) {
        this.stop(watch);
        const message = 'the watch was read so slowly that changes it has not seen are not kept any more';
        return watch.output.ended(watch, refusal('SLOW_READER', message));
      }
      if (watch.behind.batch >= this.#history.end) watch.behind = undefined;
      else this.#send(watch, watch.behind);
    }
  }

  /** The next message of a batch, if it has something for the watch. */
  #send(watch: Watch, cursor: Cursor): void {
    const { revision, events } = this.#history.at(cursor.batch);
    const taken: NodeEvent[] = [];
    let bytes = 0;
    while (cursor.event < events.length) {
      const event = events[cursor.event]!;
      if (matches(watch.request, event)) {
        if (taken.length >= WATCH_MESSAGE_EVENTS_MAX || bytes >= WATCH_MESSAGE_BYTES) break;
        taken.push(event);
        bytes += event.kind === 'deleted' ? event.path.length : event.path.length + event.node.data().length;
      }
      cursor.event++;
    }
    const complete = cursor.event >= events.length;
    if (complete) watch.behind = { batch: cursor.batch + 1, event: 0 };
    if (taken.length > 0) watch.output.events(watch, { revision, events: taken, complete });
  }

  #interestedIn(events: readonly NodeEvent[]): Set<Watch> {
    const interested = new Set<Watch>();
    if (this.#size === 0) return interested;
    const add = (kind: WatchKind, path: string): void => {
      for (const watch of this.#index.get(keyOf(kind, path)) ?? []) interested.add(watch);
    };
    for (const { kind, path } of events) {
      add('data', path);
      if (kind !== 'changed') {
        add('children', path);
        add('children', parentOf(path));
      }
      for (let above = path; ; above = parentOf(above)) {
        add('recursive', above);
        if (above === ROOT) break;
      }
    }
    return interested;
  }
}

/** The watches over the whole tree: the users' nodes apart from those that show the metadata. */
export interface NamespaceWatches {
  readonly users: Watches;
  readonly system: Watches;
}

/** Watches that know nothing of what came before an image. */
export function namespaceWatches({ revision, lastChange, claim, namespace }: ClusterImage): NamespaceWatches {
  // When a claim went that is not there is not known. Others who share the store have revisions of their own.
  const since = claim === undefined ? revision : asRevision(Math.max(lastChange, claim.revision));
  return {
    users: new Watches({ since: namespace.changedAt, countsData: true }),
    system: new Watches({ since, countsData: false }),
  };
}

/** Whether a watch is told of a change. */
export function matches({ kind, path }: Pick<WatchRequest, 'kind' | 'path'>, event: NodeEvent): boolean {
  switch (kind) {
    case 'data':
      return event.path === path;
    case 'children':
      return event.kind !== 'changed' && (event.path === path || parentOf(event.path) === path);
    case 'recursive':
      return isWithin(event.path, path);
  }
}

function keyOf(kind: WatchKind, path: string): string {
  return `${kind} ${path}`;
}

function bytesOf(events: readonly NodeEvent[]): number {
  let bytes = 0;
  for (const event of events) if (event.kind !== 'deleted') bytes += event.node.data().length;
  return bytes;
}
