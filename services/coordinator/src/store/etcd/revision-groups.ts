import type { Revision } from '@weir/base/ids.ts';
import type { Revised, WatchEvent } from '../metadata-store.ts';
import { EtcdError } from './failure.ts';

/** An event with the revision that it is of. */
export interface RevisedEvent {
  readonly revision: Revision;
  readonly event: WatchEvent;
}

/**
 * Makes whole revisions of the events of one stream, which come in revision order, and in which an answer may be cut
 * anywhere into fragments. What was told already is left out.
 */
export class RevisionGroups {
  /** Everything up to here has been told. */
  #position: number;
  #open: { readonly revision: Revision; readonly events: WatchEvent[] } | undefined;

  constructor(position: number) {
    this.#position = position;
  }

  /**
   * The revisions that these events complete.
   *
   * @param isCut - the last revision may go on in the next fragment
   * @throws EtcdError when they are not in order: begin again where what was told ends
   */
  add(events: Iterable<RevisedEvent>, isCut: boolean): Revised[] {
    const whole: Revised[] = [];
    for (const { revision, event } of events) {
      if (revision <= this.#position) continue;
      if (this.#open !== undefined && this.#open.revision !== revision) whole.push(this.#close(this.#open));
      if (revision <= this.#position) {
        const message = `etcd told revision ${revision} behind ${this.#position}`;
        throw new EtcdError({ kind: 'unknown', message });
      }
      this.#open ??= { revision, events: [] };
      this.#open.events.push(event);
    }
    if (!isCut && this.#open !== undefined) whole.push(this.#close(this.#open));
    return whole;
  }

  #close(open: Revised): Revised {
    this.#position = open.revision;
    this.#open = undefined;
    return open;
  }
}
