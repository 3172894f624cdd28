import type { IncomingMessage } from 'node:http';
import type { Clock } from '@weir/base/clock.ts';
import { HTTP_BODY_BYTES_MAX, HTTP_BODY_BYTES_PER_SECOND_MIN, HTTP_BODY_IDLE_MS } from '@weir/base/limits.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Upload, UploadHandlers } from './exchange.ts';
import { received } from '@weir/runtime/scavenge.ts';
import { HttpFailure, overloaded } from './failure.ts';

/**
 * Reads a body as a whole. Bytes are taken from the budget as they arrive, so that a sender who only announces many
 * takes none from others; `heldBytes` is for whoever answered to give back.
 */
export class BodyReader {
  heldBytes = 0;
  readonly #budget: ByteBudget;
  readonly #clock: Clock;
  readonly #done: (body: Buffer | HttpFailure) => void;
  readonly #startedMs: number;
  readonly #pieces: Buffer[] = [];
  #over = false;

  constructor(
    request: IncomingMessage,
    tools: { readonly budget: ByteBudget; readonly clock: Clock },
    done: (body: Buffer | HttpFailure) => void,
  ) {
    this.#budget = tools.budget;
    this.#clock = tools.clock;
    this.#done = done;
    this.#startedMs = tools.clock.monotonicMs();
    if (Number(request.headers['content-length']) > HTTP_BODY_BYTES_MAX) {
      this.fail(tooLarge());
      return;
    }
    request.on('data', (piece: Buffer) => {
      received(piece.length);
      this.#take(piece);
    });
    request.on('end', () => this.#end());
    request.on('error', () => this.#breakOff());
    request.on('close', () => this.#breakOff());
  }

  /** Ends the reading; what still comes is thrown away. */
  fail(why: HttpFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#done(why);
  }

  /** Comes after every body, the whole ones as well. */
  #breakOff(): void {
    if (!this.#over) this.fail(new HttpFailure('CLIENT_GONE', 'the body broke off'));
  }

  #take(piece: Buffer): void {
    if (this.#over) return;
    if (this.heldBytes + piece.length > HTTP_BODY_BYTES_MAX) return this.fail(tooLarge());
    if (!this.#budget.take(piece.length)) {
      return this.fail(overloaded());
    }
    this.heldBytes += piece.length;
    this.#pieces.push(piece);
    const lateMs = this.#clock.monotonicMs() - this.#startedMs - HTTP_BODY_IDLE_MS;
    if (lateMs > 0 && this.heldBytes < (lateMs / 1_000) * HTTP_BODY_BYTES_PER_SECOND_MIN) this.fail(tooSlow());
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#done(this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.heldBytes));
  }
}

/** The failure for a body that comes too slowly. */
export function tooSlow(): HttpFailure {
  return new HttpFailure(
    'BODY_TOO_SLOW',
    `the body came too slowly: something is expected every ${HTTP_BODY_IDLE_MS / 1_000} s, and at least ` +
      `${HTTP_BODY_BYTES_PER_SECOND_MIN} bytes a second. Send what takes longer as application/x-ndjson`,
    { headers: { connection: 'close' } },
  );
}

function tooLarge(): HttpFailure {
  return new HttpFailure(
    'BODY_TOO_LARGE',
    `the body has more than ${HTTP_BODY_BYTES_MAX} bytes, at most so many are taken at once: split it, or send ` +
      'application/x-ndjson, which may be of any length',
  );
}

/** A body in pieces. `start` may be called late: nothing is read before. */
export class RequestUpload implements Upload {
  readonly #request: IncomingMessage;
  #handlers: UploadHandlers | undefined;

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  start(handlers: UploadHandlers): void {
    this.#handlers = handlers;
    this.#request.on('data', (piece: Buffer) => {
      received(piece.length);
      this.#handlers?.chunk(piece);
    });
    this.#request.on('end', () => {
      const ended = this.#handlers;
      this.#handlers = undefined;
      ended?.end();
    });
    this.#request.on('error', () => this.fail('the connection broke'));
    this.#request.on('close', () => this.fail('the connection broke'));
  }

  pause(): void {
    this.#request.pause();
  }

  resume(): void {
    this.#request.resume();
  }

  /** Ends it from our side; what still comes is thrown away. */
  fail(why: string): void {
    const failed = this.#handlers;
    this.#handlers = undefined;
    failed?.failed(why);
  }
}
