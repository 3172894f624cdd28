import { HTTP_RECORDS_MAX } from '@weir/base/limits.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { GatewayContext } from '../context.ts';
import type { ProducerRecord } from '@weir/client/producer/producer.ts';
import { rawJsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';
import { cutRecords } from '../json/json-slices.ts';
import { produceLines } from './produce-lines.ts';
import { RecordTemplate } from './record-template.ts';
import { beginSending, offsetsJson, sendRecords, targetTopic, wholeRefusal } from './send.ts';

/** Media types of a body that is cut into lines. */
const LINE_TYPES = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
]);

/** Whether a body of that type is taken as it comes rather than as a whole. */
export function isLines(mediaType: string | undefined): boolean {
  return mediaType !== undefined && LINE_TYPES.has(mediaType);
}

/** POST /v1/topics/{topic}/records */
export async function produce(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const form = formOf(request.mediaType);
  const target = targetTopic(context, request);
  const topic = target instanceof Promise ? await target : target;
  const template = new RecordTemplate(request, topic);
  if (form === 'lines') return produceLines(context, request, topic.name, template);
  const records = form === 'json' ? jsonRecords(request.body, template) : [rawRecord(request, template)];
  return send(context, request, topic, template, records);
}

async function send(
  context: GatewayContext,
  request: GatewayRequest,
  topic: TopicInfo,
  template: RecordTemplate,
  records: readonly ProducerRecord[],
): Promise<GatewayReply> {
  const sending = beginSending(context, topic.name, request, template.acks);
  const outcome = await sendRecords(context, topic.name, records, sending);
  const refused = wholeRefusal(outcome);
  if (refused !== undefined) throw refused;
  return rawJsonReply(200, offsetsJson(outcome));
}

/** The records of a JSON body: an array's elements, or the one value. */
function jsonRecords(body: Buffer, template: RecordTemplate): ProducerRecord[] {
  const parts = cutRecords(body);
  const count = parts.length / 2;
  if (count > HTTP_RECORDS_MAX) {
    throw new HttpFailure(
      'RECORD_LIST_TOO_LARGE',
      `the array has ${count} records, at most ${HTTP_RECORDS_MAX} are taken at once: split it, or send application/x-ndjson`,
    );
  }
  if (count === 0) {
    throw new HttpFailure(
      'INVALID_REQUEST',
      'the array is empty: expected at least one record (an empty record is [[]])',
    );
  }
  const records: ProducerRecord[] = [];
  for (let i = 0; i < parts.length; i += 2) records.push(template.jsonRecord(body, parts[i]!, parts[i + 1]!));
  return records;
}

function rawRecord(request: GatewayRequest, template: RecordTemplate): ProducerRecord {
  if (request.mediaType === undefined && request.body.length === 0) {
    throw new HttpFailure(
      'INVALID_REQUEST',
      'the body is empty: send a record, or content-type text/plain for an empty one',
    );
  }
  return template.rawRecord(request.body);
}

function formOf(mediaType: string | undefined): 'json' | 'lines' | 'raw' {
  if (mediaType === undefined || mediaType === 'application/octet-stream' || mediaType.startsWith('text/'))
    return 'raw';
  if (mediaType === 'application/json') return 'json';
  if (isLines(mediaType)) return 'lines';
  throw unsupportedMediaType(mediaType);
}

function unsupportedMediaType(mediaType: string): HttpFailure {
  const known =
    'application/json (one value, or an array of records), application/x-ndjson (a record a line), ' +
    'text/plain or application/octet-stream (the body as it is)';
  if (mediaType === 'application/x-www-form-urlencoded') {
    return new HttpFailure(
      'UNSUPPORTED_MEDIA_TYPE',
      `curl -d says content-type ${mediaType} unless told otherwise: add -H 'content-type: application/json'` +
        ` (or use --json). Taken are ${known}`,
    );
  }
  const v2 = mediaType.startsWith('application/vnd.kafka.') ? '; this type belongs to POST /topics/{topic}' : '';
  return new HttpFailure(
    'UNSUPPORTED_MEDIA_TYPE',
    `content-type ${mediaType} is not taken here${v2}. Taken are ${known}`,
  );
}
