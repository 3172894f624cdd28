import { openSync, readFileSync, writeSync } from 'node:fs';
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

/** What a member has written down so far. */
export function readMemberLog(path: string): TimedEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  // Behind the last line there is nothing, or what a killed one was about to write.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as TimedEvent);
}
