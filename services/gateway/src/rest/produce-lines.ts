import type { Cancel } from '@weir/base/clock.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { HTTP_LINE_BYTES_MAX, HTTP_RECEIPT_BYTES_MAX, HTTP_UPLOAD_IN_FLIGHT_BYTES } from '@weir/base/limits.ts';
import type { GatewayContext } from '../context.ts';
import type { ProducerRecord, SendOutcome } from '@weir/client/producer/producer.ts';
import type {
  GatewayReply,
  GatewayRequest,
  ReplySink,
  StreamReader,
  Upload,
  UploadHandlers,
} from '../http/exchange.ts';
import { failureBody, failureOf, HttpFailure } from '../http/failure.ts';
import { cutValue } from '../json/json-slices.ts';
import { LineCutter } from './line-cutter.ts';
import type { RecordTemplate } from './record-template.ts';
import { beginSending, receiptJson } from './send.ts';
import type { Sending } from './send.ts';

/** How soon an upload that is held back looks whether it may go on. */
const RECHECK_MS = 5;

/** A body of lines, any number of them: a record a line, answered by a receipt a line while it comes. */
export function produceLines(
  context: GatewayContext,
  request: GatewayRequest,
  topic: string,
  template: RecordTemplate,
): GatewayReply {
  const { upload } = request;
  if (upload === undefined)
    throw new HttpFailure('INVALID_REQUEST', 'the body is empty: expected JSON, a record a line');
  context.streams.enter();
  const sending = beginSending(context, topic, request, template.acks);
  return {
    kind: 'stream',
    status: 200,
    type: 'application/x-ndjson; charset=utf-8',
    headers: {},
    start: (sink) => new LineUpload({ context, upload, sink, topic, template, sending }),
  };
}

/** The records that one turn of the loop brought, and where refused lines stand among them. */
interface Piece {
  readonly records: ProducerRecord[];
  /** Receipts of lines that never became records, by the number of records before them. */
  readonly spoiled: { readonly before: number; readonly json: string }[];
  bytes: number;
  outcome: SendOutcome | undefined;
}

interface LineUploadParts {
  readonly context: GatewayContext;
  readonly upload: Upload;
  readonly sink: ReplySink;
  readonly topic: string;
  readonly template: RecordTemplate;
  readonly sending: Sending;
}

/**
 * What one turn of the loop brings of the body is one send, with one completion. Receipts keep the order of the
 * lines although partitions answer in any order: a piece's receipts are written when those before it were.
 *
 * Invariant: bytes in flight stay within HTTP_UPLOAD_IN_FLIGHT_BYTES plus what the socket brings in one turn.
 */
class LineUpload implements StreamReader, UploadHandlers {
  readonly #parts: LineUploadParts;
  readonly #cutter: LineCutter;
  readonly #pieces: Piece[] = [];
  #current: Piece | undefined;
  #inFlightBytes = 0;
  /** Of a line that has not ended, as the budget knows it. */
  #keptBytes = 0;
  #lines = 0;
  #over = false;
  #closed = false;
  #brokeOff: string | undefined;
  #firstRefusal: Refusal | undefined;
  #recheck: Cancel | undefined;

  constructor(parts: LineUploadParts) {
    this.#parts = parts;
    this.#cutter = new LineCutter({
      line: (bytes, start, end) => this.#line(bytes, start, end),
      tooLong: () => {
        this.#lines++;
        const message = `line ${this.#lines} has more than ${HTTP_LINE_BYTES_MAX} bytes and was skipped`;
        this.#spoil(new HttpFailure('MESSAGE_TOO_LARGE', message));
      },
    });
    parts.upload.start(this);
  }

  chunk(bytes: Buffer): void {
    const { context } = this.#parts;
    context.metrics.bytesIn.inc(bytes.length);
    // It is in memory already: what counts is that no more is read while the budget is overdrawn.
    context.budget.overdraw(bytes.length);
    this.#inFlightBytes += bytes.length;
    this.#openPiece().bytes += bytes.length;
    this.#cutter.push(bytes);
    this.#accountKept();
    this.#holdBackIfFull();
  }

  end(): void {
    this.#openPiece();
    this.#cutter.finish();
    this.#finish();
  }

  failed(why: string): void {
    // The line that was cut off is no record.
    this.#brokeOff = why;
    this.#finish();
  }

  drained(): void {
    this.#holdBackIfFull();
  }

  closed(): void {
    this.#closed = true;
    this.#recheck?.();
    this.#parts.context.budget.give(this.#keptBytes);
    this.#parts.context.streams.leave();
    this.#parts.sending.end(this.#firstRefusal);
  }

  draining(): void {
    // It has as long as any other request: whoever sends it need not know how to go on in the middle.
  }

  stopping(): void {
    // What was read is still answered; the sender goes on elsewhere after the last receipt.
    if (this.#over) return;
    this.#parts.upload.pause();
    this.failed('this gateway stops: send the lines after the last receipt to another one');
  }

  #line(bytes: Buffer, start: number, end: number): void {
    this.#lines++;
    try {
      const slice = cutValue(bytes, start, end);
      if (slice === undefined) return;
      this.#current!.records.push(this.#parts.template.jsonRecord(bytes, slice.start, slice.end));
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      this.#spoil(new HttpFailure(failure.code, `line ${this.#lines}: ${failure.message}`));
    }
  }

  #spoil(failure: HttpFailure): void {
    const { records, spoiled } = this.#current!;
    spoiled.push({ before: records.length, json: JSON.stringify(failureBody(failure)) });
  }

  /** The piece that gathers what comes in this turn of the loop. */
  #openPiece(): Piece {
    if (this.#current === undefined) {
      this.#current = { records: [], spoiled: [], bytes: 0, outcome: undefined };
      this.#parts.context.clock.endOfTurn(() => this.#sendPiece());
    }
    return this.#current;
  }

  #sendPiece(): void {
    const piece = this.#current;
    if (piece === undefined) return;
    this.#current = undefined;
    this.#pieces.push(piece);
    const { context, topic, sending } = this.#parts;
    context.client.producer.sendMany(topic, sending.marked(piece.records), sending.options, (outcome) => {
      piece.outcome = outcome;
      context.metrics.recordsIn.inc(outcome.count - outcome.refusals.size);
      this.#firstRefusal ??= outcome.refusals.values().next().value;
      this.#inFlightBytes -= piece.bytes;
      context.budget.give(piece.bytes);
      this.#writeReceipts();
    });
  }

  /** A line that has not ended outlives the piece in which it began. */
  #accountKept(): void {
    const { budget } = this.#parts.context;
    budget.overdraw(this.#cutter.keptBytes - this.#keptBytes);
    this.#keptBytes = this.#cutter.keptBytes;
  }

  #finish(): void {
    this.#over = true;
    this.#sendPiece();
    this.#writeReceipts();
  }

  #writeReceipts(): void {
    let text = '';
    let done = 0;
    for (const piece of this.#pieces) {
      if (piece.outcome === undefined) break;
      text += receiptsOf(piece, piece.outcome);
      done++;
    }
    this.#pieces.splice(0, done);
    if (this.#closed) return;
    if (text !== '') this.#parts.sink.write(text);
    if (!this.#over || this.#pieces.length > 0) return;
    if (this.#brokeOff !== undefined) {
      const failure = new HttpFailure(
        'MALFORMED_REQUEST',
        `the body broke off after line ${this.#lines}: ${this.#brokeOff}`,
      );
      this.#parts.sink.write(`${JSON.stringify(failureBody(failure))}\n`);
    }
    this.#parts.sink.end();
  }

  /** Takes nothing more from the socket while there is too much of anything; looks again a little later. */
  #holdBackIfFull(): void {
    if (this.#over || this.#closed || this.#recheck !== undefined) return;
    if (!this.#isFull()) return;
    const { context, upload } = this.#parts;
    upload.pause();
    this.#recheck = context.clock.after(RECHECK_MS, () => {
      this.#recheck = undefined;
      if (this.#over || this.#closed) return;
      if (this.#isFull()) this.#holdBackIfFull();
      else upload.resume();
    });
  }

  #isFull(): boolean {
    const { context, sink } = this.#parts;
    return (
      this.#inFlightBytes >= HTTP_UPLOAD_IN_FLIGHT_BYTES ||
      sink.pendingBytes >= HTTP_RECEIPT_BYTES_MAX ||
      context.budget.isSpent ||
      context.client.producer.bufferedBytes >= context.producerBufferBytes / 2
    );
  }
}

function receiptsOf(piece: Piece, outcome: SendOutcome): string {
  let text = '';
  let next = 0;
  for (let i = 0; i <= outcome.count; i++) {
    while (piece.spoiled[next]?.before === i) text += `${piece.spoiled[next++]!.json}\n`;
    if (i < outcome.count) text += `${receiptJson(outcome, i)}\n`;
  }
  return text;
}
