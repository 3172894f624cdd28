import type { TextBytes } from '@weir/base/text-bytes.ts';
import { addRecordJson } from '@weir/gateway/json/record-json.ts';
import type { RecordView } from '@weir/records/read-records.ts';

/** How records are printed: what a record adds to the output. */
export type RecordFormat = (partition: number, record: RecordView, out: TextBytes) => void;

/** One JSON object a line, as `GET /v1/topics/T/records` has them. */
export const jsonLines: RecordFormat = (partition, record, out) => {
  addRecordJson(out, partition, record, true);
  out.ascii('\n');
};

/** One value a line, byte for byte; with a separator the key stands before it. A tombstone is an empty value. */
export function textLines(keySeparator: string | undefined): RecordFormat {
  return (_partition, record, out) => {
    if (keySeparator !== undefined) {
      if (record.key !== null) out.bytes(record.key);
      out.text(keySeparator);
    }
    if (record.value !== null) out.bytes(record.value);
    out.ascii('\n');
  };
}
