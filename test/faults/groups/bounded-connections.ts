import { setTimeout as pause } from 'node:timers/promises';
import type { Api, RequestToSend, ResponseOf } from '@weir/kafka/api.ts';
import { KafkaConnection } from '../../harness/kafka-connection.ts';

/** A request with how long its answer may take. */
interface Question<A extends Api> {
  readonly answerMs: number;
  readonly api: A;
  readonly version: number;
  readonly request: RequestToSend<A>;
}

/** Connections to brokers by their addresses. One whose answer does not come in time is given up. */
export class BoundedConnections {
  readonly #clientId: string;
  readonly #open = new Map<string, Promise<KafkaConnection>>();

  constructor(clientId: string) {
    this.#clientId = clientId;
  }

  /** @throws Error (as a rejection) when there is no answer: whatever was asked for may be done all the same */
  async ask<A extends Api>(address: string, { answerMs, api, version, request }: Question<A>): Promise<ResponseOf<A>> {
    const over = new AbortController();
    try {
      return await Promise.race([
        this.#to(address).then((connection) => connection.ask(api, version, request)),
        pause(answerMs, undefined, { signal: over.signal }).then(() => {
          throw new Error(`${address} has not answered ${api.name} within ${answerMs} ms`);
        }),
      ]);
    } catch (error) {
      this.drop(address);
      throw error;
    } finally {
      over.abort();
    }
  }

  drop(address: string): void {
    const opening = this.#open.get(address);
    this.#open.delete(address);
    opening?.then((connection) => connection.close()).catch(() => undefined);
  }

  close(): void {
    for (const address of this.#open.keys()) this.drop(address);
  }

  async #to(address: string): Promise<KafkaConnection> {
    const known = await this.#open.get(address);
    if (known !== undefined && !known.isClosed) return known;
    const opening = KafkaConnection.open(address, this.#clientId);
    this.#open.set(address, opening);
    return opening;
  }
}
