import { ERRORS, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { RECORD_HEADERS_MAX } from '@weir/base/limits.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { ProducerRecord, SendOptions, SendOutcome } from '@weir/client/producer/producer.ts';
import { singleRecordBatchBytes } from '@weir/records/batch-builder.ts';
import type { RecordHeader } from '@weir/records/record.ts';
import { endSpan, SpanKind, startSpan, traceparentOf } from '@weir/runtime/trace.ts';
import { topicName, unknownTopic } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import type { GatewayRequest } from '../http/exchange.ts';
import { HttpFailure, refusalJson } from '../http/failure.ts';
import { TRACEPARENT_HEADER } from './poll.ts';

/** The topic that a request produces to; it is created on the way where the cluster does that. @throws WeirError */
export function targetTopic(context: GatewayContext, request: GatewayRequest): TopicInfo | Promise<TopicInfo> {
  const name = topicName(request.params);
  return context.client.topic(name) ?? awaitedTopic(context, name);
}

async function awaitedTopic(context: GatewayContext, name: string): Promise<TopicInfo> {
  try {
    return await context.client.awaitTopic(name);
  } catch (error) {
    throw error instanceof WeirError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION' ? unknownTopic(name) : error;
  }
}

/** A send that is traced: one span over however many calls. */
export interface Sending {
  readonly options: SendOptions;
  /** The records as they are sent: where a span is recorded, with a header by which readers find it. */
  marked(records: readonly ProducerRecord[]): readonly ProducerRecord[];
  /** Ends the span. */
  end(refused: Refusal | undefined): void;
}

/** Begins a span for records that go to a topic. */
export function beginSending(
  context: GatewayContext,
  topic: string,
  request: GatewayRequest,
  acks: 'all' | 'leader' | undefined,
): Sending {
  const span = startSpan(context.tracer, `send ${topic}`, {
    kind: SpanKind.PRODUCER,
    attributes: {
      'messaging.system': 'weir',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': topic,
    },
    traceparent: request.traceparent,
  });
  const withAcks = acks === undefined ? {} : { acks };
  const traceparent = traceparentOf(span);
  if (traceparent === '') return { options: withAcks, marked: (records) => records, end: () => {} };
  const header: RecordHeader = { key: TRACEPARENT_HEADER, value: Buffer.from(traceparent) };
  const known = context.client.topic(topic);
  const maxBytes = known?.messageBytesMax ?? 0;
  let sent = 0;
  return {
    options: { ...withAcks, traceparent },
    marked(records) {
      sent += records.length;
      return records.map((record) => withHeader(record, header, maxBytes));
    },
    end(refused) {
      span.setAttribute('messaging.batch.message_count', sent);
      endSpan(span, refused?.code);
    },
  };
}

/** A header of that name that is there stays; a record does not become too large by ours. */
function withHeader(record: ProducerRecord, header: RecordHeader, maxBytes: number): ProducerRecord {
  const { headers = [] } = record;
  if (headers.length >= RECORD_HEADERS_MAX || headers.some(({ key }) => key === header.key)) return record;
  const marked = { ...record, headers: [...headers, header] };
  return singleRecordBatchBytes(marked) <= maxBytes ? marked : record;
}

/** Sends records and resolves once every one of them is acknowledged or refused. */
export function sendRecords(
  context: GatewayContext,
  topic: string,
  records: readonly ProducerRecord[],
  sending: Sending,
): Promise<SendOutcome> {
  return new Promise((resolve) => {
    context.client.producer.sendMany(topic, sending.marked(records), sending.options, (outcome) => {
      sending.end(firstRefusal(outcome));
      context.metrics.recordsIn.inc(outcome.count - outcome.refusals.size);
      resolve(outcome);
    });
  });
}

/** Of a send of which nothing came through, why; undefined when at least one record did. */
export function wholeRefusal(outcome: SendOutcome): HttpFailure | undefined {
  const first = firstRefusal(outcome);
  if (first === undefined || outcome.refusals.size < outcome.count) return undefined;
  const retry = ERRORS[first.code].retriable && outcome.count > 1 ? ' (none of the records was taken)' : '';
  return new HttpFailure(first.code, `${first.message}${retry}`);
}

/** What became of each record, in their order, as JSON. */
export function offsetsJson(outcome: SendOutcome): string {
  let json = '{"offsets":[';
  for (let i = 0; i < outcome.count; i++) {
    if (i > 0) json += ',';
    json += receiptJson(outcome, i);
  }
  return `${json}]}\n`;
}

/** What became of one record, as JSON. */
export function receiptJson(outcome: SendOutcome, index: number): string {
  const refused = outcome.refusals.size === 0 ? undefined : outcome.refusals.get(index);
  if (refused !== undefined) return refusalJson(refused);
  return `{"partition":${outcome.partition[index]!},"offset":${outcome.offset[index]!}}`;
}

function firstRefusal(outcome: SendOutcome): Refusal | undefined {
  return outcome.refusals.size === 0 ? undefined : outcome.refusals.values().next().value;
}
