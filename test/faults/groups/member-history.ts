import { existsSync, openSync, readSync, writeSync } from 'node:fs';
import type { SeenRecord } from '../../simulation/checks/record-history.ts';

/** What happened to a member of a group, or what it did. Partitions by `partitionName`. */
export type MemberEvent =
  /** It was told that this is its generation. */
  | { readonly kind: 'generation'; readonly generation: number }
  /** These are its own from now on, beside those that it has. */
  | { readonly kind: 'assigned'; readonly generation: number; readonly partitions: readonly string[] }
  /** These are its own no longer: it gave them away, or was told that they may be somebody else's. */
  | { readonly kind: 'ended'; readonly why: 'revoked' | 'lost'; readonly partitions: readonly string[] }
  /** It was given records of a partition, in this order. */
  | {
      readonly kind: 'delivered';
      readonly generation: number;
      readonly partition: string;
      readonly records: readonly SeenRecord[];
    }
  /** It is about to ask for a commit, by a number of its own. */
  | {
      readonly kind: 'commit';
      readonly commit: number;
      readonly generation: number;
      readonly offsets: Readonly<Record<string, number>>;
    }
  /** All of that commit was acknowledged. */
  | { readonly kind: 'committed'; readonly commit: number }
  /** At least a part of it was not: an earlier try of it may have been stored all the same. */
  | { readonly kind: 'refused'; readonly commit: number; readonly code: string }
  /** Another process has its place: it ends. */
  | { readonly kind: 'fenced' };

/** With the time of the machine's monotonic clock, which all of its processes share. */
export type TimedEvent = MemberEvent & { readonly atMs: number };

/** All that one process had to do with its group, in order. */
export interface MemberHistory {
  readonly group: string;
  /** Another one each time that it was started. */
  readonly member: string;
  /** Of a static member: whoever else has this takes its place. */
  readonly instance: string | undefined;
  readonly events: readonly TimedEvent[];
}

/** Milliseconds of the machine's monotonic clock: the same in all of its processes. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Where a member writes down what happens to it. What it has noted is there when it is killed right after. */
export class MemberLog {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  note(event: MemberEvent): void {
    writeSync(this.#file, `${JSON.stringify({ atMs: machineMs(), ...event })}\n`);
  }
}

/** What a member writes down, read as it grows. */
export class MemberLogReader {
  readonly #path: string;
  readonly #events: TimedEvent[] = [];
  #file: number | undefined;
  /** Behind the last line: the beginning of another one. */
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /** All of it so far. */
  read(): readonly TimedEvent[] {
    if (this.#file === undefined && !existsSync(this.#path)) return this.#events;
    this.#file ??= openSync(this.#path, 'r');
    const chunk = Buffer.alloc(READ_BYTES);
    for (let bytes = readSync(this.#file, chunk); bytes > 0; bytes = readSync(this.#file, chunk)) {
      this.#rest = Buffer.concat([this.#rest, chunk.subarray(0, bytes)]);
    }
    const end = this.#rest.lastIndexOf('\n') + 1;
    for (const line of this.#rest.toString('utf8', 0, end).split('\n').slice(0, -1)) {
      this.#events.push(JSON.parse(line) as TimedEvent);
    }
    this.#rest = this.#rest.subarray(end);
    return this.#events;
  }
}

const READ_BYTES = 64 * 1024;
