import { TextBytes } from '@weir/base/text-bytes.ts';
import type { GatewayContext } from '../context.ts';
import { textReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure, overloaded } from '../http/failure.ts';
import { recordJsonBytes } from '../json/record-json.ts';
import type { RecordFormat } from '../rest/records-v2.ts';
import type { HttpConsumer } from './http-consumer.ts';
import { addRecordJsonV2 } from './record-json-v2.ts';

/**
 * Reads records of a consumer, and writes them in its format. Those that do not get to the client are handed out again: where one
 * cannot be written, it and what is behind it; all of them where the client has gone.
 */
export async function pollV2(
  context: GatewayContext,
  request: GatewayRequest,
  consumer: HttpConsumer,
  { waitMs, maxBytes }: { readonly waitMs: number; readonly maxBytes: number | undefined },
): Promise<GatewayReply> {
  const { format } = consumer.settings;
  const type = acceptedType(request, format);
  if (context.budget.isSpent) throw overloaded();
  const signal = AbortSignal.any([request.signal, context.stopping]);
  const limit = Math.min(maxBytes ?? context.readBytes, context.readBytes);
  const records = await consumer.poll({ waitMs, maxBytes: limit, signal });
  const out = new TextBytes(records.reduce((sum, { record }) => sum + recordJsonBytes(record), 0));
  let written = 0;
  for (const one of records) {
    const before = out.length;
    out.ascii(written === 0 ? '[' : ',');
    if (!addRecordJsonV2(out, one, format)) {
      out.cutTo(before);
      break;
    }
    written++;
  }
  out.ascii(written === 0 ? '[]' : ']');
  const [first] = records;
  const size = first === undefined ? 0 : (first.record.key?.length ?? 0) + (first.record.value?.length ?? 0);
  if (maxBytes !== undefined && size > maxBytes) {
    consumer.putBack(records);
    const { topic, partition, record } = first!;
    throw new HttpFailure(
      'MAX_BYTES_EXCEEDED',
      `the record at offset ${record.offset} of partition ${partition} of "${topic}" has ${size} bytes, more than ` +
        `max_bytes=${maxBytes}: read with max_bytes=${size}, or go on behind it with POST …/positions`,
    );
  }
  if (first !== undefined && written === 0) {
    consumer.putBack(records);
    const { topic, partition, record } = first;
    throw new HttpFailure(
      'NOT_ACCEPTABLE',
      `the record at offset ${record.offset} of partition ${partition} of "${topic}" is not JSON, key and value: read it ` +
        'with a consumer of format binary or text, or go on behind it with POST …/positions',
    );
  }
  // What the answer takes is counted as such when it is sent.
  const fits = context.budget.take(out.length);
  if (fits) context.budget.give(out.length);
  if (!fits || request.signal.aborted) {
    consumer.putBack(records);
    throw fits ? new HttpFailure('CLIENT_GONE', 'the client has gone') : overloaded();
  }
  consumer.putBack(records.slice(written));
  context.metrics.recordsOut.inc(written);
  context.metrics.consumerRecords.inc(written);
  return textReply(200, type, out.take());
}

/** What records come as: the dialect's type of the format, or JSON for who asks for that. @throws HttpFailure NOT_ACCEPTABLE */
function acceptedType(request: GatewayRequest, format: RecordFormat): string {
  const own = `application/vnd.kafka.${format}.v2+json`;
  const accept = String(request.headers['accept'] ?? '*/*').toLowerCase();
  if (accept.includes(own)) return own;
  if (/application\/json/.test(accept)) return 'application/json; charset=utf-8';
  if (/\*\/\*|application\/\*/.test(accept)) return own;
  throw new HttpFailure(
    'NOT_ACCEPTABLE',
    `this consumer has the format ${format}, and its records come as ${own} or application/json, not as ${accept}`,
  );
}
