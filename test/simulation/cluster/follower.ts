import { ERRORS, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Method } from '@weir/base/transport.ts';
import type { ClusterImage, ImageChange } from '@weir/client/metadata/cluster-image.ts';
import { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import type { SessionMember, SessionWelcome } from '@weir/client/metadata/coordinator-session.ts';
import type { ImageCheck } from '../checks/images.ts';
import { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { simulatedWorld } from './world.ts';

/** What a follower's owner wants to hear. */
export interface FollowerEvents {
  readonly changed?: (image: ClusterImage, changes: readonly ImageChange[]) => void;
  readonly welcomed?: (welcome: SessionWelcome) => void;
}

/** A process that follows the metadata with the client of the real ones; every step of its image is checked. */
export class Follower {
  readonly process: Process;
  readonly session: CoordinatorSession;
  readonly #parts: Parts;
  readonly #check: ImageCheck;
  #lastRefusal: Refusal['code'] | undefined;

  constructor(
    name: string,
    parts: Parts,
    options: { readonly coordinators: readonly string[]; readonly member: SessionMember },
    events: FollowerEvents = {},
  ) {
    this.#parts = parts;
    this.process = new Process(name, parts.ground);
    this.#check = parts.checks.imageOf(name);
    const { process } = this;
    const world = simulatedWorld(process, {
      network: parts.network,
      chance: parts.chanceFor(name),
      logged: ({ message }) => {
        // Whoever answers has the newest: see OfficeChecks.
        if (message.includes('older than what is known'))
          parts.ground.violated(`${name} was told what is older than what it knew`);
      },
      fatal: (error) => parts.ground.violated(`${name} ends: ${error.message}`),
    });
    this.session = new CoordinatorSession(options, world, {
      changed: (image, changes) => {
        this.#check.changed(image, changes);
        events.changed?.(image, changes);
      },
      welcomed: (welcome) => events.welcomed?.(welcome),
      fenced: (why) => this.#fenced(why),
      lost: () => {
        parts.sometimes.saw('a client took its session for lost');
        if (parts.swarm.isOrderly)
          parts.ground.violated(`${name} takes its session for lost, and all went well with it`);
      },
    });
    process.whenDead(() => parts.network.died(process));
  }

  /** The last code that a registration was refused with. */
  get lastRefusal(): Refusal['code'] | undefined {
    return this.#lastRefusal;
  }

  /** Compares the whole image with the store. */
  checkWhole(): void {
    this.#check.whole(this.session.image);
  }

  /** Asks the coordinator; undefined when it is not known what came of it, or when it was refused as a whole. */
  async ask<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response | undefined> {
    try {
      return await this.session.call(method, request);
    } catch (error) {
      if (!(error instanceof WeirError)) {
        this.#parts.ground.violated(`${this.process.name} was answered ${String(error)}`);
        return undefined;
      }
      if (error.code === 'UNKNOWN_SERVER_ERROR') this.#parts.ground.violated(`${this.process.name}: ${error.message}`);
      if (error.code === 'STALE_BROKER_EPOCH' && method.path.endsWith('/AllocateProducerIds'))
        this.#parts.sometimes.saw('a fenced broker was refused producer ids');
      if (error.code === 'REQUEST_TIMED_OUT' || error.code === 'COORDINATOR_UNAVAILABLE') {
        this.#parts.sometimes.saw('the outcome of a request stayed unknown to its client');
      }
      return undefined;
    }
  }

  #fenced(why: Refusal): void {
    this.#lastRefusal = why.code;
    if (!ERRORS[why.code].retriable)
      this.#parts.ground.violated(`${this.process.name} was refused for good: ${why.message}`);
  }
}
