import type { Sample } from './samples.ts';

export const MINUTE_MS = 60_000;
/** A minute is over so much later than it ends: samples of different hosts do not come in the order of their times. */
export const GRACE_MS = 10_000;

/** What is told of a minute of a host. */
export interface Aggregate {
  readonly host: string;
  /** When it began, in milliseconds since 1970. */
  readonly minuteMs: number;
  readonly samples: number;
  readonly cpuSum: number;
  readonly cpuMin: number;
  readonly cpuMax: number;
}

/** What an aggregate is published under. */
export function keyOf({ host, minuteMs }: Pick<Aggregate, 'host' | 'minuteMs'>): string {
  return `${host} ${new Date(minuteMs).toISOString().slice(0, 16)}`;
}

/** How far the windows of a partition have come: all that whoever gets the partition next has to know. */
export interface Progress {
  /** Of the first sample whose minute is not over: from there on samples are needed again. */
  readonly offset: number;
  /** Minutes before this one are over, and published. */
  readonly openFromMs: number;
  /** Samples below this offset have been looked at. */
  readonly readTo: number;
}

type OpenWindow = { -readonly [Field in keyof Aggregate]: Aggregate[Field] } & { readonly firstOffset: number };

/**
 * The minutes of the hosts of one partition.
 *
 * A minute is published once, when it is over, and whole: whoever begins at `progress` comes to the same aggregates as
 * whoever was there before, to the last digit. So it does not matter how often, or by whom, one is published.
 */
export class MinuteWindows {
  /** By host and minute, in the order of their first samples. */
  readonly #open = new Map<string, OpenWindow>();
  #openFromMs: number;
  #readTo: number;
  #latestMs = 0;
  readonly #readBefore: number;
  /** Samples of minutes that were published before the partition came here. */
  replayed = 0;
  /** Samples that came more than GRACE_MS after their minute: they are in no aggregate. */
  late = 0;

  constructor(start: Progress = { offset: 0, openFromMs: 0, readTo: 0 }) {
    this.#openFromMs = start.openFromMs;
    this.#readBefore = start.readTo;
    this.#readTo = start.offset;
  }

  add({ host, atMs, cpu }: Sample, offset: number): void {
    this.#readTo = offset + 1;
    this.#latestMs = Math.max(this.#latestMs, atMs);
    const minuteMs = atMs - (atMs % MINUTE_MS);
    if (minuteMs < this.#openFromMs) {
      if (offset < this.#readBefore) this.replayed++;
      else this.late++;
      return;
    }
    const key = `${host} ${minuteMs}`;
    const window = this.#open.get(key);
    if (window === undefined) {
      const first = { samples: 1, cpuSum: cpu, cpuMin: cpu, cpuMax: cpu };
      this.#open.set(key, { host, minuteMs, ...first, firstOffset: offset });
      return;
    }
    window.samples++;
    window.cpuSum += cpu;
    window.cpuMin = Math.min(window.cpuMin, cpu);
    window.cpuMax = Math.max(window.cpuMax, cpu);
  }

  /** Those that are over by now; they are not there any more. */
  takeOver(): Aggregate[] {
    const overMs = this.#latestMs - GRACE_MS;
    this.#openFromMs = Math.max(this.#openFromMs, overMs - (overMs % MINUTE_MS));
    const over: Aggregate[] = [];
    for (const [key, { firstOffset: _, ...aggregate }] of this.#open) {
      if (aggregate.minuteMs >= this.#openFromMs) continue;
      over.push(aggregate);
      this.#open.delete(key);
    }
    return over;
  }

  get progress(): Progress {
    const [oldest] = this.#open.values();
    // What was looked at once is never new again, however often it is replayed.
    const readTo = Math.max(this.#readTo, this.#readBefore);
    return { offset: oldest?.firstOffset ?? this.#readTo, openFromMs: this.#openFromMs, readTo };
  }
}
