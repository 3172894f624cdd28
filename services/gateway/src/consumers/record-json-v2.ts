import type { ConsumedRecord } from '@weir/client/consumer/group-consumer.ts';
import type { RecordHeader } from '@weir/records/record.ts';
import { isJson } from '../json/json-scan.ts';
import type { RecordFormat } from '../rest/records-v2.ts';

/**
 * A record as REST v2 shows it, with key and value in a format: JSON as it was written, base64, or text. Values of headers are base64
 * in any.
 *
 * @returns undefined: the format is JSON, and key or value is not
 */
export function recordJsonV2({ topic, partition, record }: ConsumedRecord, format: RecordFormat): string | undefined {
  const key = bytesJson(record.key, format);
  const value = bytesJson(record.value, format);
  if (key === undefined || value === undefined) return undefined;
  return (
    `{"topic":${JSON.stringify(topic)},"key":${key},"value":${value},"partition":${partition}` +
    `,"offset":${record.offset},"timestamp":${record.timestampMs}` +
    `,"headers":${record.headers.length === 0 ? '[]' : JSON.stringify(record.headers.map(headerOf))}}`
  );
}

function bytesJson(bytes: Buffer | null, format: RecordFormat): string | undefined {
  if (bytes === null) return 'null';
  switch (format) {
    case 'json':
      return isJson(bytes) ? bytes.toString('utf8') : undefined;
    case 'binary':
      return `"${bytes.toString('base64')}"`;
    case 'text':
      return JSON.stringify(bytes.toString('utf8'));
  }
}

function headerOf({ key, value }: RecordHeader): { readonly key: string; readonly value: string | null } {
  return { key, value: value === null ? null : Buffer.from(value).toString('base64') };
}
