import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { partitionName } from '../history.ts';
import { BoundedConnections } from './bounded-connections.ts';
import { ClassicGroup } from './classic-group.ts';
import type { Position, TopicSizes } from './classic-group.ts';
import { ClassicReader } from './classic-reader.ts';
import { machineMs, MemberLog } from './member-history.ts';
import { ASLEEP_MS, COMMIT_MS, memberSettings } from './member-settings.ts';

/** A member of a group that speaks Kafka's classic protocol, as a process of its own: `classic-member.ts SETTINGS`. */

const AGAIN_MS = 100;
const HEARTBEATS_PER_SESSION = 4;
const LOOK_MS = 1_000;
/** Why it ends when another process has its place. */
const FENCED = 'fenced';

/** What it does about an answer of its group. */
type Course = 'goOn' | 'join' | 'joinAnew' | 'lookElsewhere' | 'end';

const settings = memberSettings();
const log = new MemberLog(settings.log);
const connections = new BoundedConnections(settings.name);
const group = new ClassicGroup(settings, connections);
const reader = new ClassicReader({ bootstrap: settings.bootstrap, pattern: new RegExp(settings.pattern) }, connections);
/** Of what it owns, by `partitionName`. */
const positions = new Map<string, Position>();
const uncommitted = new Set<string>();
const over = new AbortController();
let commits = 0;
let lookedMs = 0;
let triedMs = 0;
let committedMs = 0;
let heardMs = 0;

process.once('SIGTERM', () => over.abort());
while (!over.signal.aborted) {
  const topics = await enter();
  if (topics !== undefined) await stay(topics);
}
if (over.signal.reason === FENCED) {
  end('lost');
  log.note({ kind: 'fenced' });
} else {
  await attempt(() => commit([...uncommitted]));
  end('revoked');
  await attempt(() => group.leave().then(() => 'NONE' as const));
}
connections.close();

/** In a generation; with the topics that it knew of when it joined. Undefined: it has to try again. */
async function enter(): Promise<TopicSizes | undefined> {
  await look();
  const { topics } = reader;
  const code = await attempt(async () => {
    const entered = await group.enter(topics);
    if ('error' in entered) return entered.error;
    const { generation } = group;
    log.note({ kind: 'generation', generation });
    const committed = await group.committed(entered);
    if ('error' in committed) return committed.error;
    for (const position of committed) positions.set(partitionName(position.topic, position.partition), position);
    if (positions.size > 0) log.note({ kind: 'assigned', generation, partitions: [...positions.keys()] });
    return 'NONE';
  });
  triedMs = committedMs = heardMs = machineMs();
  if ((await take(code)) === 'goOn') return topics;
  await pause(AGAIN_MS);
  return undefined;
}

/** Until it has to join again. */
async function stay(topics: TopicSizes): Promise<void> {
  while (!over.signal.aborted) {
    const course = await round(topics);
    if (!staysIn(course)) return;
  }
}

/** Reads what there is, commits now and then, and tells that it is there. */
async function round(topics: TopicSizes): Promise<Course> {
  const fetched = positions.size === 0 ? [] : await reader.fetch([...positions.values()]);
  const slept = await afterSleep();
  if (!staysIn(slept)) return slept;
  const nowMs = machineMs();
  for (const { topic, partition, records } of fetched) {
    const name = partitionName(topic, partition);
    log.note({ kind: 'delivered', generation: group.generation, partition: name, records });
    positions.set(name, { topic, partition, offset: records.at(-1)!.offset + 1 });
    uncommitted.add(name);
  }
  if (fetched.length === 0) await pause(AGAIN_MS);
  if (nowMs - committedMs >= COMMIT_MS) {
    committedMs = nowMs;
    const course = await take(await attempt(() => commit([...uncommitted])));
    if (!staysIn(course)) return course;
  }
  if (nowMs - heardMs >= settings.sessionTimeoutMs / HEARTBEATS_PER_SESSION) {
    heardMs = nowMs;
    const sleptAgain = await afterSleep();
    if (!staysIn(sleptAgain)) return sleptAgain;
    const course = await take(await attempt(() => group.heartbeat()));
    if (!staysIn(course)) return course;
  }
  await look();
  // Kafka's clients join again when what they subscribe to has changed; who leads looks after the numbers of partitions.
  return isSame(topics, reader.topics) ? 'goOn' : take('REBALANCE_IN_PROGRESS');
}

/** One that has stood still commits what it has, before it is told that somebody else has its partitions. */
async function afterSleep(): Promise<Course> {
  const nowMs = machineMs();
  const sleptMs = nowMs - triedMs;
  triedMs = nowMs;
  if (sleptMs < ASLEEP_MS || positions.size === 0) return 'goOn';
  return take(await attempt(() => commit([...positions.keys()])));
}

/** Who is in a generation is so wherever the group is coordinated. */
function staysIn(course: Course): boolean {
  return course === 'goOn' || course === 'lookElsewhere';
}

async function look(): Promise<void> {
  const nowMs = machineMs();
  if (nowMs - lookedMs < LOOK_MS) return;
  lookedMs = nowMs;
  await reader.look().catch(() => (lookedMs = 0));
}

function isSame(then: TopicSizes, now: TopicSizes): boolean {
  if (then.size !== now.size) return false;
  return [...now].every(([name, size]) => (group.isLeader ? then.get(name) === size : then.has(name)));
}

async function commit(names: readonly string[]): Promise<ErrorCode> {
  const places = names.flatMap((name) => positions.get(name) ?? []);
  if (places.length === 0) return 'NONE';
  const number = ++commits;
  const offsets = Object.fromEntries(
    places.map((place) => [partitionName(place.topic, place.partition), place.offset]),
  );
  log.note({ kind: 'commit', commit: number, generation: group.generation, offsets });
  const code = await group.commit(places);
  if (code === 'NONE') {
    log.note({ kind: 'committed', commit: number });
    for (const { topic, partition, offset } of places) {
      const name = partitionName(topic, partition);
      if (positions.get(name)?.offset === offset) uncommitted.delete(name);
    }
  } else log.note({ kind: 'refused', commit: number, code });
  return code;
}

/** What the group says, or that nobody has answered. */
async function attempt(ask: () => Promise<ErrorCode>): Promise<ErrorCode> {
  try {
    return await ask();
  } catch (error) {
    console.error(messageOf(error));
    return 'COORDINATOR_NOT_AVAILABLE';
  }
}

/** Takes in what the group has said. */
async function take(code: ErrorCode): Promise<Course> {
  const course = courseOf(code);
  switch (course) {
    case 'goOn':
      return course;
    case 'join':
      // Until it joins what it has is its own.
      await attempt(() => commit([...uncommitted]));
      end('revoked');
      return course;
    case 'joinAnew':
      if (code === 'UNKNOWN_MEMBER_ID') group.memberId = '';
      end('lost');
      return course;
    case 'lookElsewhere':
      group.forgetCoordinator();
      await pause(AGAIN_MS);
      return course;
    case 'end':
      over.abort(FENCED);
      return course;
  }
}

function courseOf(code: ErrorCode): Course {
  switch (code) {
    case 'NONE':
      return 'goOn';
    case 'REBALANCE_IN_PROGRESS':
      return 'join';
    case 'ILLEGAL_GENERATION':
    case 'UNKNOWN_MEMBER_ID':
      return 'joinAnew';
    case 'FENCED_INSTANCE_ID':
      return 'end';
    default:
      return 'lookElsewhere';
  }
}

function end(why: 'revoked' | 'lost'): void {
  if (positions.size > 0) log.note({ kind: 'ended', why, partitions: [...positions.keys()] });
  positions.clear();
  uncommitted.clear();
}
