import { FetchPlace, keyOf } from './fetch-place.ts';
import type { PlaceOwner, Wanted } from './fetch-place.ts';
import { lastOfEach } from './repeated.ts';

/** A fetch that is not answered yet. */
export interface FetchWaiter {
  /** There may be more at a place that was parked. */
  woke(place: FetchPlace): void;
  /** Its session goes on with another request: it is answered with nothing, at once. */
  supersede(): void;
}

/** What a request asks for, once its session is known. */
export interface FetchContext {
  /** 0: there is none. */
  readonly sessionId: number;
  /** How many partitions are wanted in all. */
  readonly size: number;
  /** The fetch that these are for; at most one at a time. */
  waiter: FetchWaiter | undefined;
  /**
   * The partitions that matter, in the order in which they are served. Of a session these are not those at whose end its
   * reader is, and knows so: a fetch costs what has changed, not what is subscribed to.
   */
  toLookAt(): readonly FetchPlace[];
  /** Parks those that were looked at and did not bring enough. */
  park(places: readonly FetchPlace[]): void;
  /**
   * Whether a partition is to be in the answer, which is sent now. A session's reader is only told what it does not know
   * yet; one that brought records goes to the end of the list, so that all have their turn.
   */
  tells(place: FetchPlace): boolean;
  /** The fetch is over. */
  leave(): void;
}

/** The partitions of a request without a session: all of them are in its answer. */
export class RequestContext implements FetchContext, PlaceOwner {
  readonly sessionId = 0;
  waiter: FetchWaiter | undefined;
  readonly #places: readonly FetchPlace[];

  constructor(wanted: readonly Wanted[]) {
    // So Kafka takes what a request repeats.
    this.#places = lastOfEach(wanted, keyOf).map((one) => new FetchPlace(one, this));
  }

  get size(): number {
    return this.#places.length;
  }

  toLookAt(): readonly FetchPlace[] {
    return this.#places;
  }

  park(places: readonly FetchPlace[]): void {
    for (const place of places) place.park();
  }

  tells(): boolean {
    return true;
  }

  leave(): void {
    this.waiter = undefined;
    for (const place of this.#places) place.leave();
  }

  woke(place: FetchPlace): void {
    this.waiter?.woke(place);
  }
}
