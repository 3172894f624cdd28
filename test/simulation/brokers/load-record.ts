import type { RecordHeader, RecordView } from '@weir/records/record.ts';
import type { Chance } from '../engine/chance.ts';
import type { TopicSwarm } from './swarm.ts';

/** Of a tombstone, the header that tells it from others. */
const MARK = 'mark';

/** A record of the load, but for when it was made. */
export interface LoadRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** What a producer says of a record to the history. */
export interface KeyChoice {
  readonly key: string | undefined;
  readonly isTombstone: boolean;
}

/** The key of the next record: of a topic that is compacted it has one. */
export function keyFor({ compaction }: TopicSwarm, chance: Chance): KeyChoice {
  if (compaction === undefined) return { key: undefined, isTombstone: false };
  return { key: `key-${chance.whole(1, compaction.keys)}`, isTombstone: chance.happens(compaction.tombstones) };
}

/** A record with a value that nobody else sends; a tombstone has that in a header. */
export function loadRecord(text: string, { key, isTombstone }: KeyChoice): LoadRecord {
  const value = Buffer.from(text, 'latin1');
  return {
    key: key === undefined ? null : Buffer.from(key),
    value: isTombstone ? null : value,
    headers: isTombstone ? [{ key: MARK, value }] : [],
  };
}

/** The value of a record, as producers of the simulation write it. */
export function textOf({ value, headers }: Pick<RecordView, 'value' | 'headers'>): string {
  const text = value ?? headers.find(({ key }) => key === MARK)?.value ?? null;
  return text === null ? '' : Buffer.from(text).toString('latin1');
}
