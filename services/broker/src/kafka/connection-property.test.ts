import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { seededRandom } from '@weir/base/random.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { requestFrame } from '@weir/kafka/message.ts';
import { baseOffsetOf, batchBytesOf } from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import { batchOf, changesOf } from '../test-broker.ts';
import { fetchOf } from './fetch-test-kit.ts';
import type { Answer, TestClient } from './test-client.ts';
import { TestDoor, topicData } from './test-door.ts';

const CLIENTS = 3;
const PARTITIONS = 2;
const SIZES = [1, 100, 5_000, 30_000, 120_000];

/** What one client has asked, and what it knows by the answers. */
class Model {
  readonly client: TestClient;
  /** Requests that have an answer, oldest first. */
  readonly expected: { readonly correlationId: number; readonly value: string; readonly partition: number }[] = [];

  constructor(client: TestClient) {
    this.client = client;
  }
}

/** A whole run: clients that come, ask, stall and go, and a broker that loses and gains leadership meanwhile. */
class Run {
  readonly door: TestDoor;
  readonly models: Model[] = [];
  /** Who went, or sent what ended its connection. */
  readonly left: Model[] = [];
  readonly clients: TestClient[] = [];
  /** By partition and offset, what was acknowledged there. */
  readonly acknowledged = new Map<string, string>();
  readonly #random: ReturnType<typeof seededRandom>;
  #leaderEpoch = 0;
  #serial = 0;

  constructor(door: TestDoor, seed: number) {
    this.door = door;
    this.#random = seededRandom(seed);
    for (let i = 0; i < CLIENTS; i++) this.models.push(this.#connect());
  }

  #connect(): Model {
    const client = this.door.connect();
    this.clients.push(client);
    client.socket.cut = (most) => Math.ceil(this.#random.unit() * (this.#random.unit() < 0.5 ? 20 : most));
    client.socket.isHeedless = this.#random.unit() < 0.5;
    return new Model(client);
  }

  async act(action: Action): Promise<void> {
    const { kind, who, number } = action;
    const model = this.models[who]!;
    const partition = number % PARTITIONS;
    switch (kind) {
      case 'produce':
      case 'forget': {
        // Its first bytes tell it from all others.
        const value = `${this.#serial++} `.padEnd(SIZES[number % SIZES.length]!, 'x');
        const acks = kind === 'forget' ? 0 : -1;
        const topics = [topicData([{ index: partition, records: [batchOf(1, value)] }])];
        const request = { transactionalId: null, acks, timeoutMs: 1_000 * number, topicData: topics };
        const correlationId = model.client.send(produce, 9, request);
        if (acks !== 0) model.expected.push({ correlationId, value, partition });
        return;
      }
      case 'fetch': {
        const wants = [{ partition, fetchOffset: number % 4 }, { partition: 1 - partition }];
        const request = fetchOf(wants, { maxWaitMs: number * 10, minBytes: number % 3, maxBytes: 60_000 });
        model.expected.push({ correlationId: model.client.send(fetch, 12, request), value: '', partition });
        return;
      }
      case 'metadata':
        model.expected.push({
          correlationId: model.client.send(metadata, 9, { topics: null }),
          value: '',
          partition,
        });
        return;
      case 'half': {
        const bytes = Buffer.concat(requestFrame(metadata, 9, { correlationId: 0, clientId: null }, { topics: null }));
        model.client.socket.send(bytes.subarray(0, 1 + (number % (bytes.length - 1))));
        return this.#replace(model);
      }
      case 'garbage':
        model.client.sendFrame(Buffer.alloc(8 + number, number));
        return this.#replace(model);
      case 'leave':
        model.client.leave();
        return this.#replace(model);
      case 'stick':
        model.client.socket.isStuck = !model.client.socket.isStuck;
        return;
      case 'move':
        this.#lead(number % 2 === 0);
        return;
      case 'pass':
        return this.door.pass(number * 100);
      case 'turn':
        return this.door.settleWithoutDisk();
      case 'settle':
        return this.door.settle();
    }
  }

  /** It asks for nothing more; somebody else comes in its place. */
  #replace(model: Model): void {
    this.#check(model);
    this.left.push(model);
    this.models[this.models.indexOf(model)] = this.#connect();
  }

  #lead(mine: boolean): void {
    this.#leaderEpoch++;
    const state = { leader: mine ? 1 : 2, epoch: this.#leaderEpoch, replicas: [1, 2] };
    this.door.apply(...changesOf({ partitions: [state, state] }));
  }

  /** Whatever came is what was expected next, and whole. */
  #check(model: Model): void {
    for (const answer of model.client.take()) {
      const next = model.expected.shift();
      assert(answer.correlationId === next?.correlationId, 'answers come in the order of their requests');
      if (answer.api === 'Produce') this.#note(answer, next);
      else if (answer.api === 'Fetch') whole(answer);
    }
  }

  #note({ response }: Answer, { value, partition }: { value: string; partition: number }): void {
    const { errorCode, baseOffset } = response.responses[0].partitionResponses[0];
    if (errorCode === 0) this.acknowledged.set(`${partition} ${baseOffset}`, value);
  }

  /** Everybody takes all his answers, and those that wait for more have waited long enough. */
  async finish(): Promise<void> {
    this.#lead(true);
    for (const { client } of this.models) client.socket.isStuck = false;
    for (let i = 0; i < 60; i++) {
      await this.door.pass(1_000);
      for (const { client } of this.models) client.socket.isStuck = false;
    }
    for (const model of this.left) this.#check(model);
    for (const model of this.models) {
      this.#check(model);
      // One that was refused with acks=0 is over, and gets no further answers.
      assert(model.client.socket.isOver || model.expected.length === 0, 'all that was asked is answered');
    }
    const reader = this.door.connect();
    this.clients.push(reader);
    for (const [key, value] of this.acknowledged) {
      const [partition, offset] = key.split(' ').map(Number);
      const request = fetchOf([{ partition: partition!, fetchOffset: offset!, partitionMaxBytes: 1 }]);
      const { responses } = await reader.ask(fetch, 12, request);
      assert(responses[0]!.partitions[0]!.records!.includes(value), 'what was acknowledged is there');
    }
  }
}

/** Every batch in the answer is as it was appended: memory that was let go too early is overwritten. */
function whole({ response }: Answer): void {
  for (const { partitions } of response.responses) {
    for (const { records } of partitions as { records: Buffer }[]) {
      let next = records.length === 0 ? 0 : (baseOffsetOf(records, 0) as number);
      for (let at = 0; at < records.length; at += batchBytesOf(records, at)) {
        assert(isValidBatchAt(records, at, records.length), 'a batch is as it was appended');
        assert(baseOffsetOf(records, at) === next++, 'batches follow each other');
      }
    }
  }
}

interface Action {
  readonly kind:
    | 'produce'
    | 'forget'
    | 'fetch'
    | 'metadata'
    | 'half'
    | 'garbage'
    | 'leave'
    | 'stick'
    | 'move'
    | 'pass'
    | 'turn'
    | 'settle';
  readonly who: number;
  readonly number: number;
}

const weighted = (
  weight: number,
  kind: Action['kind'],
): { weight: number; arbitrary: fc.Arbitrary<Action['kind']> } => ({
  weight,
  arbitrary: fc.constant(kind),
});
const ACTIONS = fc.array(
  fc.record({
    kind: fc.oneof(
      weighted(10, 'produce'),
      weighted(3, 'forget'),
      weighted(8, 'fetch'),
      weighted(2, 'metadata'),
      weighted(1, 'half'),
      weighted(1, 'garbage'),
      weighted(2, 'leave'),
      weighted(2, 'stick'),
      weighted(1, 'move'),
      weighted(3, 'pass'),
      weighted(5, 'turn'),
      weighted(5, 'settle'),
    ),
    who: fc.nat({ max: CLIENTS - 1 }),
    number: fc.nat({ max: 60 }),
  }),
  { minLength: 10, maxLength: 60, size: '+1' },
);

test('whatever clients do, answers come once and in order, what was acknowledged is there, and no memory is left behind', async () => {
  const reached = { acknowledged: 0, ended: 0 };
  await fc.assert(
    fc.asyncProperty(ACTIONS, fc.nat(), fc.boolean(), async (actions, seed, isCold) => {
      const door = await TestDoor.open({
        topic: {
          partitions: [
            { leader: 1, epoch: 0, replicas: [1, 2] },
            { leader: 1, epoch: 0, replicas: [1, 2] },
          ],
        },
        frameBytesMax: 200_000,
        appendPendingBytesMax: 300_000,
        tailCacheBytes: isCold ? 1_000 : 64 * 1024 * 1024,
      });
      const run = new Run(door, seed);
      for (const action of actions) await run.act(action);
      await run.finish();
      for (const client of run.clients) client.leave();
      await door.settle();
      expect([door.server.connections, door.server.frameBytes, door.fetch.waiting]).toEqual([0, 0, 0]);
      expect([door.server.ended.failed, door.broker.partitions.pendingBytes]).toEqual([0, 0]);
      expect(await door.leakedBytes()).toBe(0);
      reached.acknowledged += run.acknowledged.size;
      reached.ended += door.server.ended.refused_request + door.server.ended.idle;
    }),
    { numRuns: 150 },
  );
  // It has to have come to something.
  expect(reached.acknowledged).toBeGreaterThan(100);
  expect(reached.ended).toBeGreaterThan(5);
});
