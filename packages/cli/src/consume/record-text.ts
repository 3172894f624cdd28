import { recordJson } from '@weir/gateway/json/record-json.ts';
import type { RecordView } from '@weir/records/read-records.ts';

/** How records are printed: what a record adds to the output. */
export type RecordFormat = (partition: number, record: RecordView, parts: (Buffer | string)[]) => void;

/** One JSON object a line, as `GET /v1/topics/T/records` has them. */
export const jsonLines: RecordFormat = (partition, record, parts) => {
  parts.push(`${recordJson(partition, record, true)}\n`);
};

/** One value a line, byte for byte; with a separator the key stands before it. A tombstone is an empty value. */
export function textLines(keySeparator: string | undefined): RecordFormat {
  const newline = Buffer.from('\n');
  const separator = keySeparator === undefined ? undefined : Buffer.from(keySeparator);
  return (_partition, record, parts) => {
    if (separator !== undefined) {
      if (record.key !== null) parts.push(record.key);
      parts.push(separator);
    }
    if (record.value !== null) parts.push(record.value);
    parts.push(newline);
  };
}

/** Parts as one piece for one write. */
export function joined(parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}
