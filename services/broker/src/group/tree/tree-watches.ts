import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { CONSUMER_TREE_SNAPSHOT_NODES_MAX } from '@weir/base/group-limits.ts';
import { WATCH_MESSAGE_BYTES, WATCH_MESSAGE_EVENTS_MAX } from '@weir/base/limits.ts';
import { isWithin, parentOf } from '@weir/base/tree-path.ts';
import type { ConsumerEvent, ConsumerNode } from './consumer-node.ts';
import { eventsOf } from './tree-change.ts';
import type { HistoryEntry, TreeHistory } from './tree-history.ts';

/** What is watched: `data` a node itself; `children` that it and its children come and go; `recursive` all from it down. */
export type TreeWatchKind = 'data' | 'children' | 'recursive';

/** A watch as it is asked for. */
export interface TreeWatchRequest {
  /** In its one spelling. */
  readonly path: string;
  readonly kind: TreeWatchKind;
  /** Whose nodes it is about; undefined: all groups of the log. */
  readonly group: string | undefined;
}

/** Changes of one revision, or a part of them. */
export interface TreeBatch {
  readonly revision: number;
  readonly events: readonly ConsumerEvent[];
  /** There is nothing more of this revision. */
  readonly complete: boolean;
  /** Not what has changed, but all that there is. */
  readonly reset: boolean;
}

/** Where a watch's messages go. */
export interface TreeWatchOutput {
  /** Whether nothing more may be given to it until it has room again. */
  readonly full: boolean;
  events(watch: TreeWatch, batch: TreeBatch): void;
  /** It is over, and why. */
  ended(watch: TreeWatch, why: Refusal): void;
}

type Place =
  /** It has everything. */
  | { readonly kind: 'current' }
  /** An entry of the history, and an event in it. */
  | { readonly kind: 'behind'; entry: number; event: number }
  /** What it is about has to be told anew. */
  | { readonly kind: 'lost' }
  /** It is being told: all nodes as they were at a revision, the next of them, and the entry behind them. */
  | { readonly kind: 'snapshot'; nodes: readonly ConsumerNode[]; next: number; revision: number; entry: number };

/** One watch. */
export class TreeWatch {
  readonly request: TreeWatchRequest;
  readonly output: TreeWatchOutput;
  place: Place;

  constructor(request: TreeWatchRequest, output: TreeWatchOutput, place: Place) {
    this.request = request;
    this.output = output;
    this.place = place;
  }
}

/** Nodes of snapshots that wait to be read, of all logs of a broker. */
export interface SnapshotBudget {
  nodes: number;
  readonly nodesMax: number;
}

/** With the limit that there is. */
export function snapshotBudget(nodesMax: number = CONSUMER_TREE_SNAPSHOT_NODES_MAX): SnapshotBudget {
  return { nodes: 0, nodesMax };
}

/** What snapshots are made of. */
export interface SnapshotSource {
  readonly revision: number;
  nodes(request: TreeWatchRequest): Iterable<ConsumerNode>;
}

/**
 * The watches over the groups of one log. None has a queue: one that does not have everything is a place in the history of all, and one
 * whose place is gone, or was never there, is told what there is, as a snapshot marked as such.
 */
export class TreeWatches {
  readonly #history: TreeHistory;
  readonly #source: SnapshotSource;
  readonly #budget: SnapshotBudget;
  /** By group; undefined: over all of them. */
  readonly #watches = new Map<string | undefined, Set<TreeWatch>>();

  constructor(history: TreeHistory, source: SnapshotSource, budget: SnapshotBudget) {
    this.#history = history;
    this.#source = source;
    this.#budget = budget;
  }

  /**
   * Begins a watch; nothing is sent before `pump`.
   *
   * @param from - the first revision whose changes are wanted; `now`: what comes from now on; `lost`: nobody knows what it has seen
   */
  start(request: TreeWatchRequest, output: TreeWatchOutput, from: number | 'now' | 'lost'): TreeWatch {
    const watch = new TreeWatch(request, output, this.#placeOf(from));
    this.#watches.set(request.group, (this.#watches.get(request.group) ?? new Set()).add(watch));
    return watch;
  }

  /** Ends a watch; its output hears nothing more of it. */
  stop(watch: TreeWatch): void {
    this.#settle(watch, { kind: 'current' });
    const same = this.#watches.get(watch.request.group);
    if (same?.delete(watch) === true && same.size === 0) this.#watches.delete(watch.request.group);
  }

  /** Ends all of them. */
  end(why: Refusal): void {
    for (const watches of this.#watches.values()) {
      for (const watch of watches) this.#end(watch, why);
    }
  }

  /** The history has grown by one entry. */
  published({ change: { group } }: HistoryEntry): void {
    if (this.#watches.size === 0) return;
    const entry = this.#history.end - 1;
    for (const key of [group, undefined]) {
      for (const watch of this.#watches.get(key) ?? []) {
        if (watch.place.kind === 'current') watch.place = { kind: 'behind', entry, event: 0 };
        this.pump(watch);
      }
    }
  }

  /** Gives a watch what it lacks, while its output takes it. */
  pump(watch: TreeWatch): void {
    while (!watch.output.full) {
      const { place } = watch;
      switch (place.kind) {
        case 'current':
          return;
        case 'lost':
          if (!this.#look(watch)) return;
          break;
        case 'snapshot':
          this.#tell(watch, place);
          break;
        case 'behind':
          if (place.entry >= this.#history.end) watch.place = { kind: 'current' };
          else if (place.entry < this.#history.first) watch.place = { kind: 'lost' };
          else this.#send(watch, place);
      }
    }
  }

  #placeOf(from: number | 'now' | 'lost'): Place {
    if (from === 'now') return { kind: 'current' };
    // What it has seen is told by a log that went on otherwise, or is more than there is; or what came since is not kept.
    const isLost = from === 'lost' || from <= this.#history.compacted || from > this.#source.revision + 1;
    return isLost ? { kind: 'lost' } : { kind: 'behind', entry: this.#history.numberOf(from), event: 0 };
  }

  /** Begins a snapshot. False: there is no room for one, and the watch is over. */
  #look(watch: TreeWatch): boolean {
    const { nodes: used, nodesMax } = this.#budget;
    const nodes: ConsumerNode[] = [];
    for (const node of this.#source.nodes(watch.request)) {
      if (used + nodes.length >= nodesMax) {
        this.#end(watch, used === 0 ? tooLarge(watch, nodesMax) : busy());
        return false;
      }
      nodes.push(node);
    }
    this.#budget.nodes += nodes.length;
    const { revision } = this.#source;
    watch.place = { kind: 'snapshot', nodes, next: 0, revision, entry: this.#history.end };
    return true;
  }

  #tell(watch: TreeWatch, place: Extract<Place, { kind: 'snapshot' }>): void {
    const { nodes, revision, entry } = place;
    const { taken, end } = take(
      nodes,
      place.next,
      () => true,
      (node) => node.data().length,
    );
    place.next = end;
    const complete = end >= nodes.length;
    if (complete) this.#settle(watch, { kind: 'behind', entry, event: 0 });
    const events = taken.map((node): ConsumerEvent => ({ kind: 'created', path: node.path, node }));
    watch.output.events(watch, { revision, events, complete, reset: true });
  }

  #send(watch: TreeWatch, place: Extract<Place, { kind: 'behind' }>): void {
    const { request } = watch;
    const { revision, change } = this.#history.at(place.entry);
    if (request.group !== undefined && request.group !== change.group) {
      place.entry++;
      return;
    }
    const { taken, end, isAll } = take(eventsOf(change), place.event, (event) => matches(request, event), sizeOf);
    if (isAll) Object.assign(place, { entry: place.entry + 1, event: 0 });
    else place.event = end;
    if (taken.length > 0) watch.output.events(watch, { revision, events: taken, complete: isAll, reset: false });
  }

  #end(watch: TreeWatch, why: Refusal): void {
    this.stop(watch);
    watch.output.ended(watch, why);
  }

  /** It is somewhere else from now on; a snapshot that it was told is not kept. */
  #settle(watch: TreeWatch, place: Place): void {
    if (watch.place.kind === 'snapshot') this.#budget.nodes -= watch.place.nodes.length;
    watch.place = place;
  }
}

/** Whether a watch is told of a change. */
export function matches({ kind, path }: Pick<TreeWatchRequest, 'kind' | 'path'>, event: ConsumerEvent): boolean {
  switch (kind) {
    case 'data':
      return event.path === path;
    case 'children':
      return event.kind !== 'changed' && (event.path === path || parentOf(event.path) === path);
    case 'recursive':
      return isWithin(event.path, path);
  }
}

/** As many as one message has of those that are wanted, from a place on, and where to go on. */
function take<T>(
  all: readonly T[],
  from: number,
  isWanted: (item: T) => boolean,
  bytesOf: (item: T) => number,
): { readonly taken: readonly T[]; readonly end: number; readonly isAll: boolean } {
  const taken: T[] = [];
  let bytes = 0;
  let at = from;
  for (; at < all.length; at++) {
    const item = all[at]!;
    if (!isWanted(item)) continue;
    if (taken.length >= WATCH_MESSAGE_EVENTS_MAX || bytes >= WATCH_MESSAGE_BYTES) break;
    taken.push(item);
    bytes += bytesOf(item);
  }
  return { taken, end: at, isAll: at >= all.length };
}

function sizeOf(event: ConsumerEvent): number {
  return event.path.length + (event.kind === 'deleted' ? 0 : event.node.data().length);
}

function tooLarge({ request: { path } }: TreeWatch, nodesMax: number): Refusal {
  const message = `what is below ${path} has more nodes than a watch is told at once, ${nodesMax}: watch less of it`;
  return refusal('POLICY_VIOLATION', message);
}

function busy(): Refusal {
  return refusal('THROTTLING_QUOTA_EXCEEDED', 'too many watches are being told what there is: try again in a moment');
}
