import { messageOf, WeirError } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import type { ConsumedRecord } from '@weir/client/consumer/group-consumer.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { partitionName } from '../history.ts';
import { textOfRecord } from '../record-text.ts';
import { machineMs, MemberLog } from './member-history.ts';
import { ASLEEP_MS, COMMIT_MS, memberSettings } from './member-settings.ts';

/** A member of a group through the native client, as a process of its own: `native-member.ts SETTINGS`. */

const POLL_MS = 100;
const POLL_RECORDS = 200;

const settings = memberSettings();
const log = new MemberLog(settings.log);
const client = new Client({ coordinators: settings.coordinators, name: settings.name }, clientWorld);
/** Of what it owns: where it is to go on once this is committed. */
const positions = new Map<string, TopicPartition & { readonly offset: number }>();
const owned = new Set<string>();
/** Has come further than what it has asked to commit. */
const uncommitted = new Set<string>();
const over = new AbortController();
/** Whose outcomes are to be known before it ends. */
const underWay = new Set<Promise<void>>();
let commits = 0;
let generation = -1;
let isCommitting = false;

const consumer = client.consumer({
  groupId: settings.group,
  topics: new RegExp(settings.pattern),
  ...(settings.instance === undefined ? {} : { instanceId: settings.instance }),
  ...(settings.assignors === undefined ? {} : { assignors: settings.assignors }),
  sessionTimeoutMs: settings.sessionTimeoutMs,
  pollIntervalMs: settings.rebalanceTimeoutMs,
  commitIntervalMs: 'manual',
  offsetReset: 'earliest',
  events: {
    assigned: (places) => {
      noteGeneration();
      for (const place of places) owned.add(nameOf(place));
      log.note({ kind: 'assigned', generation: consumer.generation, partitions: places.map(nameOf) });
    },
    revoked: async (places) => {
      const committed = commit(places.map(nameOf));
      end('revoked', places);
      await committed;
    },
    lost: (places) => end('lost', places),
  },
});
process.once('SIGTERM', () => over.abort());
try {
  await run();
  await client.close();
} catch (error) {
  if (error instanceof WeirError && error.code === 'FENCED_INSTANCE_ID') log.note({ kind: 'fenced' });
  else {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
  await Promise.all(underWay);
  await client.close();
}

async function run(): Promise<void> {
  let tookMs = machineMs();
  let committedMs = tookMs;
  while (!over.signal.aborted) {
    const records = await consumer.poll({ maxRecords: POLL_RECORDS, waitMs: POLL_MS });
    const nowMs = machineMs();
    // Before it can have been told that somebody else has its partitions.
    if (nowMs - tookMs >= ASLEEP_MS) void commit([...positions.keys()]);
    tookMs = nowMs;
    noteGeneration();
    note(records);
    if (isCommitting || nowMs - committedMs < COMMIT_MS) continue;
    committedMs = nowMs;
    isCommitting = true;
    // It reads on meanwhile: with the coordinator away that may take longer than the others wait for it.
    void commit([...uncommitted]).finally(() => (isCommitting = false));
  }
}

function noteGeneration(): void {
  if (consumer.generation === generation) return;
  generation = consumer.generation;
  if (generation >= 0) log.note({ kind: 'generation', generation });
}

function note(records: readonly ConsumedRecord[]): void {
  for (const ofPartition of Map.groupBy(records, nameOf).values()) {
    const { topic, partition } = ofPartition[0]!;
    const name = partitionName(topic, partition);
    const seen = ofPartition.map(({ record }) => ({ offset: record.offset, value: textOfRecord(record.value) }));
    log.note({ kind: 'delivered', generation: consumer.generation, partition: name, records: seen });
    // They may have been given away in the turn that has brought them.
    if (!owned.has(name)) continue;
    positions.set(name, { topic, partition, offset: seen.at(-1)!.offset + 1 });
    uncommitted.add(name);
  }
}

function commit(names: readonly string[]): Promise<void> {
  const committing = commitOnce(names).finally(() => underWay.delete(committing));
  underWay.add(committing);
  return committing;
}

async function commitOnce(names: readonly string[]): Promise<void> {
  const places = names.flatMap((name) => positions.get(name) ?? []);
  if (places.length === 0) return;
  for (const name of names) uncommitted.delete(name);
  const number = ++commits;
  const offsets = Object.fromEntries(places.map((place) => [nameOf(place), place.offset]));
  log.note({ kind: 'commit', commit: number, generation: consumer.generation, offsets });
  try {
    await consumer.commit(places);
    log.note({ kind: 'committed', commit: number });
  } catch (error) {
    for (const name of names) if (owned.has(name)) uncommitted.add(name);
    log.note({ kind: 'refused', commit: number, code: error instanceof WeirError ? error.code : messageOf(error) });
  }
}

function end(why: 'revoked' | 'lost', places: readonly TopicPartition[]): void {
  for (const name of places.map(nameOf)) {
    owned.delete(name);
    positions.delete(name);
    uncommitted.delete(name);
  }
  log.note({ kind: 'ended', why, partitions: places.map(nameOf) });
}

function nameOf({ topic, partition }: TopicPartition): string {
  return partitionName(topic, partition);
}
