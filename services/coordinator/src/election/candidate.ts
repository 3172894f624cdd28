import { messageOf, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { sleep } from '@weir/base/clock.ts';
import { uuidFromRandom } from '@weir/base/ids.ts';
import { CLAIM_SEEN_MS, RETRY_BACKOFF_MS_MAX } from '@weir/base/limits.ts';
import type { World } from '@weir/runtime/world.ts';
import { staticConfigsOf } from '../controller/policy.ts';
import type { Policy } from '../controller/policy.ts';
import type { ClusterImage } from '../controller/image.ts';
import { Coordinator } from '../coordinator.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { NotActive, Office } from '../rpc/office.ts';
import { StoreFault } from '../store/metadata-store.ts';
import type { MetadataStore } from '../store/metadata-store.ts';
import { claim, evict, nameCluster } from './claim.ts';
import type { Claim } from './claim.ts';
import { HolderLink } from './holder-link.ts';
import { Replica } from './replica.ts';
import { FOR_LIFE, LeasedTenure } from './tenure.ts';
import type { Tenure } from './tenure.ts';

/** What a coordinator process is set up with. */
export interface CandidateOptions {
  readonly store: MetadataStore;
  /** Whether other processes may use the store: then the claim stands under a lease. */
  readonly isShared: boolean;
  readonly coordinatorId: number;
  /** host:port where others reach this process. */
  readonly address: string;
  readonly policy: Policy;
}

/** A claim that is this process's, with what keeps it. */
interface Won {
  readonly claim: Claim;
  readonly tenure: Tenure;
  /** Aborts when the lease has ended. */
  readonly lost: AbortSignal;
}

/**
 * One coordinator process, active or standing by: it loads, stands by, claims and leads, round and round. Deciding who is
 * active is the store's business; all that goes wrong here costs time.
 */
export class Candidate implements Office {
  readonly #options: CandidateOptions;
  readonly #world: World;
  readonly #metrics: CoordinatorMetrics;
  readonly #stop = new AbortController();
  #replica: Replica | undefined;
  /** From the moment on at which it has taken over. */
  #leading: Coordinator | undefined;
  #problem: string | undefined = 'starting';
  #isFirstLook = true;
  #running: Promise<void> | undefined;

  constructor(options: CandidateOptions, world: World, metrics: CoordinatorMetrics) {
    this.#options = options;
    this.#world = world;
    this.#metrics = metrics;
  }

  get active(): Coordinator | undefined {
    return this.#leading?.holds === true ? this.#leading : undefined;
  }

  /** What it knows: as the active one, or of the store as a standby; undefined while it loads. */
  get image(): ClusterImage | undefined {
    return this.#leading?.image ?? this.#replica?.image;
  }

  notActive(): NotActive {
    if (this.#stop.signal.aborted) return { ...STOPS, activeAddress: '' };
    const { coordinatorId } = this.#options;
    const holder = this.#leading === undefined ? this.#replica?.image.claim : undefined;
    const why =
      this.#leading !== undefined
        ? 'cannot confirm that it still is the active one'
        : holder === undefined
          ? 'stands by, and knows of no active one'
          : `stands by: coordinator ${holder.coordinatorId} at ${holder.address} is the active one`;
    const message = `coordinator ${coordinatorId} ${why}`;
    return { ...refusal('NOT_CONTROLLER', message), activeAddress: holder?.address ?? '' };
  }

  /** Why it is of no use, or undefined: a standby whose copy is complete is ready. */
  notReady(): string | undefined {
    if (this.#stop.signal.aborted) return 'stopping';
    if (this.#leading === undefined) return this.#problem;
    if (!this.#leading.holds) return 'the metadata store does not confirm the lease';
    return this.#leading.notReady();
  }

  /**
   * Begins; resolves once this process has taken over, or stands by for one that has.
   *
   * @throws Error (as a rejection) when the store makes no sense, or fails where no other process could do better
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      let hasStarted = false;
      const started = (): void => {
        hasStarted = true;
        resolve();
      };
      this.#running = this.#run(started).then(started, (error: unknown) => {
        if (hasStarted) this.#world.fatal(asError(error));
        else reject(asError(error));
      });
    });
  }

  /** Lets go of clients and of the office, in this order. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(started: () => void): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const replica = await this.#load();
      if (replica === undefined) return;
      this.#replica = replica;
      try {
        const won = await this.#standBy(replica, () => {
          this.#problem = undefined;
          started();
        });
        if (won !== undefined) await this.#lead(won, replica, started);
      } finally {
        replica.close();
        this.#replica = undefined;
        this.#problem ??= 'loads the metadata anew';
      }
      // Whatever it is that makes no sense may still be there.
      if (replica.isLost) await sleep(this.#world.clock, RETRY_BACKOFF_MS_MAX, signal);
    }
  }

  async #load(): Promise<Replica | undefined> {
    const { store, isShared, policy } = this.#options;
    const { clock, logger } = this.#world;
    const { signal } = this.#stop;
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        return await Replica.load({ store, staticConfigs: staticConfigsOf(policy), clock, logger }, signal);
      } catch (error) {
        if (!isShared || !isTransient(error)) throw error;
        if (tries === 0) logger.warn({ err: error }, `the metadata cannot be loaded: ${error.message}`);
        this.#problem = `the metadata cannot be loaded: ${error.message}`;
        await sleep(clock, RETRY_BACKOFF_MS_MAX, signal);
      }
    }
    return undefined;
  }

  /** @returns the claim, once it is this process's; undefined when the replica is lost or this process stops */
  async #standBy(replica: Replica, standsBy: () => void): Promise<Won | undefined> {
    const { signal } = this.#stop;
    while (!signal.aborted && !replica.isLost) {
      const holder = replica.image.claim;
      const isFirstLook = this.#isFirstLook;
      this.#isFirstLook = false;
      if (holder === undefined) {
        const won = await this.#claim(replica);
        if (won !== undefined) return won;
      } else if (this.#isNobody(holder, isFirstLook)) {
        await this.#evict(replica, holder);
      } else {
        standsBy();
        await this.#follow(replica, holder);
      }
    }
    return undefined;
  }

  /**
   * Whether the holder of a claim is none that lives, as far as can be told without asking it: no lease ends it, or it was
   * found at the start and names this process's address, which another one had before.
   */
  #isNobody(holder: Claim, isFirstLook: boolean): boolean {
    const { isShared, address } = this.#options;
    if (!isShared || holder.lease === undefined) return true;
    return isFirstLook && holder.address === address;
  }

  /** Waits for the end of a holder's claim, and brings it about when it is dead for certain. */
  async #follow(replica: Replica, holder: Claim): Promise<void> {
    const { logger } = this.#world;
    logger.info(
      { coordinator: holder.coordinatorId, address: holder.address, revision: replica.revision },
      `stands by for coordinator ${holder.coordinatorId} at ${holder.address}`,
    );
    const over = new AbortController();
    const link = new HolderLink(holder, this.#world, () => {
      logger.warn({ address: holder.address }, `coordinator ${holder.coordinatorId} is dead: nobody listens there`);
      over.abort();
    });
    const { signal } = this.#stop;
    await replica.until(() => replica.image.claim?.revision !== holder.revision, {
      signal: AbortSignal.any([signal, over.signal]),
    });
    link.close();
    if (over.signal.aborted && !signal.aborted) await this.#evict(replica, holder);
  }

  /** Takes a claim away, and waits for the replica to see it. */
  async #evict(replica: Replica, holder: Claim): Promise<void> {
    const { store, isShared } = this.#options;
    try {
      await evict(store, holder);
    } catch (error) {
      if (!isShared || !isTransient(error)) throw error;
      // Unknown: then the claim goes with its lease.
    }
    const isGone = (): boolean => replica.image.claim?.revision !== holder.revision;
    await replica.until(isGone, { timeoutMs: CLAIM_SEEN_MS, signal: this.#stop.signal });
  }

  /** Tries to get the office; undefined when somebody else was faster, or the store failed. */
  async #claim(replica: Replica): Promise<Won | undefined> {
    const { store, coordinatorId, address, isShared } = this.#options;
    const { clock, random } = this.#world;
    const lost = new AbortController();
    let tenure: Tenure = FOR_LIFE;
    try {
      if (isShared) tenure = await this.#beginTenure(lost);
      const incarnation = uuidFromRandom(random.bytes(16));
      const signal = AbortSignal.any([this.#stop.signal, lost.signal]);
      const claimed = await claim(
        store,
        { coordinatorId, incarnation, address },
        { lease: tenure.lease, clock, signal },
      );
      if (claimed?.incarnation === incarnation) return { claim: claimed, tenure, lost: lost.signal };
      await tenure.resign();
      // It is not known yet whose it is: the replica is a moment behind.
      const isSeen = (): boolean => claimed !== undefined && replica.revision >= claimed.revision;
      await replica.until(isSeen, { timeoutMs: CLAIM_SEEN_MS, signal: this.#stop.signal });
      return undefined;
    } catch (error) {
      if (!isShared || !isTransient(error)) throw error;
      this.#world.logger.warn({ err: error }, `no claim could be made: ${error.message}`);
      await sleep(clock, RETRY_BACKOFF_MS_MAX, this.#stop.signal);
      return undefined;
    }
  }

  #beginTenure(lost: AbortController): Promise<Tenure> {
    const { clock, logger } = this.#world;
    return LeasedTenure.begin({
      store: this.#options.store,
      clock,
      logger,
      fatal: (error) => this.#world.fatal(error),
      lost: () => lost.abort(),
    });
  }

  /** Leads until it is deposed, or stops. */
  async #lead(won: Won, replica: Replica, started: () => void): Promise<void> {
    const { signal } = this.#stop;
    const over = new AbortController();
    const untilOver = AbortSignal.any([signal, won.lost, over.signal]);
    try {
      const copy = await this.#caughtUp(won, replica, untilOver);
      if (copy === undefined) return;
      this.#replica = undefined;
      const coordinator = await this.#takeOver(won, copy, { deposed: () => over.abort(), signal: untilOver });
      if (coordinator === undefined) return;
      if (!untilOver.aborted) started();
      await aborted(untilOver);
      if (!signal.aborted)
        this.#world.logger.warn('deposed: another coordinator is active, or may be; this one stands by');
      await coordinator.stop(this.#leavesWith());
    } finally {
      this.#leading = undefined;
      const resigned = won.tenure.resign();
      // Whoever ends waits until others can take over; whoever was deposed has nothing to give up that others wait for.
      if (signal.aborted) await resigned;
      else resigned.catch((error: unknown) => this.#world.fatal(asError(error)));
    }
  }

  #leavesWith(): Refusal {
    if (this.#stop.signal.aborted) return STOPS;
    return refusal('NOT_CONTROLLER', `coordinator ${this.#options.coordinatorId} is not the active one any more`);
  }

  /** The copy, which now follows nobody, once it has seen this claim, and so all that came before it; else one that is read now. */
  async #caughtUp({ claim: { revision } }: Won, replica: Replica, signal: AbortSignal): Promise<Replica | undefined> {
    const hasSeen = await replica.until(() => replica.revision >= revision, { timeoutMs: CLAIM_SEEN_MS, signal });
    replica.close();
    if (hasSeen) return replica;
    if (signal.aborted) return undefined;
    this.#world.logger.warn(`the copy of the metadata is more than ${CLAIM_SEEN_MS} ms behind: it is read anew`);
    const loaded = await this.#load();
    loaded?.close();
    return loaded;
  }

  /** Makes the copy the truth, and finishes what an earlier coordinator left half done. */
  async #takeOver(
    { claim: claimed, tenure }: Won,
    { image, watches }: Replica,
    { deposed, signal }: { readonly deposed: () => void; readonly signal: AbortSignal },
  ): Promise<Coordinator | undefined> {
    const { store, policy } = this.#options;
    const { clock, logger } = this.#world;
    const beganMs = clock.monotonicMs();
    const clusterId = image.clusterId === '' ? await this.#nameCluster(claimed, signal) : image.clusterId;
    if (clusterId === undefined) return undefined;
    image.clusterId = clusterId;
    // One that was read anew may not have come to it.
    image.claim = claimed;
    const orphans = image.takeOrphans();
    const coordinator = new Coordinator(
      { store, image, watches, claim: claimed, tenure, policy, metrics: this.#metrics, deposed },
      this.#world,
    );
    // Sessions are counted from now on, and may be kept. What else is asked for waits behind what has to be finished first.
    this.#leading = coordinator;
    this.#problem = undefined;
    this.#metrics.takeOvers.inc();
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      coordinator.submit({ kind: 'reconcile', orphans, nowMs: clock.wallMs() }, () => resolve());
    });
    coordinator.namespace.sweep();
    const { topics, brokers, sessions, revision } = image;
    logger.info(
      {
        clusterId,
        revision,
        claim: claimed.revision,
        topics: topics.size,
        brokers: brokers.size,
        sessions: sessions.size,
        orphansRemoved: orphans.length,
        tookMs: Math.round(clock.monotonicMs() - beganMs),
      },
      `active for cluster ${clusterId} at revision ${revision}`,
    );
    return coordinator;
  }

  /** @returns undefined when it is no longer this claim that is the active one */
  async #nameCluster(claimed: Claim, signal: AbortSignal): Promise<string | undefined> {
    const { store, isShared } = this.#options;
    const { clock, random } = this.#world;
    const candidate = uuidFromRandom(random.bytes(16));
    while (!signal.aborted) {
      try {
        return await nameCluster(store, claimed, candidate);
      } catch (error) {
        if (!isShared || !isTransient(error)) throw error;
        await sleep(clock, RETRY_BACKOFF_MS_MAX, signal);
      }
    }
    return undefined;
  }
}

const STOPS = refusal('SHUTTING_DOWN', 'the coordinator stops; try again shortly');

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}

function isTransient(error: unknown): error is StoreFault {
  return error instanceof StoreFault && error.retriable;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
