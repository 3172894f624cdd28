import type { TopicInfo } from './cluster-image.ts';

/** Why nobody answers for a partition, and who could: for a person to read. */
export function noLeaderMessage(topic: TopicInfo, partition: number): string {
  const replicas = topic.partitions[partition]?.replicas ?? [];
  const what = `partition ${partition} of "${topic.name}" has no leader`;
  if (replicas.length === 0) return what;
  const holders = replicas.length === 1 ? `broker ${replicas[0]}` : `brokers ${replicas.join(', ')}`;
  return `${what}: ${holders}, where its records are, ${replicas.length === 1 ? 'is' : 'are'} not there`;
}
