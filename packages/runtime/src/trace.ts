import { isSpanContextValid, ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import type { Attributes, Span, SpanContext, SpanKind, Tracer } from '@opentelemetry/api';

export { SpanKind, SpanStatusCode } from '@opentelemetry/api';
export type { Span } from '@opentelemetry/api';

/** What is known when a span begins. */
export interface SpanStart {
  readonly kind: SpanKind;
  readonly attributes?: Attributes;
  /** W3C traceparent of what asked for it; without one, or with a malformed one, a new trace begins. */
  readonly traceparent?: string | undefined;
}

/** Begins a span. Without tracing it is a no-op that costs a few nanoseconds. */
export function startSpan(tracer: Tracer, name: string, start: SpanStart): Span {
  const parent = start.traceparent === undefined ? undefined : parseTraceparent(start.traceparent);
  const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
  return tracer.startSpan(name, { kind: start.kind, attributes: start.attributes ?? {} }, context);
}

/** Ends a span, as failed when an error code is given. */
export function endSpan(span: Span, errorType?: string): void {
  if (errorType !== undefined) {
    span.setAttribute('error.type', errorType);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** The span as its children continue it, also where nothing records it: what is not sampled stays so. Empty without a trace. */
export function contextOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return isSpanContextValid(span.spanContext()) ? formatTraceparent(traceId, spanId, traceFlags) : '';
}

/** Links a span to others, by their traceparents. */
export function linkSpan(span: Span, traceparents: Iterable<string>): void {
  for (const traceparent of traceparents) {
    const context = parseTraceparent(traceparent);
    if (context !== undefined) span.addLink({ context });
  }
}

/** The span as others may continue it; empty when nothing records it. */
export function traceparentOf(span: Span): string {
  return span.isRecording() ? contextOf(span) : '';
}

function formatTraceparent(traceId: string, spanId: string, traceFlags: number): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** The trace's id for log lines, or undefined when there is none. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent === undefined ? undefined : parseTraceparent(traceparent)?.traceId;
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

function parseTraceparent(text: string): SpanContext | undefined {
  const match = TRACEPARENT.exec(text);
  if (match === null || /^0+$/.test(match[1]!) || /^0+$/.test(match[2]!)) return undefined;
  return {
    traceId: match[1]!,
    spanId: match[2]!,
    traceFlags: Number.parseInt(match[3]!, 16) & TraceFlags.SAMPLED,
    isRemote: true,
  };
}
