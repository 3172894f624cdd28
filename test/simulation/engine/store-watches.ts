import { checkKey, StoreFault } from '@weir/coordinator/store/metadata-store.ts';
import type { Revised, Watch, WatchHandlers, WatchLoss, WatchRequest } from '@weir/coordinator/store/metadata-store.ts';
import type { MemoryStore } from '@weir/coordinator/store/memory-store.ts';
import type { Revision } from '@weir/base/ids.ts';
import type { Sometimes } from '../sometimes.ts';
import type { StoreSwarm } from '../swarm.ts';
import type { Chance } from './chance.ts';
import type { Ground, Process } from './process.ts';

/** A watch of a process. */
interface Watching {
  readonly process: Process;
  readonly request: WatchRequest;
  readonly handlers: WatchHandlers;
  /** The store has sent everything up to here. */
  position: Revision;
  /** Something is to be sent. */
  isDue: boolean;
  /** Its process hears nothing more. */
  isClosed: boolean;
}

/** For so long a watch may hear nothing, at most, while all else goes on. */
const STALL_MS_MAX = 8_000;

/**
 * The watches of the simulated store. What a revision did comes in one call and revisions in their order, and that is all
 * that is sure: it comes late, seconds late sometimes, or once more, and a watch whose position the store has forgotten
 * meanwhile is lost.
 */
export class StoreWatches {
  readonly #memory: MemoryStore;
  readonly #ground: Ground;
  readonly #chance: Chance;
  readonly #sometimes: Sometimes;
  readonly #swarm: () => StoreSwarm;
  readonly #isIsolated: (process: Process) => boolean;
  /** To which something may still be sent. */
  readonly #watching = new Set<Watching>();

  /** @param options.memory - tells its watchers at once */
  constructor(options: {
    readonly memory: MemoryStore;
    readonly ground: Ground;
    readonly chance: Chance;
    readonly sometimes: Sometimes;
    readonly swarm: () => StoreSwarm;
    readonly isIsolated: (process: Process) => boolean;
  }) {
    this.#memory = options.memory;
    this.#ground = options.ground;
    this.#chance = options.chance;
    this.#sometimes = options.sometimes;
    this.#swarm = options.swarm;
    this.#isIsolated = options.isIsolated;
  }

  open(process: Process, request: WatchRequest, handlers: WatchHandlers): Watch {
    checkKey(request.prefix);
    const watching: Watching = { process, request, handlers, position: request.after, isDue: false, isClosed: false };
    this.#watching.add(watching);
    this.#soon(watching);
    return { close: () => this.#close(watching) };
  }

  /** There is something to tell. */
  changed(): void {
    for (const watching of this.#watching) this.#soon(watching);
  }

  /** Ends those of a process without a word. */
  closeAll(process: Process): void {
    for (const watching of this.#watching) if (watching.process === process) this.#close(watching);
  }

  #close(watching: Watching): void {
    watching.isClosed = true;
    this.#watching.delete(watching);
  }

  #soon(watching: Watching): void {
    if (!watching.process.isAlive) this.#close(watching);
    if (watching.isDue || !this.#watching.has(watching)) return;
    watching.isDue = true;
    const { delayMaxMs, watchStallRate } = this.#swarm();
    const isStalled = this.#chance.happens(watchStallRate);
    const stallMs = isStalled ? this.#chance.between(0, STALL_MS_MAX) : 0;
    this.#ground.scheduler.in(this.#chance.between(0.1, delayMaxMs) + stallMs, () => {
      watching.isDue = false;
      this.#send(watching);
    });
  }

  /** Sends what came behind its position, all of it, or that nobody knows that any more. */
  #send(watching: Watching): void {
    const { process, request, handlers, position } = watching;
    // Who comes back to the store hears it then.
    if (!this.#watching.has(watching) || this.#isIsolated(process)) return;
    if (position !== this.#memory.revision && this.#chance.happens(this.#swarm().watchFaultRate)) {
      const fault = new StoreFault('the watch was refused', { retriable: false });
      return this.#lose(watching, { kind: 'fault', fault });
    }
    const sent: Revised[] = [];
    const reading = this.#memory.watch(
      { prefix: request.prefix, after: position },
      {
        revised: (revised) => {
          sent.push(revised);
          this.#tell(watching, () => handlers.revised(revised));
        },
        lost: (loss) => this.#lose(watching, loss),
      },
    );
    reading.close();
    watching.position = this.#memory.revision;
    if (sent.length > 0 && this.#chance.happens(this.#swarm().watchRepeatRate)) this.#repeat(watching, sent);
  }

  /** Tells again what was told, which the port promises not to do, and etcd has done. */
  #repeat(watching: Watching, sent: readonly Revised[]): void {
    const again = this.#chance.pick(sent);
    this.#sometimes.saw('a watch of the store told something twice');
    this.#tell(watching, () => watching.handlers.revised(again));
  }

  #lose(watching: Watching, loss: WatchLoss): void {
    this.#watching.delete(watching);
    const { process, handlers } = watching;
    this.#ground.trace.note(this.#ground.scheduler.nowMs, `a watch of ${process.name} is lost: ${loss.kind}`);
    if (loss.kind === 'compacted') this.#sometimes.saw('a watch of the store was lost to a compaction');
    this.#tell(watching, () => {
      watching.isClosed = true;
      handlers.lost(loss);
    });
  }

  #tell(watching: Watching, tell: () => void): void {
    watching.process.deliver(() => {
      if (!watching.isClosed) tell();
    });
  }
}
