// What members of a consumer group go through, whichever client of JavaScript they are of.
//
// A client hands in how to do it: create(topic, partitions), produce(topic, values), committed(group), see(key, value),
// nameOf(error) and start(member, topic, group, settings), which returns how the member is closed. A member is told what
// it `read`s, and what it `owns`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

const PARTITIONS = 6;
const KEYS = 24;
const ROUND = 240;
/** The shortest that brokers allow. */
const SESSION_MS = 6_000;

class Member {
  values = [];
  owned = new Set();
  failure = undefined;

  read(value) {
    this.values.push(Number(value));
  }

  owns(partitions) {
    this.owned = new Set(partitions);
  }
}

export function keyOf(value) {
  return `key-${value % KEYS}`;
}

function range(first, count) {
  return Array.from({ length: count }, (_, i) => first + i);
}

async function until(what, members, holds) {
  const end = Date.now() + 40_000;
  while (!holds()) {
    for (const { failure } of members) if (failure !== undefined) throw failure;
    assert.ok(Date.now() < end, `not within 40 s: ${what}`);
    await pause(50);
  }
}

function haveSeen(first, count, ...members) {
  const known = new Set(members.flatMap(({ values }) => values));
  return range(first, count).every((value) => known.has(value));
}

function times(first, count, ...members) {
  return members.flatMap(({ values }) => values).filter((value) => value >= first && value < first + count).length;
}

/** The first time that a member sees a record comes behind those of the same key that were written before. */
function inOrderOfKeys(...members) {
  for (const { values } of members) {
    const last = new Map();
    for (const value of new Set(values)) {
      assert.ok((last.get(value % KEYS) ?? -1) < value, `${value} of a key came after ${last.get(value % KEYS)}`);
      last.set(value % KEYS, value);
    }
  }
}

async function start(client, topic, group, settings) {
  const member = new Member();
  member.close = await client.start(member, topic, group, settings);
  return member;
}

export async function comeAndLeave(client, topic, settings) {
  const group = `${topic}-group`;
  await client.create(topic, PARTITIONS);
  await client.produce(topic, range(0, ROUND));
  const first = await start(client, topic, group, settings);
  await until('the first has all', [first], () => haveSeen(0, ROUND, first) && first.owned.size === PARTITIONS);
  const second = await start(client, topic, group, settings);
  const both = [first, second];
  for (let i = 0; i < 8; i++) {
    await client.produce(topic, range(ROUND + (i * ROUND) / 8, ROUND / 8));
    await pause(200);
  }
  await until('both share', both, () => both.every(({ owned }) => owned.size === 3) && haveSeen(ROUND, ROUND, ...both));
  const twice = times(0, 2 * ROUND, ...both) - 2 * ROUND;
  await client.produce(topic, range(2 * ROUND, ROUND));
  await until('both read', both, () => haveSeen(2 * ROUND, ROUND, ...both));
  client.see('seen while they are two', times(2 * ROUND, ROUND, ...both));
  await second.close();
  await until('the first has all again', [first], () => first.owned.size === PARTITIONS);
  await client.produce(topic, range(3 * ROUND, ROUND));
  await until('the first reads on', [first], () => haveSeen(3 * ROUND, ROUND, first));
  client.see('seen when it is alone', times(3 * ROUND, ROUND, first));
  await first.close();
  inOrderOfKeys(...both);
  const committed = await client.committed(group);
  client.see('committed', committed);
  await client.produce(topic, range(4 * ROUND, 30));
  const third = await start(client, topic, group, settings);
  const other = await start(client, topic, `${group}-2`, settings);
  await until('a new member goes on', [third], () => haveSeen(4 * ROUND, 30, third));
  await until('a second group has all', [other], () => haveSeen(0, 4 * ROUND + 30, other));
  await third.close();
  await other.close();
  inOrderOfKeys(third, other);
  client.see('seen by a new member', third.values.length);
  client.see('seen by a second group', other.values.length);
  assert.deepEqual([committed, third.values.length], [4 * ROUND, 30]);
  return `${twice} read twice as the second came`;
}

/** They have names, and leave as they end: the client tells the coordinator. */
export async function namedMembers(client, topic, instances) {
  const group = `${topic}-group`;
  const named = (instance) => start(client, topic, group, { instance, sessionMs: 20_000 });
  await client.create(topic, PARTITIONS);
  const first = await named('first');
  await until('the first has all', [first], () => first.owned.size === PARTITIONS);
  const second = await named('second');
  const both = [first, second];
  await until('both share', both, () => both.every(({ owned }) => owned.size === 3));
  await client.produce(topic, range(0, ROUND));
  await until('both read', both, () => haveSeen(0, ROUND, ...both));
  await second.close();
  await client.produce(topic, range(ROUND, ROUND));
  const again = await named('second');
  const back = [first, again];
  await until('it comes back', back, () => again.owned.size === 3 && haveSeen(ROUND, ROUND, first, again));
  client.see('instances', await instances(group));
  await again.close();
  await first.close();
  inOrderOfKeys(first, second, again);
}

/** With a member in a process that is killed: see beKilled. */
export async function killed(client, topic, program) {
  const group = `${topic}-group`;
  await client.create(topic, PARTITIONS);
  const first = await start(client, topic, group, { sessionMs: SESSION_MS });
  await until('the first has all', [first], () => first.owned.size === PARTITIONS);
  const environment = { ...process.env, MEMBER_OF: group, TOPIC: topic };
  const child = spawn(process.execPath, [program], { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const other = new Member();
    createInterface({ input: child.stdout }).on('line', (line) => other.read(line));
    await until('both share', [first], () => first.owned.size === 3);
    // A fetch of before may bring one of them what is the other's by now.
    await pause(1_000);
    await client.produce(topic, range(0, ROUND));
    await until('both read', [first], () => haveSeen(0, ROUND, first, other));
    assert.ok(other.values.length > 0 && !haveSeen(0, ROUND, first), `the other has read ${other.values.length}`);
    const before = Date.now();
    child.kill('SIGKILL');
    await until('it takes over', [first], () => first.owned.size === PARTITIONS);
    const ms = Date.now() - before;
    // The other one has committed nothing.
    await until('it reads what the other had read', [first], () => haveSeen(0, ROUND, first));
    await first.close();
    inOrderOfKeys(first);
    client.see('committed', await client.committed(group));
    assert.ok(ms > SESSION_MS - 3_000 && ms < SESSION_MS + 9_000, `taken over after ${ms} ms`);
    return `taken over after ${ms} ms`;
  } finally {
    child.kill('SIGKILL');
  }
}

/** The process that is killed: a member that commits nothing and prints what it reads. */
export async function beKilled(client) {
  const member = new Member();
  member.read = (value) => console.log(String(value));
  await client.start(member, process.env.TOPIC, process.env.MEMBER_OF, { sessionMs: SESSION_MS, commits: false });
}
