import { expect, test } from 'vitest';
import { brokerId, topicId } from '@weir/base/ids.ts';
import type { DrainProgress, WhyLed } from '@weir/client/administer-brokers.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { drainInWords, ledBy, movedSince } from './drain-report.ts';

const topic = (name: string, leaders: readonly number[]): TopicInfo => ({
  name,
  id: topicId('0a1b2c3d-0000-4000-8000-000000000001'),
  idBytes: new Uint8Array(16),
  partitions: leaders.map((leader, index) => ({
    index,
    leader: leader === -1 ? -1 : brokerId(leader),
    leaderEpoch: 1,
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    isrEpochs: [1, 1, 1],
    elr: [],
    partitionEpoch: 1,
    uncleanEpoch: -1,
  })),
  configs: {},
  messageBytesMax: 1_000_000,
});

const progress = (why: Partial<Record<WhyLed, number>>, values: Partial<DrainProgress> = {}): DrainProgress => {
  const led = Object.entries(why).flatMap(([reason, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic: reason, partition, why: reason as WhyLed })),
  );
  const awaitedCount = why.othersLag ?? 0;
  return { isDone: true, isKnownToBroker: true, ledCount: led.length, awaitedCount, led, ...values };
};

test('what a broker led and others lead now has moved, what is new to it has not', () => {
  const before = ledBy([topic('b', [1, 2, 1]), topic('a', [1, 1, 3])], 1);
  expect([...before]).toEqual(['b-0', 'b-2', 'a-0', 'a-1']);
  const now = [topic('b', [2, 2, -1]), topic('a', [3, 1, 1]), topic('c', [2])];
  expect(movedSince(before, now, 1)).toEqual([
    { topic: 'a', partition: 0, to: 3 },
    { topic: 'b', partition: 0, to: 2 },
    { topic: 'b', partition: 2, to: -1 },
  ]);
});

test('a drain of a broker with the only replicas says so plainly, and that it can be stopped', () => {
  const report = { broker: 1, ledBefore: 12, moved: [], progress: progress({ onlyReplica: 12 }) };
  expect(drainInWords(report)).toEqual([
    'broker 1 drains: it led 12 partitions, and none has moved',
    '12 partitions cannot move, and will be without a leader while it is away:',
    `  it has the only replica: ${Array.from({ length: 10 }, (_, i) => `onlyReplica-${i}`).join(', ')}, …`,
    'it can be stopped; "weir broker undrain 1" takes the drain back',
  ]);
});

test('what moved is counted by where it went', () => {
  const moved = [3, 2, 3].map((to, partition) => ({ topic: 'a', partition, to }));
  expect(drainInWords({ broker: 1, ledBefore: 3, moved, progress: progress({}) })).toEqual([
    'broker 1 drains: it led 3 partitions; moved: 1 partition to broker 2, 2 partitions to broker 3',
    'it can be stopped; "weir broker undrain 1" takes the drain back',
  ]);
  expect(drainInWords({ broker: 1, ledBefore: 0, moved: [], progress: progress({}) })[0]).toBe(
    'broker 1 drains: it led nothing',
  );
});

test('a drain whose time is over says what could still move, and what cannot', () => {
  const open = progress({ othersAway: 1, othersDrain: 1, othersLag: 2 }, { isDone: false, isKnownToBroker: false });
  expect(drainInWords({ broker: 1, ledBefore: 4, moved: [], progress: open })).toEqual([
    'broker 1 drains: it led 4 partitions, and none has moved',
    '2 partitions cannot move, and will be without a leader while it is away:',
    "  the other replicas' brokers are away: othersAway-0",
    "  the other replicas' brokers are away or drain as well: othersDrain-0",
    '2 partitions could still move, once another replica is in sync:',
    "  the other replicas' brokers are there and not in sync: othersLag-0, othersLag-1",
    'the broker has not said yet that it knows what it leads no more',
    'the time is over, and the drain goes on: "weir broker drain 1" waits for it again',
  ]);
});

test('more partitions than an answer names are counted all the same', () => {
  const many = progress({ onlyReplica: 10 }, { ledCount: 5_000 });
  const lines = drainInWords({ broker: 1, ledBefore: 5_000, moved: [], progress: many });
  expect(lines[1]).toBe('5,000 partitions cannot move, and will be without a leader while it is away:');
  expect(lines[2]).toMatch(/onlyReplica-9, …$/);
});
