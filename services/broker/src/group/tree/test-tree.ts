import { encodeAssignment, encodeSubscription } from '@weir/client/group/consumer-messages.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { CommittedOffsets } from '../committed-offsets.ts';
import type { CommittedOffset } from '../committed-offsets.ts';
import type { GroupRecord } from '../group-record.ts';
import { ShardTree } from './shard-tree.ts';
import type { MutableTreeGroup, TreeShared } from './shard-tree.ts';
import { HistoryBudget } from './tree-history.ts';
import type { HistoryLimits } from './tree-history.ts';
import { snapshotBudget } from './tree-watches.ts';
import type { TreeBatch, TreeWatch, TreeWatchKind, TreeWatchOutput } from './tree-watches.ts';

/** A record of a log of groups, for tests: what it says of which key. */
export type TestRecord =
  | { readonly kind: 'group'; readonly group: string; readonly record: GroupRecord | null }
  | {
      readonly kind: 'offset';
      readonly group: string;
      readonly topic: string;
      readonly partition: number;
      readonly committed: CommittedOffset | null;
    };

/** What a log is made of: a record at its offset, or nothing where one was. */
export type TestLog = readonly (TestRecord | undefined)[];

/** A record of consumers who have so many partitions each of the topics; -1: nothing is assigned yet. */
export function groupRecord(
  generation: number,
  members: Readonly<Record<string, Record<string, number[]> | null>>,
): GroupRecord {
  return {
    protocolType: 'consumer',
    generation,
    protocol: 'range',
    leader: Object.keys(members)[0] ?? null,
    currentStateTimestamp: 1_000,
    members: Object.entries(members).map(([memberId, assigned]) => ({
      memberId,
      groupInstanceId: null,
      clientId: 'test',
      clientHost: '127.0.0.1',
      rebalanceTimeout: 1_000,
      sessionTimeout: 1_000,
      subscription: encodeSubscription({ topics: ['orders'], owned: [], generation }),
      assignment:
        assigned === null
          ? new Uint8Array(0)
          : encodeAssignment(
              Object.entries(assigned).flatMap(([topic, partitions]) =>
                partitions.map((partition) => ({ topic, partition })),
              ),
            ),
    })),
  };
}

/** An offset, as it is committed. */
export function committed(offset: number, metadata = ''): CommittedOffset {
  return { offset, leaderEpoch: -1, metadata, committedMs: 1_000, expiresMs: undefined, topicId: undefined };
}

/** A tree that is written to, or read from a log. */
export class TestTree {
  readonly groups = new Map<string, MutableTreeGroup>();
  readonly shared: TreeShared;
  readonly tree: ShardTree;

  constructor({
    logStart = 0,
    limits,
    snapshotNodes,
    shared,
  }: { logStart?: number; limits?: HistoryLimits; snapshotNodes?: number; shared?: TreeShared } = {}) {
    this.shared = shared ?? { history: new HistoryBudget(limits), snapshots: snapshotBudget(snapshotNodes) };
    this.tree = new ShardTree(this.groups, logStart, this.shared);
  }

  /** Reads a log, as a leader does that begins. */
  static load(log: TestLog, options: ConstructorParameters<typeof TestTree>[0] = {}): TestTree {
    const test = new TestTree(options);
    for (const [offset, record] of log.entries()) {
      if (record === undefined || offset < (options.logStart ?? 0)) continue;
      test.tree.reads(offset);
      test.#take(record, offset + 1);
    }
    test.tree.loaded(log.length);
    return test;
  }

  /** Records that are committed, one behind the other. */
  write(...records: TestRecord[]): void {
    for (const record of records) this.#take(record, this.tree.revision + 1);
  }

  #take(record: TestRecord, revision: number): void {
    let group = this.groups.get(record.group);
    if (group === undefined) {
      group = { id: record.group, stored: undefined, offsets: new CommittedOffsets() };
      this.groups.set(record.group, group);
    }
    if (record.kind === 'group') this.tree.storeGroup(group, record.record, revision);
    else this.tree.storeOffset(group, record, record.committed, revision);
  }

  /** All nodes, as text. */
  all(): Map<string, string> {
    const nodes = this.tree.nodes({ path: '/consumers', kind: 'recursive', group: undefined });
    return new Map(Array.from(nodes, (node) => [node.path, Buffer.from(node.data()).toString()]));
  }

  /** @param seen - the nodes that it knows; all that there are by default, where it begins now */
  watch(
    path: string,
    kind: TreeWatchKind,
    from: number | 'now' | 'lost' = 'now',
    seen: ReadonlyMap<string, string> = from === 'now' ? this.all() : new Map(),
  ): TestWatch {
    return new TestWatch(this.tree, { path, kind, from }, seen);
  }
}

/** A watch that keeps what it is told, and knows the nodes by that alone. */
export class TestWatch implements TreeWatchOutput {
  full = false;
  /** Takes so many messages, and then no more until it is pumped. */
  room = Number.POSITIVE_INFINITY;
  readonly batches: TreeBatch[] = [];
  refusal: Refusal | undefined;
  nodes = new Map<string, string>();
  readonly #tree: ShardTree;
  readonly #watch: TreeWatch;
  #resets = false;

  constructor(
    tree: ShardTree,
    {
      path,
      kind,
      from,
    }: { readonly path: string; readonly kind: TreeWatchKind; readonly from: number | 'now' | 'lost' },
    nodes: ReadonlyMap<string, string> = new Map(),
    room = Number.POSITIVE_INFINITY,
  ) {
    this.nodes = new Map(nodes);
    this.room = room;
    this.full = room === 0;
    this.#tree = tree;
    const [, , group] = path.split('/');
    const request = { path, kind, group: group === undefined ? undefined : decodeURIComponent(group) };
    this.#watch = tree.watches.start(request, this, from);
    tree.watches.pump(this.#watch);
  }

  /** What it was told, in words. */
  get told(): string[] {
    return this.batches.flatMap(({ events }) => events.map(({ kind, path }) => `${kind} ${path}`));
  }

  get wasReset(): boolean {
    return this.batches.some(({ reset }) => reset);
  }

  /** It has read all, and takes so many messages more. */
  pump(room = Number.POSITIVE_INFINITY): void {
    this.room = room;
    this.full = false;
    this.#tree.watches.pump(this.#watch);
  }

  stop(): void {
    this.#tree.watches.stop(this.#watch);
  }

  events(_watch: TreeWatch, batch: TreeBatch): void {
    this.batches.push(batch);
    this.#learn(batch);
    if (--this.room <= 0) this.full = true;
  }

  ended(_watch: TreeWatch, why: Refusal): void {
    this.refusal = why;
  }

  /** @throws Error when it is told what cannot be, as that a node is created that is there */
  #learn({ events, complete, reset }: TreeBatch): void {
    if (reset && !this.#resets) this.nodes = new Map();
    this.#resets = reset && !complete;
    for (const event of events) {
      const isThere = this.nodes.has(event.path);
      if (isThere !== (event.kind !== 'created'))
        throw new Error(`${event.path} is ${event.kind}, and is it there? ${isThere}`);
      if (event.kind !== 'deleted') this.nodes.set(event.path, Buffer.from(event.node.data()).toString());
      else this.nodes.delete(event.path);
    }
  }
}
