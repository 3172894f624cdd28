/** How a send ended. `info`: nobody knows whether it was done, and it may still be. */
type SendOutcome = 'ok' | 'fail' | 'info';

/** One record that a producer sent. Its value is unique in the history. */
export interface Send {
  /** Of one producer: what it sends to a partition is to be stored in the order in which it was sent. */
  readonly producer: string;
  readonly partition: string;
  readonly value: string;
  /** Records of one batch have this in common: all of them are stored, or none is. */
  readonly batch: string;
  /** Undefined: it has none. */
  readonly key: string | undefined;
  readonly isTombstone: boolean;
  /** When it was sent, in the order of all that happened. */
  readonly invoked: number;
  /** When its producer was told; Infinity while it was told nothing. */
  completed: number;
  outcome: SendOutcome;
  /** Of `ok`: where it was stored, as its producer was told. */
  offset: number;
}

/** A record as somebody has read it. */
export interface SeenRecord {
  readonly offset: number;
  readonly value: string;
}

/** What a reader was given at once. */
export interface Poll {
  readonly reader: string;
  readonly partition: string;
  /** Where it wanted to read: behind the one before it, or wherever it has gone of its own will. */
  readonly from: number;
  readonly records: readonly SeenRecord[];
}

/** A reader was told that the offset at which it wanted to go on is not there. */
export interface LostPlace {
  readonly reader: string;
  readonly partition: string;
  readonly offset: number;
}

/** What clients did and were told, in one order. What no client was told is not in it. */
export class RecordHistory {
  readonly sends: Send[] = [];
  readonly polls: Poll[] = [];
  readonly lostPlaces: LostPlace[] = [];
  #next = 0;

  /** A record is about to be sent. */
  sent(
    send: Pick<Send, 'producer' | 'partition' | 'value' | 'batch'> & Partial<Pick<Send, 'key' | 'isTombstone'>>,
  ): Send {
    const sent: Send = {
      key: undefined,
      isTombstone: false,
      ...send,
      invoked: this.#next++,
      completed: Infinity,
      outcome: 'info',
      offset: -1,
    };
    this.sends.push(sent);
    return sent;
  }

  acknowledged(send: Send, offset: number): void {
    send.outcome = 'ok';
    send.offset = offset;
    send.completed = this.#next++;
  }

  /** It was refused, and is not stored for certain. */
  failed(send: Send): void {
    send.outcome = 'fail';
    send.completed = this.#next++;
  }

  polled(poll: Poll): void {
    this.polls.push(poll);
  }

  lostPlace(lost: LostPlace): void {
    this.lostPlaces.push(lost);
  }

  get acknowledgedCount(): number {
    return this.sends.reduce((count, { outcome }) => count + (outcome === 'ok' ? 1 : 0), 0);
  }
}
