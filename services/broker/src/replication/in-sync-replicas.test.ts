import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import { ISR_UNTOLD_MS, REPLICA_LAG_TIME_MAX_MS } from '@weir/base/limits.ts';
import { InSyncReplicas } from './in-sync-replicas.ts';
import type { IsrMember, ProposalOutcome, ReplicaState } from './in-sync-replicas.ts';

const ME = 1;
const member = (broker: number): IsrMember => ({ broker, epoch: 100 + broker });
const anyone = (): boolean => true;

function stateOf(isr: readonly number[], partitionEpoch = 1, minInSync = 2): ReplicaState {
  return { partitionEpoch, replicas: [1, 2, 3], isr: isr.map(member), minInSync };
}

/** A leader of three replicas whose epoch began at offset 10, and its followers by their streams. */
class Leader {
  readonly replicas: InSyncReplicas;
  nowMs = 1_000;
  logEnd = 10;
  highWatermark = 10;
  readonly streams = new Map<number, object>();
  #subscription = 0n;

  constructor(state: ReplicaState) {
    this.replicas = new InSyncReplicas({ me: ME, epochStart: offset(10), nowMs: this.nowMs }, state);
  }

  get now() {
    return { ms: this.nowMs, logEnd: offset(this.logEnd) };
  }

  follows(broker: number, from: number, epoch = 100 + broker): this {
    const stream = {};
    this.streams.set(broker, stream);
    this.replicas.begins({ broker, epoch }, ++this.#subscription, stream, offset(from), this.now);
    return this;
  }

  has(broker: number, end: number, start = 0): boolean {
    const held = { logStart: offset(start), durableEnd: offset(end) };
    return this.replicas.moved(broker, this.streams.get(broker)!, held, this.now);
  }

  /** What may be committed when the leader's own disk has everything. */
  committable(): number | undefined {
    return this.replicas.committable(offset(this.logEnd));
  }

  propose(eligible = anyone): number[] | undefined {
    return this.replicas.propose(this.nowMs, offset(this.highWatermark), eligible)?.isr.map(({ broker }) => broker);
  }

  answered(outcome: ProposalOutcome, partitionEpoch = 1): boolean {
    return this.replicas.answered(partitionEpoch, outcome);
  }

  get maximal(): number[] {
    return this.replicas.maximalIsr.map(({ broker }) => broker).toSorted((a, b) => a - b);
  }
}

test('what every in-sync replica holds in this epoch is committed, and no more', () => {
  const leader = new Leader(stateOf([1, 2, 3]));
  leader.logEnd = 20;
  expect(leader.committable()).toBeUndefined();
  leader.follows(2, 15);
  // Replica 3 has said nothing in this epoch, whatever it may hold.
  expect(leader.committable()).toBeUndefined();
  leader.follows(3, 12);
  expect(leader.committable()).toBe(12);
  leader.has(3, 18);
  expect(leader.committable()).toBe(15);
  expect(leader.replicas.committable(offset(14))).toBe(14);
});

test('with fewer in sync than the minimum nothing more is committed', () => {
  const leader = new Leader(stateOf([1]));
  leader.logEnd = 20;
  expect(leader.committable()).toBeUndefined();
  leader.replicas.adopt(stateOf([1], 1, 1));
  expect(leader.committable()).toBe(20);
});

test('a follower under another registration than the one in the ISR does not count', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10, 999);
  expect(leader.committable()).toBeUndefined();
});

test('records are deleted once every in-sync replica has said so in this epoch, and none joins before it has deleted them', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10).follows(3, 10);
  leader.replicas.logStart = offset(5);
  expect(leader.replicas.deletedBelow).toBe(0);
  expect(leader.propose()).toBeUndefined();
  expect(leader.has(2, 10, 4)).toBe(true);
  expect(leader.replicas.deletedBelow).toBe(4);
  expect([leader.has(2, 10, 5), leader.has(2, 10, 5)]).toEqual([true, false]);
  expect(leader.replicas.deletedBelow).toBe(5);
  // Broker 3 counts from the moment that it is asked for.
  expect(leader.has(3, 10, 5)).toBe(true);
  expect(leader.propose()).toEqual([1, 2, 3]);
  expect(leader.replicas.deletedBelow).toBe(5);
  leader.follows(3, 10);
  expect(leader.replicas.deletedBelow).toBe(0);
  leader.follows(2, 10, 190);
  expect(leader.replicas.deletedBelow).toBe(-1);
});

test('a leader that is alone in sync has deleted for all; below the minimum nobody knows who may lead next', () => {
  expect(new Leader(stateOf([1], 1, 1)).replicas.deletedBelow).toBe(Infinity);
  expect(new Leader(stateOf([1])).replicas.deletedBelow).toBe(-1);
});

test('only the newest stream of a follower speaks for it', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10);
  leader.logEnd = 30;
  const old = leader.streams.get(2)!;
  leader.follows(2, 11);
  expect(leader.replicas.moved(2, old, { logStart: offset(0), durableEnd: offset(30) }, leader.now)).toBe(false);
  leader.replicas.ended(2, old);
  expect(leader.has(2, 25)).toBe(true);
  expect(leader.committable()).toBe(25);
});

test('a subscription that an older stream brings late does not take the place of the newest', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10);
  leader.logEnd = 30;
  const late = {};
  expect(leader.replicas.begins(member(2), 0n, late, offset(10), leader.now)).toBe(false);
  leader.replicas.ended(2, late);
  expect(leader.has(2, 25)).toBe(true);
});

test('one that resigns and is alone in sync goes on until it has taken somebody in', () => {
  const leader = new Leader(stateOf([1], 1, 1)).follows(2, 10);
  leader.replicas.resign();
  expect(leader.propose()).toEqual([1, 2]);
  leader.replicas.adopt(stateOf([1, 2], 2, 1));
  expect(leader.propose()).toEqual([2]);
});

test('a follower is asked for once it holds the high watermark and the start of the epoch', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10).follows(3, 9);
  leader.highWatermark = 5;
  leader.logEnd = 12;
  expect([leader.replicas.mayJoin(3, offset(5)), leader.propose()]).toEqual([false, undefined]);
  leader.has(2, 12);
  leader.has(3, 10);
  leader.highWatermark = 11;
  expect(leader.propose()).toBeUndefined();
  leader.has(3, 11);
  expect(leader.replicas.mayJoin(3, offset(11))).toBe(true);
  expect(leader.propose(() => false)).toBeUndefined();
  expect(leader.propose()).toEqual([1, 2, 3]);
});

test('a member that follows from below what is committed is to leave at once, and comes back when it has that', () => {
  const leader = new Leader(stateOf([1, 2, 3])).follows(2, 10).follows(3, 10);
  leader.logEnd = 20;
  for (const broker of [2, 3]) leader.has(broker, 15);
  leader.highWatermark = 15;
  expect(leader.propose()).toBeUndefined();
  // Its disk is an older one, and says so only now.
  leader.follows(3, 14);
  expect([leader.replicas.lacks(3, offset(15)), leader.replicas.lacks(2, offset(15))]).toEqual([true, false]);
  expect(leader.propose()).toEqual([1, 2]);
  leader.replicas.adopt(stateOf([1, 2], 2));
  expect(leader.propose()).toBeUndefined();
  leader.has(3, 15);
  expect(leader.propose()).toEqual([1, 2, 3]);
});

test('a member under a new registration counts once it follows under that', () => {
  const leader = new Leader(stateOf([1, 2, 3])).follows(2, 10).follows(3, 10);
  leader.logEnd = 20;
  for (const broker of [2, 3]) leader.has(broker, 15);
  const anew = { ...stateOf([1, 2, 3], 2), isr: [member(1), member(2), { broker: 3, epoch: 999 }] };
  leader.replicas.adopt(anew);
  // What it had said it has still, and no more is committed before it says so itself.
  expect(leader.committable()).toBeUndefined();
  expect(leader.propose()).toBeUndefined();
  leader.follows(3, 17, 999);
  leader.has(2, 16);
  expect(leader.committable()).toBe(16);
});

test('who is proposed counts at once, and who is to leave counts until that is written', () => {
  const joins = new Leader(stateOf([1, 2])).follows(2, 10).follows(3, 10);
  joins.logEnd = 20;
  joins.has(2, 20);
  expect(joins.propose()).toEqual([1, 2, 3]);
  expect([joins.maximal, joins.committable()]).toEqual([[1, 2, 3], 10]);

  const leaves = new Leader(stateOf([1, 2, 3])).follows(2, 10);
  leaves.logEnd = 20;
  leaves.nowMs += REPLICA_LAG_TIME_MAX_MS + 1;
  leaves.has(2, 20);
  expect(leaves.propose()).toEqual([1, 2]);
  expect([leaves.maximal, leaves.committable()]).toEqual([[1, 2, 3], undefined]);
  leaves.answered('written');
  expect([leaves.maximal, leaves.propose()]).toEqual([[1, 2, 3], undefined]);
  leaves.replicas.adopt(stateOf([1, 2], 2));
  expect([leaves.maximal, leaves.committable()]).toEqual([[1, 2], 20]);
});

test('who keeps up is not behind, however long it idles and however fast its leader is', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10);
  for (let i = 0; i < 50; i++) {
    leader.nowMs += 1_000;
    leader.replicas.look(leader.now, 0);
    expect(leader.propose()).toBeUndefined();
  }
  // It has what there was a second ago, never all that there is.
  for (let i = 0; i < 50; i++) {
    leader.nowMs += 1_000;
    leader.logEnd += 100;
    leader.has(2, leader.logEnd - 50);
    leader.replicas.look(leader.now, 0);
    expect(leader.propose()).toBeUndefined();
  }
  leader.logEnd += 1;
  leader.nowMs += REPLICA_LAG_TIME_MAX_MS + 3_000;
  leader.replicas.look(leader.now, 0);
  expect(leader.propose()).toEqual([1]);
});

test('one whose stream is over falls behind though there is nothing new', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10);
  leader.replicas.ended(2, leader.streams.get(2)!);
  leader.nowMs += REPLICA_LAG_TIME_MAX_MS + 1;
  leader.replicas.look(leader.now, 0);
  expect(leader.propose()).toEqual([1]);
});

test('one that has fallen silent does not come back by the high watermark that stands still without it', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10);
  leader.logEnd = 20;
  leader.nowMs += REPLICA_LAG_TIME_MAX_MS + 1;
  expect(leader.propose()).toEqual([1]);
  leader.replicas.adopt(stateOf([1], 2));
  expect(leader.propose()).toBeUndefined();
  leader.has(2, 20);
  expect(leader.propose()).toEqual([1, 2]);
});

test('a pause of the leader is not held against its followers', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10);
  leader.logEnd = 20;
  leader.nowMs += 60_000;
  leader.replicas.look(leader.now, 59_000);
  expect(leader.propose()).toBeUndefined();
});

test('a refusal that was sent once is taken back; after an unknown outcome nothing is, before the metadata has moved', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10).follows(3, 10);
  leader.logEnd = 20;
  expect(leader.propose()).toEqual([1, 2, 3]);
  expect([leader.answered('refused'), leader.maximal]).toEqual([true, [1, 2]]);

  expect(leader.propose()).toEqual([1, 2, 3]);
  expect(leader.answered('unknown')).toBe(true);
  // The very same again.
  expect(leader.propose(() => false)).toEqual([1, 2, 3]);
  // Somebody may have got the first one yet: replica 3 is not let go by this refusal.
  expect([leader.answered('refused'), leader.maximal]).toEqual([true, [1, 2, 3]]);
  // What there is, once more: written, it leaves no room for the first one.
  expect(leader.propose(() => false)).toEqual([1, 2]);
  expect(leader.answered('written')).toBe(false);
  expect(leader.maximal).toEqual([1, 2, 3]);
  leader.replicas.adopt(stateOf([1, 2], 2));
  expect(leader.maximal).toEqual([1, 2]);
});

test('what nobody has got is as if it had not been asked', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10).follows(3, 10);
  leader.propose();
  expect([leader.answered('unsent'), leader.maximal]).toEqual([true, [1, 2]]);
  expect(leader.propose()).toEqual([1, 2, 3]);
});

test('an answer that comes after the metadata means nothing', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10).follows(3, 10);
  leader.propose();
  leader.replicas.adopt(stateOf([1, 2, 3], 2));
  expect(leader.answered('refused')).toBe(false);
  expect(leader.maximal).toEqual([1, 2, 3]);
});

test('metadata that does not come is asked for by the same proposal', () => {
  const leader = new Leader(stateOf([1, 2])).follows(2, 10).follows(3, 10);
  leader.propose();
  leader.answered('superseded');
  expect(leader.propose()).toBeUndefined();
  leader.nowMs += ISR_UNTOLD_MS;
  expect(leader.propose()).toEqual([1, 2, 3]);
});

test('whatever happens, everybody counts who is in sync or may come to be so by what was asked', () => {
  const brokers = fc.constantFrom(2, 3);
  const step = fc.oneof(
    fc.record({ kind: fc.constant('follows' as const), broker: brokers, from: fc.nat(15) }),
    fc.record({ kind: fc.constant('has' as const), broker: brokers, by: fc.nat(10) }),
    fc.record({ kind: fc.constant('appends' as const), count: fc.nat(5) }),
    fc.record({ kind: fc.constant('time' as const), ms: fc.nat(15_000) }),
    fc.record({ kind: fc.constant('asks' as const) }),
    fc.record({
      kind: fc.constant('answered' as const),
      outcome: fc.constantFrom<ProposalOutcome>('written', 'superseded', 'refused', 'unsent', 'unknown'),
    }),
    fc.record({ kind: fc.constant('commits' as const), which: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const leader = new Leader(stateOf([1, 2]));
      let committed = stateOf([1, 2]);
      /** At the present partition epoch: what a coordinator may write yet. */
      let possible: number[][] = [];
      let sent = 0;
      let isAsking = false;
      const held = new Map<number, number>();
      for (const next of steps) {
        if (next.kind === 'follows') {
          const from = Math.min(next.from, leader.logEnd);
          leader.follows(next.broker, from);
          held.set(next.broker, from);
        } else if (next.kind === 'has' && leader.streams.has(next.broker)) {
          const end = Math.min(leader.logEnd, held.get(next.broker)! + next.by);
          leader.has(next.broker, end);
          held.set(next.broker, end);
        } else if (next.kind === 'appends') {
          leader.logEnd += next.count;
        } else if (next.kind === 'time') {
          leader.nowMs += next.ms;
          leader.replicas.look(leader.now, 0);
        } else if (next.kind === 'asks') {
          const isr = leader.propose();
          if (isr === undefined) continue;
          possible.push(isr);
          sent++;
          isAsking = true;
        } else if (next.kind === 'answered') {
          const { outcome } = next;
          leader.answered(outcome, committed.partitionEpoch);
          // What was sent once and was refused, or was not sent, cannot be written any more.
          const isCertain = outcome === 'refused' || outcome === 'unsent';
          if (isAsking && sent === 1 && isCertain) {
            possible = [];
            sent = 0;
          }
          isAsking = false;
        } else if (next.kind === 'commits' && possible.length > 0) {
          const isr = possible[next.which % possible.length]!;
          committed = stateOf(isr, committed.partitionEpoch + 1);
          possible = [];
          sent = 0;
          isAsking = false;
          leader.replicas.adopt(committed);
        }
        const counting = new Set(leader.maximal);
        for (const { broker } of committed.isr) expect(counting.has(broker)).toBe(true);
        for (const isr of possible) for (const broker of isr) expect(counting.has(broker)).toBe(true);
        const end = leader.committable();
        if (end === undefined) continue;
        expect(committed.isr.length).toBeGreaterThanOrEqual(committed.minInSync);
        const others = leader.maximal.filter((broker) => broker !== ME);
        expect(Math.min(...others.map((broker) => held.get(broker)!))).toBeGreaterThanOrEqual(end);
        leader.highWatermark = Math.max(leader.highWatermark, end);
      }
    }),
    { numRuns: 2_000 },
  );
});
