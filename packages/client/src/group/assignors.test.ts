import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placeOf } from './assignor.ts';
import type { Assignment, Subscriber, TopicPartition } from './assignor.ts';
import { encodeAssignment, encodeSubscription, readAssignment, readSubscription } from './consumer-messages.ts';
import { rangeAssignor } from './range-assignor.ts';
import { stickyAssignor } from './sticky-assignor.ts';

function subscriber(memberId: string, given: Partial<Subscriber> = {}): Subscriber {
  return { memberId, instanceId: undefined, topics: ['t'], owned: [], generation: -1, ...given };
}

/** Partitions of t, as "0,1". */
function gets(assignment: Assignment): Record<string, string> {
  return Object.fromEntries(
    [...assignment].map(([memberId, places]) => [
      memberId,
      places
        .map(({ topic, partition }) => (topic === 't' ? `${partition}` : `${topic}${partition}`))
        .toSorted()
        .join(),
    ]),
  );
}

function partitionsOf(topic: string, ...partitions: number[]): TopicPartition[] {
  return partitions.map((partition) => ({ topic, partition }));
}

test('range: each topic is shared out in order, the first members get one more, static ones come first', () => {
  const members = [subscriber('b', { topics: ['t', 'u'] }), subscriber('z', { instanceId: 'i' }), subscriber('a')];
  const counts = (topic: string): number => ({ t: 7, u: 1 })[topic] ?? 0;
  expect(gets(rangeAssignor.assign(members, counts))).toEqual({ z: '0,1,2', a: '3,4', b: '5,6,u0' });
});

test('range: more members than partitions, and a topic that is not there', () => {
  const members = [subscriber('a', { topics: ['t', 'none'] }), subscriber('b')];
  expect(gets(rangeAssignor.assign(members, (topic) => (topic === 't' ? 1 : 0)))).toEqual({ a: '0', b: '' });
});

test('sticky: who comes gets what its owner has given away, in two steps', () => {
  const a = subscriber('a', { owned: partitionsOf('t', 0, 1, 2, 3), generation: 1 });
  const first = stickyAssignor.assign([a, subscriber('b')], () => 4);
  expect(gets(first)).toEqual({ a: '0,1', b: '' });
  const second = stickyAssignor.assign([{ ...a, owned: first.get('a')!, generation: 2 }, subscriber('b')], () => 4);
  expect(gets(second)).toEqual({ a: '0,1', b: '2,3' });
});

test('sticky: what two say that they have goes on with whoever got it later, and with nobody when both did at once', () => {
  const owned = partitionsOf('t', 0);
  const at = (one: number, other: number): Record<string, string> =>
    gets(
      stickyAssignor.assign(
        [subscriber('a', { owned, generation: one }), subscriber('b', { owned, generation: other })],
        () => 1,
      ),
    );
  // The other one has to give it away first.
  expect(at(2, 3)).toEqual({ a: '', b: '' });
  expect(at(3, 3)).toEqual({ a: '', b: '' });
});

test('sticky: whoever owns what, in a few rounds all is given to one each, as evenly as subscriptions allow, and then nothing moves', () => {
  const topics = ['t', 'u', 'v'];
  const member = fc.record({
    topics: fc.subarray(topics, { minLength: 1 }),
    owned: fc.uniqueArray(fc.tuple(fc.constantFrom(...topics), fc.integer({ min: 0, max: 5 })), {
      selector: String,
      maxLength: 8,
    }),
    generation: fc.integer({ min: 1, max: 2 }),
  });
  fc.assert(
    fc.property(
      fc.array(member, { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 3, maxLength: 3 }),
      (drawn, sizes) => {
        const counts = (topic: string): number => sizes[topics.indexOf(topic)]!;
        const members = drawn.map(({ owned, ...rest }, i) =>
          subscriber(`m${i}`, { ...rest, owned: owned.map(([topic, partition]) => ({ topic, partition })) }),
        );
        const rounds = [stickyAssignor.assign(members, counts)];
        const nextRound = (): Assignment => {
          const last = rounds.at(-1)!;
          const next = members.map((one) => ({ ...one, owned: last.get(one.memberId)!, generation: 3 }));
          return stickyAssignor.assign(next, counts);
        };
        // Of what is out of balance for many subscriptions at once some moves later.
        const readable = topics.filter((topic) => members.some((one) => one.topics.includes(topic)));
        const total = readable.reduce((sum, topic) => sum + counts(topic), 0);
        while ([...rounds.at(-1)!.values()].flat().length < total && rounds.length < 8) rounds.push(nextRound());
        const last = rounds.at(-1)!;
        expect([...last.values()].flat()).toHaveLength(total);
        expect(gets(nextRound())).toEqual(gets(last));
        for (const assignment of rounds) {
          const given = [...assignment.values()].flat().map(placeOf);
          expect(new Set(given).size).toBe(given.length);
          for (const { memberId, topics: known } of members) {
            for (const { topic, partition } of assignment.get(memberId)!) {
              expect(known).toContain(topic);
              expect(partition).toBeLessThan(counts(topic));
            }
          }
        }
        // Nobody has two more than one who could read one of them.
        for (const { memberId } of members) {
          for (const { topic } of last.get(memberId)!) {
            for (const other of members.filter((one) => one.topics.includes(topic))) {
              expect(last.get(memberId)!.length - last.get(other.memberId)!.length).toBeLessThan(2);
            }
          }
        }
      },
    ),
  );
});

test('what members say and get is what Kafka’s consumers say and get', () => {
  const said = encodeSubscription({ topics: ['t', 'u'], owned: partitionsOf('t', 1, 2), generation: 7 });
  const who = { memberId: 'm', instanceId: 'i' };
  expect(readSubscription(who, said)).toEqual({
    ...who,
    topics: ['t', 'u'],
    owned: partitionsOf('t', 1, 2),
    generation: 7,
  });
  expect(readSubscription(who, Buffer.from('?'))).toMatchObject({ topics: [], owned: [] });
  const places = [...partitionsOf('t', 0, 3), ...partitionsOf('u', 1)];
  expect(readAssignment(encodeAssignment(places))).toEqual(places);
  expect(readAssignment(new Uint8Array())).toEqual([]);
});
