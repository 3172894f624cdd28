import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it was sent. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  /** As in OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** 2 is an error. */
  readonly status: number;
  /** Of who sent it. */
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

/** Takes spans over OTLP (protobuf over HTTP), as a collector does. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.spans.push(...spansOf(Buffer.concat(chunks)));
      response.setHeader('content-type', 'application/x-protobuf').end();
      for (const wake of this.#waiting.splice(0)) wake();
    });
  });
  readonly #waiting: (() => void)[] = [];

  /** Listens; returns its base URL, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The first span that fits, once it is there. */
  async span(fits: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> {
    for (;;) {
      const found = this.spans.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Fields of a protobuf message by number: bytes, or a number. */
type Fields = Map<number, (Buffer | bigint)[]>;

/** Takes a message of opentelemetry.proto apart; numbers of fields below are from there. */
function fieldsOf(message: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    let value: Buffer | bigint;
    switch (tag & 7) {
      case 0:
        value = varint();
        break;
      case 1:
        value = message.readBigUInt64LE(at);
        at += 8;
        break;
      case 2: {
        const bytes = Number(varint());
        value = message.subarray(at, at + bytes);
        at += bytes;
        break;
      }
      case 5:
        value = BigInt(message.readUInt32LE(at));
        at += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7} at ${at} is none of protobuf's`);
    }
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

function messages(fields: Fields, field: number): Fields[] {
  return (fields.get(field) ?? []).map((value) => fieldsOf(value as Buffer));
}

function bytesOf(fields: Fields, field: number): Buffer {
  return (fields.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0);
}

function numberOf(fields: Fields, field: number): bigint {
  return (fields.get(field)?.[0] as bigint | undefined) ?? 0n;
}

function spansOf(payload: Buffer): ReceivedSpan[] {
  return messages(fieldsOf(payload), 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(resourceSpans, 1).flatMap((fields) => messages(fields, 1)));
    return messages(resourceSpans, 2).flatMap((scopeSpans) =>
      messages(scopeSpans, 2).map((span) => ({
        traceId: bytesOf(span, 1).toString('hex'),
        spanId: bytesOf(span, 2).toString('hex'),
        parentSpanId: bytesOf(span, 4).toString('hex'),
        name: bytesOf(span, 5).toString(),
        kind: Number(numberOf(span, 6)),
        startNs: numberOf(span, 7),
        endNs: numberOf(span, 8),
        attributes: attributesOf(messages(span, 9)),
        links: messages(span, 13).map((link) => ({
          traceId: bytesOf(link, 1).toString('hex'),
          spanId: bytesOf(link, 2).toString('hex'),
        })),
        status: messages(span, 15).map((status) => Number(numberOf(status, 3)))[0] ?? 0,
        resource,
      })),
    );
  });
}

function attributesOf(pairs: readonly Fields[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const value = messages(pair, 2)[0] ?? new Map<number, never[]>();
      const key = bytesOf(pair, 1).toString();
      if (value.has(1)) return [key, bytesOf(value, 1).toString()];
      if (value.has(2)) return [key, numberOf(value, 2) !== 0n];
      return [key, Number(numberOf(value, 3))];
    }),
  );
}
