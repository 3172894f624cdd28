import { knownPartition } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import { emptyReply, rawJsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';
import { parseRecordsV2 } from './records-v2.ts';
import type { RecordFormat } from './records-v2.ts';
import { beginSending, offsetsJson, sendRecords, targetTopic } from './send.ts';

const FORMATS: Readonly<Record<string, RecordFormat>> = {
  'application/vnd.kafka.json.v2+json': 'json',
  'application/vnd.kafka.binary.v2+json': 'binary',
  'application/vnd.kafka.text.v2+json': 'text',
  'application/json': 'json',
};

/**
 * POST /topics/{topic} and /topics/{topic}/partitions/{partition}, in the dialect of the Strimzi bridge: what became of
 * each record is told record by record under status 200.
 */
export async function produceV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const format = formatOf(request.mediaType);
  const isAsync = request.query.choice('async', ['true', 'false']) === 'true';
  const target = targetTopic(context, request);
  const topic = target instanceof Promise ? await target : target;
  const partitionText = request.params['partition'];
  const partition = partitionText === undefined ? undefined : knownPartition(topic, partitionText);
  const records = parseRecordsV2(request.body, format, partition);
  const sending = beginSending(context, topic.name, request, undefined);
  const outcome = sendRecords(context, topic.name, records, sending);
  // Nobody asks what becomes of them: that is what async means.
  if (isAsync) return emptyReply(204);
  return rawJsonReply(200, offsetsJson(await outcome));
}

function formatOf(mediaType: string | undefined): RecordFormat {
  const format = FORMATS[mediaType ?? 'application/json'];
  if (format !== undefined) return format;
  throw new HttpFailure(
    'UNSUPPORTED_MEDIA_TYPE',
    `content-type ${mediaType} is not taken here: send ${Object.keys(FORMATS).join(', ')}`,
  );
}
