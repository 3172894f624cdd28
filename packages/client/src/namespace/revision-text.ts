import type { RevisionLog, WatchOptions } from './watch-link.ts';

/** Nobody has led a log a billion times. */
const TEXT = /^(?:(\d{1,9})-)?(\d{1,15})$/;

/**
 * A revision as one word, from which a watch can go on: a number, and below /consumers EPOCH-NUMBER with the leader epoch in which it was
 * told.
 */
export function revisionText(revision: number, log: Pick<RevisionLog, 'leaderEpoch'> | undefined): string {
  return log === undefined ? String(revision) : `${log.leaderEpoch}-${revision}`;
}

/** What such a word says; undefined when it is none. */
export function revisionOf(
  text: string,
): { readonly revision: number; readonly options: Pick<WatchOptions, 'fromEpoch'> } | undefined {
  const [, epoch, revision] = TEXT.exec(text) ?? [];
  if (revision === undefined) return undefined;
  return { revision: Number(revision), options: epoch === undefined ? {} : { fromEpoch: Number(epoch) } };
}

/** The same as JSON. */
export function revisionJson(
  revision: number,
  log: (Pick<RevisionLog, 'leaderEpoch'> & { readonly partition?: number; readonly reset?: boolean }) | undefined,
): { revision: number; leader_epoch?: number; partition?: number; reset?: true } {
  if (log === undefined) return { revision };
  const { leaderEpoch, partition, reset = false } = log;
  return {
    revision,
    leader_epoch: leaderEpoch,
    ...(partition === undefined ? {} : { partition }),
    ...(reset ? { reset } : {}),
  };
}
