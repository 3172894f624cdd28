import type { Cancel, Clock } from '@weir/base/clock.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { READY_FORCED_MS } from '@weir/base/limits.ts';
import type { ClusterImage, ImageChange } from '@weir/client/metadata/cluster-image.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { Partition } from './partition/partition.ts';
import type { DoubtfulReplica } from './partition/partitions-parts.ts';
import { Rejoining } from './rejoining.ts';

/** How far a broker is on its way to its clients. */
type Stage =
  | { readonly kind: 'recovering' }
  | { readonly kind: 'unregistered'; readonly why: string }
  | { readonly kind: 'joining'; readonly giveUp: Cancel }
  | { readonly kind: 'ready'; readonly forced: boolean }
  | { readonly kind: 'stopping' };

/** What it asks the partitions. */
export interface TakenUp {
  /** How many the metadata places here that are not taken up yet. */
  readonly toTakeUp: number;
  all(): Iterable<Pick<Partition, 'folder' | 'state'>>;
}

/** What readiness depends on. */
export interface ReadinessParts {
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Pick<Logger, 'warn'>;
  readonly brokerId: BrokerId;
  /** Undefined before the first registration. */
  readonly brokerEpoch: () => number | undefined;
  readonly partitions: () => TakenUp;
}

/**
 * Whether clients should come, and a rollout go on to the next broker: once this one is registered, has taken up what the
 * metadata places on it, and has been in sync with all of that since its start.
 *
 * Invariant: it is a latch. What happens later, to the coordinator, to other brokers or to partitions, changes nothing
 * until the stop, or a fault elsewhere would take away brokers that serve well. Only a drain does, which somebody asks for.
 */
export class Readiness {
  readonly #parts: ReadinessParts;
  #stage: Stage = { kind: 'recovering' };
  #image: ClusterImage | undefined;
  /** Of no use any more once all have rejoined. */
  #rejoining: Rejoining | undefined;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** Why its start is not over, or undefined: its logs are open and it is registered, or was. */
  get startProblem(): string | undefined {
    const { kind } = this.#stage;
    return kind === 'recovering' || kind === 'unregistered' ? this.problem : undefined;
  }

  /** Why clients should not come, or undefined. */
  get problem(): string | undefined {
    const stage = this.#stage;
    switch (stage.kind) {
      case 'recovering':
        return 'recovering';
      case 'unregistered':
        return stage.why;
      case 'joining': {
        const toTakeUp = this.#parts.partitions().toTakeUp;
        return toTakeUp > 0
          ? `taking up partitions: ${toTakeUp} to go`
          : `catching up: ${this.#toRejoin()} replicas have not been in sync since the start`;
      }
      case 'ready':
        return this.#isDraining ? 'draining' : undefined;
      case 'stopping':
        return 'stopping';
    }
  }

  /** Whether it is ready only because partitions kept it waiting for too long. */
  get forced(): boolean {
    return this.#stage.kind === 'ready' && this.#stage.forced;
  }

  /** The logs are open. Those that are damaged or missing are made anew, and not waited for. */
  recovered(doubtful: readonly DoubtfulReplica[]): void {
    this.#stage = { kind: 'unregistered', why: 'not registered with a coordinator yet' };
    const inRepair = doubtful.filter(({ doubt }) => doubt !== 'unsynced').map(({ key }) => key);
    this.#rejoining = new Rejoining(this.#parts.brokerId, inRepair);
  }

  /** A coordinator refuses the registration for now. */
  refused(why: string): void {
    if (this.#stage.kind === 'unregistered') this.#stage = { kind: 'unregistered', why: `not registered: ${why}` };
  }

  /** Registered, and told of the cluster: of the whole of it at first, which is work from then on. Before the partitions are. */
  told(image: ClusterImage, changes: readonly ImageChange[]): void {
    this.#image = image;
    this.#rejoining?.apply(image, changes, this.#parts.brokerEpoch() ?? -1);
    if (this.#stage.kind !== 'unregistered') return;
    this.#stage = { kind: 'joining', giveUp: this.#parts.clock.after(READY_FORCED_MS, () => this.#force()) };
  }

  /** All that the metadata places here is taken up, or a replica has gone offline: it may be ready now. */
  look(): void {
    const stage = this.#stage;
    if (stage.kind !== 'joining' && !this.forced) return;
    if (this.#parts.partitions().toTakeUp > 0 || this.#toRejoin() > 0) return;
    if (stage.kind === 'joining') stage.giveUp();
    this.#stage = { kind: 'ready', forced: false };
    this.#rejoining = undefined;
  }

  /** For good. */
  stop(): void {
    if (this.#stage.kind === 'joining') this.#stage.giveUp();
    this.#stage = { kind: 'stopping' };
  }

  get #isDraining(): boolean {
    return this.#image?.broker(this.#parts.brokerId)?.draining === true;
  }

  #force(): void {
    const minutes = READY_FORCED_MS / 60_000;
    this.#parts.logger.warn(
      `ready although after ${minutes} minutes ${this.#parts.partitions().toTakeUp} partitions are not taken up ` +
        `and ${this.#toRejoin()} replicas have not been in sync`,
    );
    this.#stage = { kind: 'ready', forced: true };
  }

  #toRejoin(): number {
    if (this.#rejoining === undefined || this.#image === undefined) return 0;
    const offline = new Set<string>();
    for (const { folder, state } of this.#parts.partitions().all()) if (state.kind === 'offline') offline.add(folder);
    return this.#rejoining.count(this.#image, (folder) => offline.has(folder));
  }
}
