import { WeirError } from '@weir/base/errors.ts';
import type { Cancel } from '@weir/base/clock.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { RECONNECT_MS_MAX } from '@weir/base/limits.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import type { TopicInfo } from '../metadata/cluster-image.ts';
import type { LogRevision } from './consumer-node.ts';
import type { ConsumerPath } from './consumer-path.ts';
import { ConsumerWatch } from './consumer-watch.ts';
import type { ConsumerWatchHandlers, ConsumerWatchParts } from './consumer-watch.ts';
import { ConsumerWatchLink } from './consumer-watch-link.ts';
import type { NamespaceWatch, WatchHandlers, WatchOptions } from './watch-link.ts';

/** The watches of one client below /consumers, and its links to the brokers that answer for them. */
export class ConsumerWatches implements ConsumerWatchParts {
  readonly #parts: LeaderCallParts;
  readonly #findTopic: () => Promise<TopicInfo | undefined>;
  readonly #links = new Set<ConsumerWatchLink>();
  readonly #open = new Set<OpenWatch>();
  #stopListening: Cancel | undefined;
  /** As of the last change that mattered. */
  #leaders = '';

  /** @param findTopic - undefined: there is none for certain */
  constructor(parts: LeaderCallParts, findTopic: () => Promise<TopicInfo | undefined>) {
    this.#parts = parts;
    this.#findTopic = findTopic;
  }

  get world(): LeaderCallParts['world'] {
    return this.#parts.world;
  }

  watch(path: ConsumerPath, options: WatchOptions, handlers: WatchHandlers): NamespaceWatch {
    this.#stopListening ??= this.#parts.metadata.listen(() => this.#look());
    const open = new OpenWatch(this, path, options, {
      ...handlers,
      started: (revision, log) => handlers.started?.(revision, log),
      events: (revision, events, log) => handlers.events(revision, events, log),
      progress: (revision, log) => handlers.progress?.(revision, log),
      ended: (why) => {
        this.#open.delete(open);
        handlers.ended(why);
      },
    });
    this.#open.add(open);
    void open.begin(this.#findTopic);
    return {
      close: () => {
        this.#open.delete(open);
        open.close();
      },
    };
  }

  close(): void {
    this.#stopListening?.();
    for (const open of this.#open) open.close();
    this.#open.clear();
  }

  /** The metadata has changed, and perhaps who leads. */
  #look(): void {
    const leaders = this.topic?.partitions.map(({ index }) => this.leaderOf(index) ?? '').join() ?? '';
    if (leaders === this.#leaders) return;
    this.#leaders = leaders;
    for (const open of this.#open) open.look();
  }

  /** As it is known; undefined before there is one. */
  get topic(): TopicInfo | undefined {
    return this.#parts.metadata.image.topic(OFFSETS_TOPIC);
  }

  leaderOf(partition: number): string | undefined {
    return this.#parts.metadata.image.broker(this.topic?.partitions[partition]?.leader ?? -1)?.grpcAddress;
  }

  linkTo(address: string): ConsumerWatchLink {
    for (const link of this.#links) if (link.address === address && link.hasRoom) return link;
    const made = new ConsumerWatchLink(address, this.#parts, (link) => void this.#links.delete(link));
    this.#links.add(made);
    return made;
  }
}

/** A watch as its owner has it: over one log, or of /consumers itself over all of them. */
class OpenWatch {
  readonly #owner: ConsumerWatches;
  readonly #path: ConsumerPath;
  readonly #options: WatchOptions;
  readonly #handlers: Required<WatchHandlers>;
  #watches: readonly ConsumerWatch[] = [];
  /** Where it begins; undefined: with what comes from now on. */
  #next: LogRevision | undefined;
  /** There was no log when it began: it waits for one. */
  #awaitsTopic = false;
  #standing = 0;
  #isClosed = false;
  #cancelRetry: Cancel | undefined;

  constructor(owner: ConsumerWatches, path: ConsumerPath, options: WatchOptions, handlers: Required<WatchHandlers>) {
    this.#owner = owner;
    this.#path = path;
    this.#options = options;
    this.#handlers = handlers;
    const { from, fromEpoch = -1 } = options;
    // A revision is of one log. Of all of them it is told what there is.
    const revision = path.group === undefined ? ANEW : from;
    this.#next = from === undefined ? undefined : { leaderEpoch: fromEpoch, revision: revision! };
  }

  /** Begins once it is known whether there are groups at all. */
  async begin(findTopic: () => Promise<TopicInfo | undefined>): Promise<void> {
    try {
      const topic = await findTopic();
      if (this.#isClosed) return;
      if (topic === undefined) this.#waitForTopic();
      else this.#start(topic);
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      if (this.#isClosed) return;
      this.#owner.world.logger.debug({ err: error }, `${this.#path.path} is not watched yet: ${error.message}`);
      this.#cancelRetry = this.#owner.world.clock.after(RECONNECT_MS_MAX, () => void this.begin(findTopic));
    }
  }

  /** The metadata has changed. */
  look(): void {
    for (const watch of this.#watches) watch.look();
    const { topic } = this.#owner;
    if (!this.#awaitsTopic || topic === undefined) return;
    this.#awaitsTopic = false;
    this.#start(topic);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
  }

  /** Nothing is missed: what comes is all that there is. */
  #waitForTopic(): void {
    this.#awaitsTopic = true;
    this.#next ??= { leaderEpoch: -1, revision: 1 };
    this.#handlers.started(0, undefined);
    this.#standing = Number.NEGATIVE_INFINITY;
    this.look();
  }

  #start({ partitions: { length } }: TopicInfo): void {
    const { group } = this.#path;
    const partitions = group === undefined ? Array.from({ length }, (_, i) => i) : [partitionForGroup(group, length)];
    const handlers: ConsumerWatchHandlers = {
      started: (revision, log) => {
        if (++this.#standing < partitions.length) return;
        if (group === undefined) this.#handlers.started(0, undefined);
        else this.#handlers.started(revision, log);
      },
      events: (revision, events, log) => this.#handlers.events(revision, events, log),
      progress: (revision, log) => this.#handlers.progress(revision, log),
      ended: (why) => {
        if (this.#isClosed) return;
        this.close();
        this.#handlers.ended(why);
      },
    };
    const next = this.#next;
    const options = { ...this.#options, path: this.#path.path };
    this.#watches = partitions.map(
      (partition) => new ConsumerWatch(this.#owner, options, { partition, next }, handlers),
    );
  }
}

/** A revision that no log has got to: whoever begins there is told what there is. */
const ANEW = Number.MAX_SAFE_INTEGER;
