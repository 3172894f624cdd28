import { expect, test } from 'vitest';
import { groupAnomaliesIn } from './group-anomalies.ts';
import type { EndOfGroups } from './group-anomalies.ts';
import type { MemberEvent, MemberHistory, TimedEvent } from './member-history.ts';

const PARTITION = 'records-0';
const RECORDS = 10;

/** A group of which every event comes a millisecond after the one before, whoever it happens to. */
class Story {
  readonly #events = new Map<string, TimedEvent[]>();
  readonly #instances = new Map<string, string>();
  #nowMs = 0;
  #commits = 0;

  /** These have one instance id. */
  static(instance: string, ...members: string[]): this {
    for (const member of members) this.#instances.set(member, instance);
    return this;
  }

  told(member: string, event: MemberEvent): this {
    const events = this.#events.get(member) ?? [];
    this.#events.set(member, events);
    events.push({ ...event, atMs: ++this.#nowMs });
    return this;
  }

  /** It has the partition in a generation. */
  owns(member: string, generation: number, partitions = [PARTITION]): this {
    this.told(member, { kind: 'generation', generation });
    return this.told(member, { kind: 'assigned', generation, partitions });
  }

  /** It is given records from … to, without the last one. */
  given(member: string, generation: number, from: number, to: number): this {
    const records = Array.from({ length: to - from }, (_, i) => ({ offset: from + i, value: `r${from + i}` }));
    return this.told(member, { kind: 'delivered', generation, partition: PARTITION, records });
  }

  /** It asks to commit; the number of the commit. */
  asks(member: string, generation: number, offset: number): number {
    const commit = ++this.#commits;
    this.told(member, { kind: 'commit', commit, generation, offsets: { [PARTITION]: offset } });
    return commit;
  }

  acknowledged(member: string, commit: number): this {
    return this.told(member, { kind: 'committed', commit });
  }

  refused(member: string, commit: number): this {
    return this.told(member, { kind: 'refused', commit, code: 'ILLEGAL_GENERATION' });
  }

  /** It commits, and that is acknowledged. */
  commits(member: string, generation: number, offset: number): this {
    return this.acknowledged(member, this.asks(member, generation, offset));
  }

  /** What is wrong with it. @param committed - in the end */
  kinds(committed: number, end: Partial<EndOfGroups> = {}): string[] {
    const members = [...this.#events].map(([member, events]): MemberHistory => {
      return { group: 'g', member, instance: this.#instances.get(member), events };
    });
    const known = new Map([[PARTITION, Array.from({ length: RECORDS }, (_, offset) => offset)]]);
    const inTheEnd = new Map([['g', new Map([[PARTITION, committed]])]]);
    return groupAnomaliesIn(members, { known, committed: inTheEnd, ...end }).map(({ kind }) => kind);
  }
}

/** The first owner has committed 4 of the 6 that it was given; the second one goes on there. */
function takenOver(): Story {
  return new Story().owns('a', 1).given('a', 1, 0, 6).commits('a', 1, 4).owns('b', 2).given('b', 2, 4, 8);
}

test('a partition that changes its owner with the generation, from what was committed, is fine', () => {
  expect(takenOver().commits('b', 2, 8).given('b', 2, 8, 10).commits('b', 2, 10).kinds(10)).toEqual([]);
});

test('two members with a partition in one generation are two owners', () => {
  expect(new Story().owns('a', 3).owns('b', 3).kinds(0)).toEqual(['two-owners']);
  expect(new Story().owns('a', 3).owns('b', 3, ['records-1']).kinds(0)).toEqual([]);
});

test('a member that keeps a partition over generations owns it in each of those in which it is given records', () => {
  const kept = new Story().owns('a', 1).given('a', 1, 0, 2).told('a', { kind: 'generation', generation: 2 });
  expect(kept.given('a', 2, 2, 4).kinds(0)).toEqual([]);
  expect(kept.told('b', { kind: 'assigned', generation: 2, partitions: [PARTITION] }).kinds(0)).toEqual(['two-owners']);
});

test('processes with one instance id are one owner', () => {
  expect(new Story().static('i', 'a', 'b').owns('a', 3).owns('b', 3).kinds(0)).toEqual([]);
});

test('records of a partition that was never assigned are seen', () => {
  expect(new Story().owns('a', 1, ['records-1']).given('a', 1, 0, 1).kinds(0)).toEqual(['unowned-delivery']);
});

test('a commit of an older generation is refused once a newer one is known; one that was asked for before may be in time', () => {
  expect(takenOver().commits('a', 1, 6).kinds(6)).toEqual(['stale-commit']);
  const inTime = new Story().owns('a', 1).given('a', 1, 0, 6);
  const commit = inTime.asks('a', 1, 6);
  expect(inTime.owns('b', 2).acknowledged('a', commit).kinds(6)).toEqual([]);
  const late = takenOver();
  expect(late.refused('a', late.asks('a', 1, 6)).kinds(4)).toEqual([]);
});

test('a static member whose place another process has commits nothing any more', () => {
  const first = (): Story => new Story().static('i', 'a', 'b').owns('a', 1).given('a', 1, 0, 6).commits('a', 1, 4);
  expect(first().owns('b', 1).commits('a', 1, 6).kinds(6)).toEqual(['fenced-commit']);
  // It has taken its place back.
  expect(first().owns('b', 1).owns('a', 2).commits('a', 2, 6).kinds(6)).toEqual([]);
});

test('who begins below what was acknowledged has lost a commit', () => {
  const began = (from: number): Story =>
    new Story().owns('a', 1).given('a', 1, 0, 6).commits('a', 1, 4).owns('b', 2).given('b', 2, from, 8);
  expect(began(4).kinds(4)).toEqual([]);
  expect(began(3).kinds(4)).toEqual(['lost-commit']);
});

test('a commit of which nobody knows what became may be where the next owner begins', () => {
  const story = new Story().owns('a', 1).given('a', 1, 0, 6);
  story.asks('a', 1, 3);
  story.commits('a', 1, 4).owns('b', 2).given('b', 2, 3, 8);
  expect(story.kinds(4)).toEqual([]);
  // But not over a generation.
  expect(story.commits('b', 2, 6).owns('c', 3).given('c', 3, 3, 8).kinds(6)).toEqual(['lost-commit']);
});

test('what is committed in the end is no less than what was acknowledged', () => {
  expect(takenOver().commits('b', 2, 8).kinds(7)).toEqual(['lost-commit']);
  expect(takenOver().kinds(4, { committed: new Map() })).toEqual(['lost-commit']);
});

test('a commit below one that was acknowledged before goes backward', () => {
  expect(takenOver().commits('b', 2, 8).commits('b', 2, 6).kinds(8)).toEqual(['backward-commit']);
});

test('who begins past everything that anybody has asked to commit has skipped records', () => {
  const story = (asked: number): Story => {
    const before = new Story().owns('a', 1).given('a', 1, 0, 6).commits('a', 1, 4);
    before.asks('a', 1, asked);
    return before.owns('b', 2).given('b', 2, 6, 8);
  };
  expect(story(6).kinds(4)).toEqual([]);
  expect(story(5).kinds(4)).toEqual(['skipped']);
  expect(new Story().owns('a', 1).given('a', 1, 1, 3).kinds(0)).toEqual(['skipped']);
});

test('an owner is given records in order, and all of them', () => {
  const given = (...parts: [number, number][]): string[] => {
    const story = new Story().owns('a', 1);
    for (const [from, to] of parts) story.given('a', 1, from, to);
    return story.kinds(0);
  };
  expect(given([0, 3], [3, 6])).toEqual([]);
  expect(given([0, 3], [2, 6])).toEqual(['out-of-order']);
  expect(given([0, 3], [4, 6])).toEqual(['out-of-order']);
});

test('nothing is committed that nobody in the group was given', () => {
  expect(new Story().owns('a', 1).given('a', 1, 0, 3).commits('a', 1, 4).kinds(4)).toEqual(['undelivered']);
  const early = new Story().owns('a', 1).given('a', 1, 0, 3).commits('a', 1, 6);
  expect(early.given('a', 1, 3, 6).kinds(6)).toEqual(['undelivered']);
});

test('where records may be lost only what a generation promises is judged', () => {
  const lost = takenOver().commits('a', 1, 6).commits('b', 2, 3);
  expect(lost.kinds(0, { mayLose: true })).toEqual(['stale-commit']);
});
