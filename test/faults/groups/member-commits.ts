import type { MemberHistory } from './member-history.ts';

/** A commit with its outcome. */
export interface MemberCommit {
  readonly member: MemberHistory;
  readonly generation: number;
  /** By partition. */
  readonly offsets: Readonly<Record<string, number>>;
  readonly invokedMs: number;
  /** Infinity: it was not acknowledged, and may have been stored all the same. */
  readonly acknowledgedMs: number;
  /** Why it was refused, once it was. */
  readonly refusal: string | undefined;
}

/** What one process asked to commit, in order. */
export function commitsOf(member: MemberHistory): MemberCommit[] {
  const acknowledgedMs = new Map<number, number>();
  const refusals = new Map<number, string>();
  for (const event of member.events) {
    if (event.kind === 'committed') acknowledgedMs.set(event.commit, event.atMs);
    if (event.kind === 'refused') refusals.set(event.commit, event.code);
  }
  return member.events.flatMap((event) => {
    if (event.kind !== 'commit') return [];
    const { commit, generation, offsets, atMs } = event;
    const outcome = { acknowledgedMs: acknowledgedMs.get(commit) ?? Infinity, refusal: refusals.get(commit) };
    return [{ member, generation, offsets, invokedMs: atMs, ...outcome }];
  });
}
