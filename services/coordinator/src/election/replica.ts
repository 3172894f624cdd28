import { assert } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import { revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { HISTORY_READ_MS, HISTORY_REVISIONS_READ } from '@weir/base/limits.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { ClusterImage } from '../controller/image.ts';
import { SystemChanges } from '../namespace/system-changes.ts';
import { SystemView } from '../namespace/system-view.ts';
import { namespaceWatches } from '../namespace/watches.ts';
import type { NamespaceWatches } from '../namespace/watches.ts';
import { changesOf } from '../store/changes-of.ts';
import { imageOf } from '../store/load-image.ts';
import { CompactedError, readAll, readAllAt } from '../store/metadata-store.ts';
import type { MetadataStore, Revised, Watch, WatchLoss } from '../store/metadata-store.ts';
import { KEYS } from '../store/records.ts';
import { claimOf, clusterIdOf } from './claim.ts';

/** What a replica is made with. */
export interface ReplicaOptions {
  readonly store: MetadataStore;
  readonly staticConfigs: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
}

/**
 * A copy of the image that follows the store, for as long as it can: a transaction at a time, as the coordinator that wrote
 * it took it in, with the history that watches of the namespace go on from.
 */
export class Replica {
  readonly image: ClusterImage;
  readonly watches: NamespaceWatches;
  readonly #view: SystemView;
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #listeners = new Set<() => void>();
  #watch: Watch | undefined;
  #revision: Revision;
  #state: 'follows' | 'lost' | 'closed' = 'follows';

  /**
   * Reads everything as it was a while ago, where the store has that, and follows from there, so that watches can resume
   * from what came since; else as it is now.
   *
   * @throws StoreFault (as a rejection) when the store fails
   * @throws Error (as a rejection) that names a key when the store makes no sense
   */
  static async load(options: ReplicaOptions, signal: AbortSignal): Promise<Replica> {
    const { store } = options;
    const { items, revision: newest } = await store.range({ prefix: KEYS.lastChange });
    const earlier = await readEarlier(store, newest);
    if (earlier !== undefined) {
      const replica = Replica.#follow(earlier, options);
      const lastChange = items[0]?.modRevision ?? 0;
      const isHere = await replica.until(() => replica.#revision >= lastChange, { timeoutMs: HISTORY_READ_MS, signal });
      if (isHere) return replica;
      replica.close();
    }
    return Replica.#follow(await readAll(store, '/'), options);
  }

  static #follow(read: Read, options: ReplicaOptions): Replica {
    const replica = new Replica(imageOf(read, options.staticConfigs), options);
    replica.#watch = options.store.watch(
      { prefix: '/', after: read.revision },
      { revised: (revised) => replica.#take(revised), lost: (loss) => replica.#lose(lossInWords(loss)) },
    );
    return replica;
  }

  private constructor(image: ClusterImage, { clock, logger }: ReplicaOptions) {
    this.image = image;
    this.watches = namespaceWatches(image);
    this.#view = new SystemView(image);
    this.#revision = image.revision;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The newest revision that it has seen, of whatever keys. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Whether it is no copy any more: to be thrown away. */
  get isLost(): boolean {
    return this.#state === 'lost';
  }

  /**
   * Waits for what a condition asks of it.
   *
   * @returns whether it came to be before the time was over, the replica was lost or `signal` has aborted
   */
  until(
    condition: () => boolean,
    { timeoutMs, signal }: { readonly timeoutMs?: number; readonly signal: AbortSignal },
  ): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel?.();
        this.#listeners.delete(look);
        signal.removeEventListener('abort', done);
        resolve(this.#state === 'follows' && !signal.aborted && condition());
      };
      const look = (): void => {
        if (this.#state !== 'follows' || condition()) done();
      };
      const cancel = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, done);
      if (signal.aborted) return done();
      signal.addEventListener('abort', done, { once: true });
      this.#listeners.add(look);
      look();
    });
  }

  /** Follows no longer. */
  close(): void {
    this.#watch?.close();
    if (this.#state === 'follows') this.#state = 'closed';
    this.#tell();
  }

  #take(revised: Revised): void {
    // Told once more, which watches of etcd have done: the older of two states must not come last (rule 14 in docs/INVARIANTS.md).
    if (this.#state !== 'follows' || revised.revision <= this.#revision) return;
    try {
      this.#apply(revised);
    } catch (error) {
      // It lacks something, or the watch has told it wrongly.
      return this.#lose(`what revision ${revised.revision} did makes no sense to it: ${messageOf(error)}`);
    }
    this.#tell();
  }

  #apply({ revision: at, events }: Revised): void {
    const { image } = this;
    const changes = changesOf(image, events);
    const system = new SystemChanges(this.#view, changes, OFFICE);
    let isTransaction = false;
    for (const event of events) {
      const key = event.kind === 'put' ? event.item.key : event.key;
      if (key === KEYS.lastChange) isTransaction = true;
      else if (key === KEYS.controller) image.claim = event.kind === 'put' ? claimOf(event.item) : undefined;
      else if (key === KEYS.cluster && event.kind === 'put') image.clusterId = clusterIdOf(event.item);
    }
    assert(isTransaction || changes.length === 0, 'no coordinator writes so');
    if (isTransaction) this.watches.users.publish(at, image.apply(changes, at));
    else image.loadedAt(at, image.lastChange);
    this.watches.system.publish(at, system.events(changes));
    this.#revision = at;
  }

  #lose(why: string): void {
    if (this.#state !== 'follows') return;
    this.#state = 'lost';
    this.#watch?.close();
    this.#logger.warn(`the copy of the metadata is loaded anew: ${why}`);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

type Read = Awaited<ReturnType<typeof readAll>>;

/** Everything as it was as long ago as the store has it, within HISTORY_REVISIONS_READ; undefined when it has nothing older. */
async function readEarlier(store: MetadataStore, newest: Revision): Promise<Read | undefined> {
  for (let back = HISTORY_REVISIONS_READ; back >= 1; back = Math.floor(back / 4)) {
    const at = revision(Math.max(1, newest - back));
    if (at >= newest) return undefined;
    try {
      return await readAllAt(store, '/', at);
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
    }
  }
  return undefined;
}

/** A claim comes and goes with no change of the metadata. */
const OFFICE = ['/controller'];

function lossInWords(loss: WatchLoss): string {
  switch (loss.kind) {
    case 'compacted':
      return 'the store has forgotten changes that it had not seen';
    case 'rewound':
      return 'the store is older than it was';
    case 'fault':
      return loss.fault.message;
  }
}
