import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import type { History, KeyWrite, Stored } from './history.ts';

type Change = 'created' | 'changed' | 'deleted';

/**
 * The namespace, held against the store: a node is there while its key is and, if it is ephemeral, its session's key. Watches
 * tell each change once and in order; no write is done twice; nobody reads what is older than what they were told before.
 */
export class TreeChecks {
  readonly #history: History;
  readonly #violated: (what: string) => void;
  /** What became of nodes, by revision and path. */
  readonly #changes = new Map<number, ReadonlyMap<string, Change>>();
  /** The data of all writes; each is written by one request. */
  readonly #written = new Map<string, number>();

  constructor(options: { readonly history: History; readonly violated: (what: string) => void }) {
    this.#history = options.history;
    this.#violated = options.violated;
  }

  applied(writes: readonly KeyWrite[]): void {
    const { revision } = this.#history;
    const changes = new Map<string, Change>();
    for (const { key, before, after } of writes) {
      if (key.startsWith('/nodes/')) this.#node(key.slice('/nodes'.length), { before, after, changes });
      if (key.startsWith('/client-sessions/') && after === undefined) {
        const owner = key.slice('/client-sessions/'.length);
        for (const [rest, value] of this.#history.under('/nodes/', revision - 1)) {
          if (value['owner'] === owner) changes.set(`/${rest}`, 'deleted');
        }
      }
    }
    if (changes.size > 0) this.#changes.set(revision, changes);
  }

  /** A client was told that a write is done. */
  written(path: string, { text, revision }: { readonly text: string; readonly revision: number }): void {
    const stored = this.#history.at(`/nodes${path}`, revision);
    if (stored?.['text'] !== text)
      this.#violated(`${path} was told to be ${text} at ${revision}: ${JSON.stringify(stored)}`);
  }

  /**
   * A client was told when a node was written last, 0 for one that is not there, as of a revision.
   *
   * @param leastRevision - the newest of which it had been told before it asked
   */
  read(
    path: string,
    {
      revision,
      modRevision,
      leastRevision,
    }: { readonly revision: number; readonly modRevision: number; readonly leastRevision: number },
  ): void {
    if (revision < leastRevision)
      this.#violated(`${path} was read at ${revision}, by who had been told of ${leastRevision}`);
    const isThere = this.#isThere(this.#history.at(`/nodes${path}`, revision), revision);
    const stored = isThere ? this.#history.writtenAt(`/nodes${path}`, revision) : 0;
    if (stored !== modRevision)
      this.#violated(`${path} was told to be of ${modRevision} at ${revision}: it was of ${stored}`);
  }

  /** When all is over: sessions are those that their clients have, and nothing is left of any other. */
  left(sessionIds: readonly string[]): string | undefined {
    const sessions = [...this.#history.under('/client-sessions/')].map(([id]) => id);
    const unknown = sessions.find((id) => !sessionIds.includes(id));
    if (unknown !== undefined) return `the client session ${unknown} lives, which nobody has`;
    for (const [rest, { owner }] of this.#history.under('/nodes/')) {
      if (owner !== undefined && !sessions.includes(owner as string)) return `node /${rest} has outlived its session`;
    }
    return undefined;
  }

  /** A watch of everything, from a revision on. */
  watch(started: number): TreeWatchCheck {
    return new TreeWatchCheck(started, (revision) => this.#changes.get(revision), this.#violated);
  }

  #node(
    path: string,
    { before, after, changes }: { before: Stored | undefined; after: Stored | undefined; changes: Map<string, Change> },
  ): void {
    const { revision } = this.#history;
    const was = this.#isThere(before, revision - 1);
    const is = this.#isThere(after, revision);
    if (is) changes.set(path, was ? 'changed' : 'created');
    else if (was) changes.set(path, 'deleted');
    const text = after?.['text'] as string | undefined;
    if (text === undefined || text === '') return;
    const earlier = this.#written.get(text);
    if (earlier !== undefined)
      this.#violated(`${text} was written at ${earlier}, and at ${revision} to ${path} once more`);
    this.#written.set(text, revision);
  }

  #isThere(value: Stored | undefined, revision: number): boolean {
    if (value === undefined) return false;
    const { owner } = value;
    return owner === undefined || this.#history.at(`/client-sessions/${owner}`, revision) !== undefined;
  }
}

/** One watch: what it tells is exactly what was done, for as long as it stands. */
export class TreeWatchCheck {
  readonly #changesAt: (revision: number) => ReadonlyMap<string, Change> | undefined;
  readonly #violated: (what: string) => void;
  #toldUpTo: number;

  constructor(
    started: number,
    changesAt: (revision: number) => ReadonlyMap<string, Change> | undefined,
    violated: (what: string) => void,
  ) {
    this.#toldUpTo = started;
    this.#changesAt = changesAt;
    this.#violated = violated;
  }

  events(revision: number, events: readonly TreeEvent[]): void {
    if (revision <= this.#toldUpTo) this.#violated(`a watch tells of revision ${revision} after ${this.#toldUpTo}`);
    this.progress(revision - 1);
    const told = events.map(({ kind, path }) => `${path} ${kind}`).toSorted();
    const done = [...(this.#changesAt(revision) ?? [])].map(([path, change]) => `${path} ${change}`).toSorted();
    if (told.join() !== done.join()) this.#violated(`a watch tells of ${revision}: [${told}], and it was [${done}]`);
    this.#toldUpTo = revision;
  }

  progress(revision: number): void {
    for (let missed = this.#toldUpTo + 1; missed <= revision; missed++) {
      if (this.#changesAt(missed) !== undefined) this.#violated(`a watch leaves out revision ${missed}`);
    }
    this.#toldUpTo = Math.max(this.#toldUpTo, revision);
  }
}
