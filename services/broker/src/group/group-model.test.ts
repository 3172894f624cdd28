import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { GROUP_NEW_MEMBER_JOIN_MS } from '@weir/base/group-limits.ts';
import { REBALANCE_MS, SESSION_MS } from './test-group.ts';
import { GroupWorld } from './test-group-world.ts';
import type { Client } from './test-group-world.ts';

const CLIENTS = 4;

type Step =
  /** A client does what a consumer would do next. */
  | { kind: 'go'; client: number }
  /** It joins, whatever it waits for: it wants to, or lost the answer. */
  | { kind: 'join'; client: number; isChanged: boolean; isOld: boolean }
  | { kind: 'sync' | 'heartbeat' | 'commit' | 'restart' | 'die'; client: number }
  | { kind: 'leave'; client: number; byInstance: boolean }
  | { kind: 'stale'; client: number; by: number }
  | { kind: 'settle'; isStored: boolean }
  | { kind: 'pass'; ms: number }
  /** Clients send heartbeats, and do nothing about the answers. */
  | { kind: 'linger' }
  | { kind: 'reload'; isPendingStored: boolean }
  | { kind: 'delete' };

const client = fc.nat(CLIENTS - 1);
const isStored = fc.constantFrom(true, true, true, true, false);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('go' as const), client }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant('settle' as const), isStored }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('join' as const),
      client,
      isChanged: fc.boolean(),
      isOld: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('sync' as const, 'heartbeat' as const, 'commit' as const, 'restart' as const),
      client,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), client, byInstance: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('stale' as const), client, by: fc.constantFrom(-2, -1, 1) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 500, 3_000, 9_000, 31_000) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reload' as const), isPendingStored: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('die' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'linger' as const) }) },
);

test('whatever members do, and whatever becomes of records and coordinators, all is told once and after it is stored, and the group gets stable', () => {
  const seen: Record<string, number> = {};
  const options = fc.record({
    initialRebalanceDelayMs: fc.constantFrom(0, 3_000),
    membersMax: fc.constantFrom(100, 100, 100, 2),
    isBegun: fc.boolean(),
  });
  const check = fc.check(
    fc.property(options, fc.array(step, { minLength: 10, maxLength: 100, size: 'max' }), (given, steps) => {
      const world = new GroupWorld(given, CLIENTS);
      if (given.isBegun) begin(world);
      for (const one of steps) perform(world, one);
      converge(world, given.membersMax);
      for (const [what, count] of Object.entries(world.seen)) seen[what] = (seen[what] ?? 0) + count;
    }),
    { numRuns: RUNS },
  );
  if (check.failed) throw new Error(fc.defaultReportMessage(check), { cause: check.errorInstance });
  for (const what of SITUATIONS) expect(seen[what] ?? 0, what).toBeGreaterThan(0);
});

const RUNS = 500;

/** What has to be met, lest the property say nothing. */
const SITUATIONS = [
  'records stored',
  'records refused',
  'loads with a record on its way, stored',
  'loads with a record on its way, lost',
  'loads in Empty',
  'loads in CompletingRebalance',
  'loads in Stable',
  'leaders that are back',
  'leaves that wait',
  'deletions that wait',
  'groups deleted',
  'removed: its session timed out',
  'removed: it did not join',
  'removed: it joined and did not sync',
  'removed: it left',
  'joins: NONE',
  'joins: MEMBER_ID_REQUIRED',
  'joins: UNKNOWN_MEMBER_ID',
  'joins: FENCED_INSTANCE_ID',
  'joins: GROUP_MAX_SIZE_REACHED',
  'joins: COORDINATOR_NOT_AVAILABLE',
  'joins: NOT_COORDINATOR',
  'syncs: NONE',
  'syncs: REBALANCE_IN_PROGRESS',
  'syncs: COORDINATOR_NOT_AVAILABLE',
  'stale generations, told ILLEGAL_GENERATION',
];

function perform(world: GroupWorld, one: Step): void {
  const actor = 'client' in one ? world.clients[one.client]! : undefined;
  if (actor?.isAlive === false && one.kind !== 'restart') return;
  switch (one.kind) {
    case 'go':
      go(world, actor!);
      break;
    case 'join':
      if (one.isChanged) actor!.protocols = ['range', `sticky=${actor!.generation}`];
      world.join(actor!, one.isOld ? { needsMemberId: false, maySkipAssignment: false } : {});
      break;
    case 'sync':
      if (actor!.memberId !== '') world.sync(actor!);
      break;
    case 'heartbeat':
      if (actor!.memberId !== '') world.heartbeat(actor!);
      break;
    case 'commit':
      if (actor!.memberId !== '') world.commit(actor!);
      break;
    case 'restart':
      world.forget(actor!, false);
      break;
    case 'die':
      world.forget(actor!, true);
      break;
    case 'leave':
      world.leave(actor!, one.byInstance);
      break;
    case 'stale':
      world.sayStale(actor!, world.group.group.generation + one.by);
      break;
    case 'settle':
      world.settle(one.isStored);
      break;
    case 'pass':
      world.pass(one.ms);
      break;
    case 'linger':
      for (let ms = 0; ms < REBALANCE_MS + 3_000; ms += 3_000) {
        for (const each of world.clients) {
          if (each.isAlive && each.memberId !== '' && each.joining === undefined && each.syncing === undefined) {
            world.heartbeat(each);
          }
        }
        world.pass(3_000);
      }
      break;
    case 'reload':
      world.reload(one.isPendingStored);
      break;
    case 'delete':
      world.delete();
      break;
  }
  world.begin();
}

/** All but the one that says that it is another one have joined, and the group is stable. */
function begin(world: GroupWorld): void {
  for (let rounds = 0; rounds < 10; rounds++) {
    for (const actor of world.clients.slice(0, CLIENTS - 1)) go(world, actor);
    while (world.group.pending !== undefined) world.settle(true);
    world.pass(SESSION_MS / 4);
  }
}

/** What a consumer does next. */
function go(world: GroupWorld, actor: Client): void {
  if (actor.joining !== undefined || actor.syncing !== undefined) return;
  if (actor.assignment !== undefined) {
    const answer = world.heartbeat(actor);
    if (answer === 'NONE') return;
    if (answer === 'UNKNOWN_MEMBER_ID' || answer === 'FENCED_INSTANCE_ID') world.forget(actor, false);
    world.join(actor);
  } else if (actor.generation === -1 || actor.memberId === '') {
    world.join(actor);
  } else {
    world.sync(actor);
  }
}

/** No faults any more: all who live go on, and all are in the group after a while. */
function converge(world: GroupWorld, membersMax: number): void {
  // Of those who say that they are the same one, one goes on.
  if (world.clients[1]!.isAlive) world.forget(world.clients[3]!, true);
  const living = world.clients.filter(({ isAlive }) => isAlive);
  const roundMs = SESSION_MS / 4;
  for (let ms = 0; ms < 3 * GROUP_NEW_MEMBER_JOIN_MS; ms += roundMs) {
    for (const actor of living) go(world, actor);
    while (world.group.pending !== undefined) world.settle(true);
    world.begin();
    world.pass(roundMs);
    if (isConverged(world, Math.min(living.length, membersMax)) && ms > GROUP_NEW_MEMBER_JOIN_MS) break;
  }
  if (living.length === 0) {
    assert(['Empty', 'Dead'].includes(world.group.group.state), 'somebody is in a group whose members are all gone');
  } else {
    assert(isConverged(world, Math.min(living.length, membersMax)), 'the group does not get stable');
  }
  world.group.do(world.group.group.end('NOT_COORDINATOR', world.group.now));
  assert(world.group.unanswered === 0, 'somebody was never answered');
}

function isConverged(world: GroupWorld, count: number): boolean {
  const { state, members } = world.group.group.describe();
  const settled = world.clients.filter(({ assignment }) => assignment !== undefined);
  return state === 'Stable' && members.length === count && settled.length === count;
}
