import { isUtf8 } from 'node:buffer';
import type { TextBytes } from '@weir/base/text-bytes.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import { isJson, skipSpace } from './json-scan.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const LETTER_N = 0x6e;
/** What stands around key and value, when numbers are long. */
const FRAME_BYTES = 160;

/** About how many bytes a record takes as JSON, headers aside: enough unless much of it has to be escaped. */
export function recordJsonBytes({ key, value }: RecordView): number {
  return FRAME_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
}

/**
 * Adds a record as /v1 shows it. A value that is JSON stands there as it is, byte for byte; other UTF-8 as a string with
 * `"encoding":"text"`; anything else as base64 with `"encoding":"base64"`. A tombstone's value is null; a value that
 * is JSON's null has `"encoding":"json"` to tell it from that.
 *
 * @param oneLine puts spaces in the place of line breaks, which in JSON only stand between tokens
 */
export function addRecordJson(out: TextBytes, partition: number, record: RecordView, oneLine: boolean): void {
  out.ascii('{');
  addRecordFields(out, partition, record, oneLine);
}

/** The same without the brace that it begins with. */
export function addRecordFields(out: TextBytes, partition: number, record: RecordView, oneLine: boolean): void {
  out.ascii(`"partition":${partition},"offset":${record.offset},"timestamp":${record.timestampMs},"key":`);
  addKey(out, record.key);
  out.ascii(',"value":');
  addValue(out, record.value, oneLine);
  out.ascii(',"headers":');
  if (record.headers.length === 0) out.ascii('[]}');
  else out.text(`${headersJson(record.headers)}}`);
}

function addKey(out: TextBytes, key: Buffer | null): void {
  if (key === null) out.ascii('null');
  else if (isUtf8(key)) out.text(JSON.stringify(key.toString('utf8')));
  else out.ascii('"').base64(key).ascii('","key_encoding":"base64"');
}

function addValue(out: TextBytes, value: Buffer | null, oneLine: boolean): void {
  if (value === null) {
    out.ascii('null');
  } else if (isJson(value)) {
    if (value[skipSpace(value, 0, value.length)] === LETTER_N) {
      out.ascii('null,"encoding":"json"');
      return;
    }
    const at = out.length;
    out.bytes(value);
    if (oneLine) out.replaceFrom(at, [LINE_FEED, CARRIAGE_RETURN], SPACE);
  } else if (isUtf8(value)) {
    out.text(JSON.stringify(value.toString('utf8'))).ascii(',"encoding":"text"');
  } else {
    out.ascii('"').base64(value).ascii('","encoding":"base64"');
  }
}

function headersJson(headers: RecordView['headers']): string {
  const parts = headers.map(({ key, value }) => {
    const name = JSON.stringify(key);
    if (value === null) return `{"key":${name},"value":null}`;
    if (isUtf8(value)) return `{"key":${name},"value":${JSON.stringify(value.toString('utf8'))}}`;
    return `{"key":${name},"value":"${value.toString('base64')}","encoding":"base64"}`;
  });
  return `[${parts.join(',')}]`;
}
