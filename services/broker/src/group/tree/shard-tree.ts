import type { CommittedOffset, CommittedOffsets, StoredOffset, TopicPartition } from '../committed-offsets.ts';
import type { GroupRecord } from '../group-record.ts';
import type { ConsumerNode } from './consumer-node.ts';
import { CONSUMERS, placeAt } from './consumer-place.ts';
import type { TreeChange } from './tree-change.ts';
import { isThere, nodeAt, nodesFrom, placesBelow } from './tree-group.ts';
import type { StoredGroup, TreeGroup } from './tree-group.ts';
import { HistoryBudget, TreeHistory } from './tree-history.ts';
import { snapshotBudget, TreeWatches } from './tree-watches.ts';
import type { SnapshotBudget, TreeWatchRequest } from './tree-watches.ts';

/** What all logs of a broker share. */
export interface TreeShared {
  readonly history: HistoryBudget;
  readonly snapshots: SnapshotBudget;
}

/** For one broker. */
export function treeShared(): TreeShared {
  return { history: new HistoryBudget(), snapshots: snapshotBudget() };
}

/** A group that the tree keeps in step with its log. */
export interface MutableTreeGroup extends TreeGroup {
  stored: StoredGroup | undefined;
  readonly offsets: CommittedOffsets;
}

/**
 * The groups of one log as nodes below /consumers: what is shown follows from the records alone, so that every leader of the log
 * tells the same. Revision r is what the first r offsets of it say.
 *
 * While the log is read, so is its history: watches that another leader has left go on from it. Where compaction has
 * taken records away it cannot be told what happened, only what there is.
 */
export class ShardTree {
  readonly watches: TreeWatches;
  readonly #groups: ReadonlyMap<string, TreeGroup>;
  readonly #history: TreeHistory;
  #revision: number;
  /** Whether a record may have been in front of any that is read: then who is new may not be. */
  #hasGaps: boolean;
  #isLoaded = false;

  /** @param logStart - the first offset that the log has */
  constructor(groups: ReadonlyMap<string, TreeGroup>, logStart: number, shared: TreeShared) {
    this.#groups = groups;
    this.#history = new TreeHistory(shared.history);
    this.#revision = logStart;
    this.#hasGaps = logStart > 0;
    this.#history.forget(logStart);
    this.watches = new TreeWatches(this.#history, this, shared.snapshots);
  }

  /** What the log says up to there is shown. */
  get revision(): number {
    return this.#revision;
  }

  /** While the log is read: the offset of the next record. Between it and the one before, some may be gone. */
  reads(offset: number): void {
    if (offset > this.#revision) this.#missed(offset);
    this.#revision = offset + 1;
  }

  /** The log is read up to there. */
  loaded(end: number): void {
    if (end > this.#revision) this.#missed(end);
    this.#revision = end;
    this.#isLoaded = true;
  }

  /** A group's record is committed; null: its tombstone. */
  storeGroup(group: MutableTreeGroup, record: GroupRecord | null, revision: number): void {
    const { id, offsets, stored: before } = group;
    const wasThere = isThere(group);
    const after = record === null ? undefined : { record, revision };
    group.stored = after;
    const isKnown = before !== undefined;
    const change = { group: id, wasThere, isThere: isThere(group), before, after, offsetTopics: offsets.topicCount };
    this.#changed({ kind: 'group', ...change }, revision, isKnown);
  }

  /** An offset is committed; null: it is deleted. */
  storeOffset(
    group: MutableTreeGroup,
    { topic, partition }: TopicPartition,
    committed: CommittedOffset | null,
    revision: number,
  ): void {
    const { id, offsets } = group;
    const wasThere = isThere(group);
    const place = { topic, partition };
    const wasStored = offsets.stored(place) !== undefined;
    const after: StoredOffset | null = committed === null ? null : { committed, revision };
    offsets.set(place, after);
    const change = { group: id, wasThere, isThere: isThere(group), ...place, wasStored, after: after ?? undefined };
    this.#changed({ kind: 'offset', ...change, topicSize: offsets.sizeOf(topic) }, revision, wasStored);
  }

  /** A node as it is now; undefined: there is none. Of /consumers itself: with the groups of this log. */
  node(path: string): ConsumerNode | undefined {
    const place = placeAt(path);
    if (place === undefined) return undefined;
    if (place.kind === 'root') {
      return { path: CONSUMERS, modRevision: 0, childCount: this.groupNames().length, data: () => new Uint8Array(0) };
    }
    const group = this.#groups.get(place.group);
    return group && nodeAt(group, place);
  }

  /** The names of a node's children, percent-encoded, in no order. */
  childNames(path: string): string[] {
    const place = placeAt(path);
    if (place === undefined) return [];
    if (place.kind === 'root') return this.groupNames();
    const group = this.#groups.get(place.group);
    return group === undefined
      ? []
      : Array.from(placesBelow(group, place), (below) => encodeURIComponent(nameOf(below)));
  }

  /** The groups of which something is stored, percent-encoded, in no order. */
  groupNames(): string[] {
    const names: string[] = [];
    for (const group of this.#groups.values()) if (isThere(group)) names.push(encodeURIComponent(group.id));
    return names;
  }

  /** All nodes that a watch is about. /consumers itself never comes or goes, and is not among them. */
  *nodes({ path, kind }: TreeWatchRequest): Generator<ConsumerNode> {
    const place = placeAt(path);
    if (place === undefined) return;
    if (place.kind === 'root') {
      if (kind === 'data') return;
      for (const group of this.#groups.values()) {
        const from = { kind: 'group', group: group.id } as const;
        const node = nodeAt(group, from);
        if (kind === 'recursive') yield* nodesFrom(group, from);
        else if (node !== undefined) yield node;
      }
      return;
    }
    const group = this.#groups.get(place.group);
    if (group === undefined) return;
    if (kind === 'recursive') return yield* nodesFrom(group, place);
    const node = nodeAt(group, place);
    if (node === undefined) return;
    yield node;
    if (kind === 'data') return;
    for (const below of placesBelow(group, place)) {
      const child = nodeAt(group, below);
      if (child !== undefined) yield child;
    }
  }

  /** Nothing is looked at any more. */
  close(): void {
    this.#history.clear();
  }

  #changed(change: TreeChange, revision: number, wasKnown: boolean): void {
    this.#revision = revision;
    // What was there before it may be among the records that are gone: then it cannot be said what it did.
    if (!this.#isLoaded && this.#hasGaps && !wasKnown) return this.#history.forget(revision);
    if (!change.wasThere && !change.isThere) return;
    const entry = { revision, change };
    this.#history.append(entry);
    this.watches.published(entry);
  }

  #missed(offset: number): void {
    this.#hasGaps = true;
    this.#history.forget(offset);
  }
}

function nameOf(place: Exclude<ReturnType<typeof placeAt>, undefined | { kind: 'root' }>): string {
  switch (place.kind) {
    case 'group':
      return place.group;
    case 'list':
      return place.list;
    case 'member':
      return place.member;
    case 'topic':
      return place.topic;
    case 'partition':
      return String(place.partition);
  }
}
