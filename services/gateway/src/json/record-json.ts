import { isUtf8 } from 'node:buffer';
import type { RecordView } from '@weir/records/read-records.ts';
import { isJson } from './json-scan.ts';

/**
 * A record as /v1 shows it. A value that is JSON stands there as it is, byte for byte; other UTF-8 as a string with
 * `"encoding":"text"`; anything else as base64 with `"encoding":"base64"`. A tombstone's value is null; a value that
 * is JSON's null has `"encoding":"json"` to tell it from that.
 *
 * @param oneLine puts spaces in the place of line breaks, which in JSON only stand between tokens
 */
export function recordJson(partition: number, record: RecordView, oneLine: boolean): string {
  return (
    `{"partition":${partition},"offset":${record.offset},"timestamp":${record.timestampMs}` +
    `,"key":${keyJson(record.key)},"value":${valueJson(record.value, oneLine)}` +
    `,"headers":${record.headers.length === 0 ? '[]' : headersJson(record.headers)}}`
  );
}

function keyJson(key: Buffer | null): string {
  if (key === null) return 'null';
  return isUtf8(key) ? JSON.stringify(key.toString('utf8')) : `"${key.toString('base64')}","key_encoding":"base64"`;
}

function valueJson(value: Buffer | null, oneLine: boolean): string {
  if (value === null) return 'null';
  if (isJson(value)) {
    const text = value.toString('utf8');
    const shown = oneLine && /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, ' ') : text;
    return shown.trim() === 'null' ? 'null,"encoding":"json"' : shown;
  }
  if (isUtf8(value)) return `${JSON.stringify(value.toString('utf8'))},"encoding":"text"`;
  return `"${value.toString('base64')}","encoding":"base64"`;
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
