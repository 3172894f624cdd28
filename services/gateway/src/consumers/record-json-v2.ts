import type { TextBytes } from '@weir/base/text-bytes.ts';
import type { ConsumedRecord } from '@weir/client/consumer/group-consumer.ts';
import type { RecordHeader } from '@weir/records/record.ts';
import { isJson } from '../json/json-scan.ts';
import type { RecordFormat } from '../rest/records-v2.ts';

/**
 * Adds a record as REST v2 shows it, with key and value in a format: JSON as it was written, base64, or text. Values of headers are
 * base64 in any.
 *
 * @returns false, and nothing is added: the format is JSON, and key or value is not
 */
export function addRecordJsonV2(
  out: TextBytes,
  { topic, partition, record }: ConsumedRecord,
  format: RecordFormat,
): boolean {
  const { key, value, headers } = record;
  if (format === 'json' && !(isJsonOrNull(key) && isJsonOrNull(value))) return false;
  // Names of topics are ASCII without anything to escape.
  out.ascii(`{"topic":"${topic}","key":`);
  addBytes(out, key, format);
  out.ascii(',"value":');
  addBytes(out, value, format);
  out.ascii(`,"partition":${partition},"offset":${record.offset},"timestamp":${record.timestampMs},"headers":`);
  if (headers.length === 0) out.ascii('[]}');
  else out.text(`${JSON.stringify(headers.map(headerOf))}}`);
  return true;
}

function isJsonOrNull(bytes: Buffer | null): boolean {
  return bytes === null || isJson(bytes);
}

function addBytes(out: TextBytes, bytes: Buffer | null, format: RecordFormat): void {
  if (bytes === null) {
    out.ascii('null');
    return;
  }
  switch (format) {
    case 'json':
      out.bytes(bytes);
      break;
    case 'binary':
      out.ascii('"').base64(bytes).ascii('"');
      break;
    case 'text':
      out.text(JSON.stringify(bytes.toString('utf8')));
      break;
  }
}

function headerOf({ key, value }: RecordHeader): { readonly key: string; readonly value: string | null } {
  return { key, value: value === null ? null : Buffer.from(value).toString('base64') };
}
