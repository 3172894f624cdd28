import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { SeenRecord } from '../checks/record-history.ts';
import { textOf } from './load-record.ts';
import { segmentsOf } from './replica-log.ts';

/** The records in a partition's segments, in order. They have to be whole. */
export function recordsOf(disk: SimulatedDisk, folder: string): SeenRecord[] {
  const records: SeenRecord[] = [];
  for (const { path } of segmentsOf(disk, folder)) {
    readRecords(
      disk.contentsOf(path)!,
      (record) => void records.push({ offset: record.offset, value: textOf(record) }),
    );
  }
  return records;
}
