import { OFFSETS_FORGOTTEN_TOGETHER_MAX } from '@weir/base/group-limits.ts';
import type { CommittedOffset, TopicPartition } from './committed-offsets.ts';
import type { GroupShard, HeldGroup } from './group-shard.ts';

/**
 * Deletes offsets that nobody has used for the time that they are kept, and groups without members of which nothing is left, as Kafka
 * does (KIP-211).
 */
export function expireOffsets(shard: GroupShard, nowMs: number, retentionMs: number): void {
  for (const group of shard.groups()) {
    const expired: TopicPartition[] = [];
    for (const { topic, partition, committed } of group.offsets) {
      if (isExpired(group, topic, { committed, nowMs, retentionMs })) expired.push({ topic, partition });
    }
    const isLeft =
      group.classic.state === 'Empty' && group.offsets.size === expired.length && group.committing.size === 0;
    // It takes its offsets with it, in one write: of one that has too many for that, those go first.
    const isSmall = expired.length <= OFFSETS_FORGOTTEN_TOGETHER_MAX;
    if (isLeft && isSmall && !group.classic.isSimple)
      shard.ask(group.id, (classic, now) => classic.delete(() => {}, now));
    else forget(shard, group, expired);
  }
}

/** Deletes what groups have committed of a topic that is gone: one of the same name is another one. */
export function forgetTopic(shard: GroupShard, topic: string): void {
  for (const group of shard.groups()) {
    const gone = group.offsets.partitionsOf(topic).map((partition) => ({ topic, partition }));
    forget(shard, group, gone);
  }
}

function forget(shard: GroupShard, group: HeldGroup, places: readonly TopicPartition[]): void {
  for (let first = 0; first < places.length; first += OFFSETS_FORGOTTEN_TOGETHER_MAX) {
    const some = places.slice(first, first + OFFSETS_FORGOTTEN_TOGETHER_MAX);
    const gone = some.map((place) => ({ ...place, committed: null }));
    // When it fails the next look finds them again.
    shard.commit(group.id, gone, () => {});
  }
}

function isExpired(
  group: HeldGroup,
  topic: string,
  {
    committed,
    nowMs,
    retentionMs,
  }: { readonly committed: CommittedOffset; readonly nowMs: number; readonly retentionMs: number },
): boolean {
  if (committed.expiresMs !== undefined) return nowMs >= committed.expiresMs;
  const retention = group.classic.retentionOf(topic);
  switch (retention.from) {
    case 'never':
      return false;
    case 'commit':
      return nowMs - committed.committedMs >= retentionMs;
    case 'emptied':
      return nowMs - Math.max(retention.ms, committed.committedMs) >= retentionMs;
  }
}
