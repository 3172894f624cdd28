import { POLL_LINKS_MAX } from '@weir/base/limits.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import { endSpan, linkSpan, SpanKind, startSpan, traceIdOf } from '@weir/runtime/trace.ts';
import type { Span } from '@weir/runtime/trace.ts';
import type { GatewayContext } from '../context.ts';
import type { GatewayRequest } from '../http/exchange.ts';

/** The record header that has a W3C traceparent. */
export const TRACEPARENT_HEADER = 'traceparent';
/** Of what is one, in version 00. Anything else under that name is not kept: it may be as large as a record. */
const TRACEPARENT_BYTES = 55;

/** The span of a read, linked to the spans in which the records were sent. */
export class Poll {
  readonly #span: Span;
  readonly #producers = new Set<string>();
  #records = 0;

  constructor(span: Span) {
    this.#span = span;
  }

  /** A record was handed out. */
  saw({ headers }: RecordView): void {
    this.#records++;
    for (const { key, value } of headers) {
      if (key !== TRACEPARENT_HEADER || value?.length !== TRACEPARENT_BYTES) continue;
      const traceparent = value.toString('latin1');
      if (this.#producers.size < POLL_LINKS_MAX && traceIdOf(traceparent) !== undefined)
        this.#producers.add(traceparent);
      return;
    }
  }

  end(errorType?: string): void {
    linkSpan(this.#span, this.#producers);
    this.#span.setAttribute('messaging.batch.message_count', this.#records);
    endSpan(this.#span, errorType);
  }
}

/** Begins the span of a read; undefined where nothing records it, so that no header is looked at. */
export function beginPoll(context: GatewayContext, topic: string, request: GatewayRequest): Poll | undefined {
  const span = startSpan(context.tracer, `poll ${topic}`, {
    kind: SpanKind.CLIENT,
    attributes: {
      'messaging.system': 'weir',
      'messaging.operation.name': 'poll',
      'messaging.operation.type': 'receive',
      'messaging.destination.name': topic,
    },
    traceparent: request.traceparent,
  });
  return span.isRecording() ? new Poll(span) : undefined;
}
