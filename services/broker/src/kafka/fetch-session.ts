import type { FetchRequest } from '@weir/kafka/apis/fetch.ts';
import type { FetchContext, FetchWaiter } from './fetch-context.ts';
import { FetchPlace, keyOf, UNTOLD, wantedOf } from './fetch-place.ts';
import type { PlaceOwner, Wanted } from './fetch-place.ts';

/**
 * What a session remembers between its requests: the partitions, what its reader was told of each, and which of them it
 * need not look at.
 *
 * Invariant: a place that is not open is parked, at the end of what there is, and its reader knows all of it.
 */
export class FetchSession implements FetchContext, PlaceOwner {
  readonly sessionId: number;
  waiter: FetchWaiter | undefined;
  epoch = 1;
  usedMs: number;
  readonly #places = new Map<string, FetchPlace>();
  /** Those that are to be looked at. */
  readonly #open = new Set<FetchPlace>();
  #nextTurn = 0;
  #isClosed = false;

  constructor(sessionId: number, nowMs: number, wanted: readonly Wanted[]) {
    this.sessionId = sessionId;
    this.usedMs = nowMs;
    for (const one of wanted) this.#want(one);
  }

  get size(): number {
    return this.#places.size;
  }

  /** Goes on with what a request changes. One that is not answered yet has nothing to wait for any more. */
  change(request: FetchRequest): void {
    this.waiter?.supersede();
    for (const one of wantedOf(request)) this.#want(one);
    for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
      for (const partition of partitions) this.#forget(keyOf({ topic, topicId, partition }));
    }
  }

  /** Whether a request names its topics otherwise than the session does. */
  mixesNamesAndIds({ topics, forgottenTopicsData }: FetchRequest): boolean {
    const [first] = this.#places.values();
    if (first === undefined) return false;
    const isNamed = first.wanted.topic !== '';
    return [...topics, ...forgottenTopicsData].some(({ topic }) => (topic !== '') !== isNamed);
  }

  /** Nobody goes on with it; a fetch that is not answered yet is answered from it all the same. */
  close(): void {
    this.#isClosed = true;
    if (this.waiter === undefined) this.#leaveAll();
  }

  toLookAt(): readonly FetchPlace[] {
    const places = [...this.#open];
    return places.length < 2 ? places : places.toSorted((a, b) => a.turn - b.turn);
  }

  park(places: readonly FetchPlace[]): void {
    for (const place of places) this.#park(place);
  }

  tells(place: FetchPlace): boolean {
    const { found } = place;
    if (found?.kind !== 'served') {
      // An error is told again and again, until it is none any more.
      place.toldHighWatermark = UNTOLD;
      place.toldLogStart = UNTOLD;
      return true;
    }
    const isNews = !place.isKnown;
    place.toldHighWatermark = found.partition.highWatermark;
    place.toldLogStart = found.partition.logStartOffset;
    if (found.bytes > 0) {
      place.turn = this.#nextTurn++;
      return true;
    }
    this.#park(place);
    return isNews;
  }

  leave(): void {
    this.waiter = undefined;
    if (this.#isClosed) this.#leaveAll();
  }

  woke(place: FetchPlace): void {
    this.#open.add(place);
    this.waiter?.woke(place);
  }

  #park(place: FetchPlace): void {
    place.park();
    if (place.isQuiet && place.isKnown) this.#open.delete(place);
  }

  #want(wanted: Wanted): void {
    const key = keyOf(wanted);
    let place = this.#places.get(key);
    if (place === undefined) {
      place = new FetchPlace(wanted, this, this.#nextTurn++);
      this.#places.set(key, place);
    } else {
      place.want(wanted);
    }
    this.#open.add(place);
  }

  #forget(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#places.delete(key);
    this.#open.delete(place);
    place.leave();
  }

  #leaveAll(): void {
    for (const place of this.#places.values()) place.leave();
  }
}
