import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '@weir/base/random.ts';
import { DevCluster } from './dev-cluster.ts';

/** What a run of kills came to. Everything but the first two lists is for the report; those two must be empty. */
export interface CrashReport {
  /** Acknowledged, and not there (or not the same) when everything was read back. */
  readonly lost: readonly string[];
  /** Offsets that are missing, come twice, or hold a value that another one holds. */
  readonly inconsistent: readonly string[];
  readonly kills: number;
  readonly acknowledged: number;
  /** Sent, never answered, and stored all the same: allowed. */
  readonly unanswered: number;
  readonly stored: number;
}

const TOPIC = 'crash';
const PARTITIONS = 3;
const WRITERS = 8;

/**
 * Writes through the gateway, kills the whole process without a warning at random moments, starts it again on the
 * same data, and finally reads everything back. Every value is unique.
 */
export async function runCrashes(options: {
  kills: number;
  seed: number;
  onKill?: (n: number) => void;
}): Promise<CrashReport> {
  const random = seededRandom(options.seed);
  const cluster = new DevCluster();
  /** Values by "partition:offset", as acknowledged. */
  const acknowledged = new Map<string, string>();
  let sequence = 0;
  try {
    await cluster.start();
    const created = await post(cluster, '/v1/topics', { name: TOPIC, partitions: PARTITIONS });
    if (created.status !== 201) throw new Error(`the topic was not created: ${created.status} ${created.body}`);
    for (let kill = 1; kill <= options.kills; kill++) {
      const round = { over: false };
      const writers = Array.from({ length: WRITERS }, async (_, writer) => {
        while (!round.over) {
          const values = Array.from(
            { length: 1 + Math.floor(random.unit() * 20) },
            () => `w${writer}-${sequence++}-${'x'.repeat(200)}`,
          );
          const answer = await post(cluster, `/v1/topics/${TOPIC}/records`, values).catch(() => undefined);
          if (answer?.status !== 200) continue;
          const { offsets } = JSON.parse(answer.body) as { offsets: { partition?: number; offset?: number }[] };
          for (const [i, at] of offsets.entries()) {
            if (at.offset !== undefined) acknowledged.set(`${at.partition}:${at.offset}`, values[i]!);
          }
        }
      });
      await pause(50 + random.unit() * 250);
      await cluster.kill();
      round.over = true;
      await Promise.all(writers);
      options.onKill?.(kill);
      await cluster.start();
    }
    const stored = await readAll(cluster);
    return judge(acknowledged, stored, options.kills);
  } finally {
    await cluster.remove();
  }
}

/** Every stored value in the order in which it was read, by partition. */
async function readAll(cluster: DevCluster): Promise<{ offset: number; value: string }[][]> {
  const partitions: { offset: number; value: string }[][] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const records: { offset: number; value: string }[] = [];
    let offset = 0;
    for (;;) {
      const path = `/v1/topics/${TOPIC}/records?partition=${partition}&offset=${offset}&limit=5000`;
      const response = await fetch(cluster.url + path);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
      const page = JSON.parse(text) as { records: { offset: number; value: string }[] };
      if (page.records.length === 0) break;
      records.push(...page.records);
      offset = page.records.at(-1)!.offset + 1;
    }
    partitions.push(records);
  }
  return partitions;
}

function judge(
  acknowledged: ReadonlyMap<string, string>,
  partitions: { offset: number; value: string }[][],
  kills: number,
): CrashReport {
  const lost: string[] = [];
  const inconsistent: string[] = [];
  const byPlace = new Map<string, string>();
  const places = new Map<string, string>();
  for (const [partition, records] of partitions.entries()) {
    for (const [i, { offset, value }] of records.entries()) {
      const place = `${partition}:${offset}`;
      if (offset !== i) inconsistent.push(`${place} stands where ${partition}:${i} was expected`);
      const other = places.get(value);
      if (other !== undefined) inconsistent.push(`${place} holds the value of ${other}`);
      places.set(value, place);
      byPlace.set(place, value);
    }
  }
  for (const [place, value] of acknowledged) {
    if (byPlace.get(place) !== value) lost.push(`${place} was acknowledged with ${value.slice(0, 20)}…`);
  }
  return {
    lost,
    inconsistent,
    kills,
    acknowledged: acknowledged.size,
    unanswered: byPlace.size - acknowledged.size,
    stored: byPlace.size,
  };
}

async function post(cluster: DevCluster, path: string, body: unknown): Promise<{ status: number; body: string }> {
  const response = await fetch(cluster.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.text() };
}
