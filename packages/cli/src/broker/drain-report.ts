import type { DrainProgress, LedPartition, WhyLed } from '@weir/client/administer-brokers.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { counted } from '../table.ts';

/** A partition that a broker led, and who leads it now; -1: nobody. */
export interface MovedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly to: number;
}

/** What became of a drain, until it was done or the time was over. */
export interface DrainReport {
  readonly broker: number;
  /** Partitions that it led when the drain began. */
  readonly ledBefore: number;
  readonly moved: readonly MovedPartition[];
  readonly progress: DrainProgress;
}

/** The partitions that a broker leads, by name, as `topic-index`. */
export function ledBy(topics: readonly TopicInfo[], broker: number): ReadonlySet<string> {
  const led = new Set<string>();
  for (const { name, partitions } of topics) {
    for (const { index, leader } of partitions) if (leader === broker) led.add(`${name}-${index}`);
  }
  return led;
}

/** Those of `before` that somebody else leads now. */
export function movedSince(
  before: ReadonlySet<string>,
  topics: readonly TopicInfo[],
  broker: number,
): readonly MovedPartition[] {
  return topics
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, partitions }) =>
      partitions
        .filter(({ index, leader }) => leader !== broker && before.has(`${name}-${index}`))
        .map(({ index, leader }) => ({ topic: name, partition: index, to: leader })),
    );
}

/** So many partitions are named for each reason. */
const NAMED_MAX = 10;

/** A report for people, in lines. */
export function drainInWords(report: DrainReport): string[] {
  const { broker, ledBefore, moved, progress } = report;
  const { led, ledCount, awaitedCount, isDone, isKnownToBroker } = progress;
  const lines = [`broker ${broker} drains: ${movedInWords(ledBefore, moved)}`];
  const { othersLag: awaited = [], ...unavoidable } = Object.groupBy(led, ({ why }) => why);
  if (ledCount > awaitedCount) {
    const count = counted(ledCount - awaitedCount, 'partition');
    lines.push(`${count} cannot move, and will be without a leader while it is away:`);
    for (const partitions of Object.values(unavoidable)) lines.push(namedInWords(partitions, progress));
  }
  if (awaitedCount > 0) {
    lines.push(`${counted(awaitedCount, 'partition')} could still move, once another replica is in sync:`);
    lines.push(namedInWords(awaited, progress));
  }
  if (!isKnownToBroker) lines.push(`the broker has not said yet that it knows what it leads no more`);
  lines.push(
    isDone
      ? `it can be stopped; "weir broker undrain ${broker}" takes the drain back`
      : `the time is over, and the drain goes on: "weir broker drain ${broker}" waits for it again`,
  );
  return lines;
}

function movedInWords(ledBefore: number, moved: readonly MovedPartition[]): string {
  if (ledBefore === 0) return 'it led nothing';
  const led = `it led ${counted(ledBefore, 'partition')}`;
  if (moved.length === 0) return `${led}, and none has moved`;
  const byBroker = [...Map.groupBy(moved, ({ to }) => to)].toSorted(([a], [b]) => a - b);
  const where = byBroker.map(
    ([to, partitions]) => `${counted(partitions.length, 'partition')} ${to === -1 ? 'to nobody' : `to broker ${to}`}`,
  );
  return `${led}; moved: ${where.join(', ')}`;
}

/** Partitions of one reason. */
function namedInWords(partitions: readonly LedPartition[], { led, ledCount }: DrainProgress): string {
  const why = WHY[partitions[0]?.why ?? 'othersLag'];
  const names = partitions.slice(0, NAMED_MAX).map(({ topic, partition }) => `${topic}-${partition}`);
  const isCut = partitions.length > NAMED_MAX || led.length < ledCount;
  return `  ${why}: ${[...names, ...(isCut ? ['…'] : [])].join(', ')}`;
}

const WHY: Readonly<Record<WhyLed, string>> = {
  onlyReplica: 'it has the only replica',
  othersAway: "the other replicas' brokers are away",
  othersDrain: "the other replicas' brokers are away or drain as well",
  othersLag: "the other replicas' brokers are there and not in sync",
  unknown: 'for a reason that this version does not know',
};
