import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { splitAddress } from '@weir/base/options.ts';
import type { Api, RequestToSend, ResponseOf } from '@weir/kafka/api.ts';
import { FRAME_LENGTH_BYTES, readResponse, requestFrame } from '@weir/kafka/message.ts';

interface Asked {
  readonly take: (frame: Buffer) => void;
  readonly fail: (error: Error) => void;
}

/** A client of Kafka's protocol that sends what it is told, as often as it is told. */
export class KafkaConnection {
  readonly #socket: Socket;
  readonly #clientId: string;
  readonly #asked: Asked[] = [];
  #received = Buffer.alloc(0);
  #correlationId = 0;

  private constructor(socket: Socket, clientId: string) {
    this.#socket = socket;
    this.#clientId = clientId;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      for (const { fail } of this.#asked.splice(0)) fail(new Error('the connection ended before the answer'));
    });
  }

  /** @throws Error (as a rejection) when nobody listens there */
  static open(address: string, clientId = 'test'): Promise<KafkaConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ ...splitAddress(address), noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new KafkaConnection(socket, clientId)));
    });
  }

  /** Asks, and tells the answer. @throws Error (as a rejection) when the connection ends before it */
  ask<A extends Api>(api: A, version: number, request: RequestToSend<A>): Promise<ResponseOf<A>> {
    const correlationId = ++this.#correlationId;
    const answer = new Promise<ResponseOf<A>>((resolve, reject) => {
      const take = (frame: Buffer): void => {
        try {
          const { correlationId: answered, response } = readResponse(api, version, frame);
          if (answered !== correlationId) throw new Error(`answer ${answered} came for request ${correlationId}`);
          resolve(response);
        } catch (error) {
          reject(error);
        }
      };
      this.#asked.push({ take, fail: reject });
    });
    for (const part of requestFrame(api, version, { correlationId, clientId: this.#clientId }, request))
      this.#socket.write(part);
    return answer;
  }

  /** Whoever asks here is not answered. */
  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= FRAME_LENGTH_BYTES) {
      const end = FRAME_LENGTH_BYTES + this.#received.readInt32BE(0);
      if (this.#received.length < end) return;
      this.#asked.shift()?.take(this.#received.subarray(FRAME_LENGTH_BYTES, end));
      this.#received = this.#received.subarray(end);
    }
  }
}
