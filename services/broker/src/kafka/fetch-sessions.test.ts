import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { KAFKA_FETCH_SESSIONS_MAX } from '@weir/base/limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import type { RequestToSend } from '@weir/kafka/api.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import type { FetchRequest } from '@weir/kafka/apis/fetch.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf } from '@weir/records/batch-header.ts';
import { batchOf, changesOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import { FetchSessions } from './fetch-sessions.ts';
import { fetchOf, ledPartitions, openReader, shown, taken, wanting } from './fetch-test-kit.ts';
import type { Want } from './fetch-test-kit.ts';
import type { TestClient } from './test-client.ts';
import { OTHER_ID_BYTES, otherTopic } from './test-door.ts';

type Request = RequestToSend<typeof fetch>;

/** Kafka's rule: who does not use his session for so long may lose it to another. */
const EVICTABLE_AFTER_MS = 120_000;

/** Of all sessions together. */
const PARTITIONS_MAX = 200_000;
const EVERYTHING = {
  currentLeaderEpoch: -1,
  fetchOffset: 0,
  lastFetchedEpoch: -1,
  logStartOffset: -1,
  partitionMaxBytes: 1,
  replicaDirectoryId: NO_UUID,
  highWatermark: -1,
};
const NOTHING_ELSE = {
  clusterId: null,
  replicaId: -1,
  replicaState: { replicaId: -1, replicaEpoch: -1 },
  maxWaitMs: 0,
  minBytes: 0,
  maxBytes: 1,
  isolationLevel: 0,
  sessionId: 0,
  forgottenTopicsData: [],
  rackId: '',
};

/** A reader with a session: what it asks for next is only what is given. */
class SessionReader {
  readonly #client: TestClient;
  readonly #version: number;
  id = 0;
  epoch = 0;

  constructor(client: TestClient, version = 12) {
    this.#client = client;
    this.#version = version;
  }

  /** What is sent next; it goes on with the session. */
  request(wants: readonly Want[] = [], parts: Partial<Request> = {}): Request {
    return fetchOf([], {
      topics: wants.length === 0 ? [] : [wanting(wants)],
      sessionId: this.id,
      sessionEpoch: this.epoch,
      ...parts,
    });
  }

  async ask(wants: readonly Want[] = [], parts: Partial<Request> = {}): Promise<string[]> {
    const response = await this.#client.ask(fetch, this.#version, this.request(wants, parts));
    if (response.errorCode === 0) {
      this.id = response.sessionId;
      this.epoch++;
    }
    return shown(response);
  }
}

test('a session tells all of it at first, and then only what is new', async () => {
  for (const version of [7, 12, 18]) {
    const { client, append } = await openReader({ topic: ledPartitions(3) });
    await append(batchOf(2), 1);
    const reader = new SessionReader(client, version);
    expect(await reader.ask([{}, { partition: 1 }, { partition: 2 }])).toEqual(['0 end', '1 0-1', '2 end']);
    expect(reader.id).toBeGreaterThan(0);
    // It has read up to there, and tells so.
    expect(await reader.ask([{ partition: 1, fetchOffset: 2 }])).toEqual([]);
    await append(batchOf(1), 2);
    expect(await reader.ask()).toEqual(['2 0-0']);
    // It did not say that it wants to go on: the same again.
    expect(await reader.ask()).toEqual(['2 0-0']);
    expect(await reader.ask([{ partition: 2, fetchOffset: 1 }])).toEqual([]);
  }
});

test('a new high watermark or log start is news, even where no records come with it', async () => {
  const { door, client, append } = await openReader({ topic: ledPartitions(2) });
  const reader = new SessionReader(client);
  await append(batchOf(1), 0);
  await reader.ask([{ fetchOffset: 1 }, { partition: 1 }]);
  expect(await reader.ask()).toEqual([]);
  await append(batchOf(1), 0);
  await append(batchOf(5, 'x'.repeat(1_000)), 1);
  // Alone, the first partition's batch fills the answer; the second has news all the same.
  expect(await reader.ask([], { maxBytes: 1 })).toEqual(['0 1-1', '1 end']);
  await reader.ask([{ fetchOffset: 2 }, { partition: 1, fetchOffset: 5 }]);
  door.broker.partition(1).deleteRecords(3);
  await door.settle();
  expect(await reader.ask()).toEqual(['1 end']);
  expect(await reader.ask()).toEqual([]);
});

test('an error is told again and again, and that it is over is told once', async () => {
  const { door, client } = await openReader({ topic: { partitions: [{ leader: 2, epoch: 0, replicas: [1, 2] }] } });
  const reader = new SessionReader(client);
  expect(await reader.ask([{}])).toEqual(['0 error 6']);
  expect(await reader.ask()).toEqual(['0 error 6']);
  expect(await reader.ask()).toEqual(['0 error 6']);
  door.apply(...changesOf({ partitions: [{ leader: 1, epoch: 1, replicas: [1, 2] }] }));
  await door.settle();
  expect(await reader.ask()).toEqual(['0 end']);
  expect(await reader.ask()).toEqual([]);
});

test('partitions are added, changed and forgotten on the way', async () => {
  const { door, client, append } = await openReader({ topic: ledPartitions(2) });
  door.apply(...otherTopic({ partitions: [{ leader: 1, epoch: 0 }] }));
  await door.settle();
  await append(batchOf(3), 0);
  await append(batchOf(3), 1);
  for (const version of [12, 13]) {
    const reader = new SessionReader(client, version);
    expect(await reader.ask([{}])).toEqual(['0 0-2']);
    expect(await reader.ask([{ partition: 1 }])).toEqual(['0 0-2', '1 0-2']);
    const other = wanting([{}], 'other', OTHER_ID_BYTES);
    const forgotten = { topic: 'orders', topicId: TOPIC_ID_BYTES, partitions: [0] };
    expect(await reader.ask([], { topics: [other], forgottenTopicsData: [forgotten] })).toEqual(['1 0-2', '0 end']);
    expect(await reader.ask()).toEqual(['1 0-2']);
    // What was never in it is forgotten just as well.
    const all = { ...forgotten, partitions: [0, 1, 99] };
    expect(await reader.ask([], { forgottenTopicsData: [all] })).toEqual([]);
    expect(await reader.ask()).toEqual([]);
  }
});

test('a session names its topics as it began to, or is refused and lives on', async () => {
  const { client, append } = await openReader({ topic: ledPartitions(2) });
  await append(batchOf(1), 1);
  const forgotten = { topic: 'orders', topicId: TOPIC_ID_BYTES, partitions: [0] };
  for (const [version, otherVersion] of [
    [12, 13],
    [13, 12],
  ] as const) {
    const reader = new SessionReader(client, version);
    await reader.ask([{}]);
    for (const request of [
      reader.request([{ partition: 1 }]),
      reader.request([], { forgottenTopicsData: [forgotten] }),
    ])
      expect(shown(await client.ask(fetch, otherVersion, request))).toEqual(['error 106']);
    expect(await reader.ask([{ partition: 1 }])).toEqual(['1 0-0']);
  }
});

test('a session that forgets its last partition is over', async () => {
  const { client, door } = await openReader();
  const reader = new SessionReader(client);
  await reader.ask([{}]);
  const forgotten = { topic: 'orders', topicId: TOPIC_ID_BYTES, partitions: [0] };
  expect(await reader.ask([], { forgottenTopicsData: [forgotten] })).toEqual([]);
  expect(door.fetch.sessions).toBe(0);
  expect(await reader.ask([{}])).toEqual(['error 70']);
});

test('partitions with records go behind those without, so that all have their turn', async () => {
  const { client, append } = await openReader({ topic: ledPartitions(3) });
  for (const index of [0, 1, 2]) await append(batchOf(1, 'x'.repeat(1_000)), index);
  const reader = new SessionReader(client);
  const first = (lines: string[]): string | undefined => lines.find((line) => !line.endsWith('end'));
  const seen = [first(await reader.ask([{}, { partition: 1 }, { partition: 2 }], { maxBytes: 1 }))];
  for (let i = 0; i < 5; i++) seen.push(first(await reader.ask([], { maxBytes: 1 })));
  expect(seen).toEqual(['0 0-0', '1 0-0', '2 0-0', '0 0-0', '1 0-0', '2 0-0']);
});

test('a session that is not known has error 70, one out of step 71, and neither is harmed by that', async () => {
  const { client, door } = await openReader();
  const reader = new SessionReader(client);
  await reader.ask([{}]);
  const ask = async (sessionId: number, sessionEpoch: number): Promise<string[]> =>
    shown(await client.ask(fetch, 12, fetchOf([{}], { sessionId, sessionEpoch })));
  expect(await ask(reader.id + 1, 1)).toEqual(['error 70']);
  expect(await ask(0, 1)).toEqual(['error 70']);
  for (const epoch of [2, 5, -2]) expect(await ask(reader.id, epoch)).toEqual(['error 71']);
  expect(await reader.ask()).toEqual([]);
  // A request that comes twice is out of step the second time.
  expect(await ask(reader.id, reader.epoch - 1)).toEqual(['error 71']);
  expect(door.fetch.sessions).toBe(1);
});

test('a session is closed, or replaced by the one that begins', async () => {
  const { client, door } = await openReader();
  const reader = new SessionReader(client);
  await reader.ask([{}]);
  const first = reader.id;
  const closing = await client.ask(fetch, 12, fetchOf([{}], { sessionId: first, sessionEpoch: -1 }));
  expect([closing.sessionId, shown(closing), door.fetch.sessions]).toEqual([0, ['0 end'], 0]);
  expect(await reader.ask()).toEqual(['error 70']);
  reader.epoch = 0;
  await reader.ask([{}], { sessionId: 0 });
  const second = reader.id;
  reader.epoch = 0;
  await reader.ask([{}]);
  expect(door.fetch.sessions).toBe(1);
  expect(reader.id).not.toBe(second);
});

test('who does not want a session has none, nor does who wants nothing', async () => {
  const { client, door } = await openReader();
  expect((await client.ask(fetch, 12, fetchOf([{}]))).sessionId).toBe(0);
  expect((await client.ask(fetch, 12, fetchOf([], { sessionEpoch: 0 }))).sessionId).toBe(0);
  // Before version 7 there were none.
  expect(shown(await client.ask(fetch, 6, fetchOf([{}])))).toEqual(['0 end']);
  expect(door.fetch.sessions).toBe(0);
});

test('a session that waits is woken by any of its partitions', async () => {
  const { door, client, append } = await openReader({ topic: ledPartitions(2) });
  const reader = new SessionReader(client);
  await reader.ask([{}, { partition: 1 }]);
  client.send(fetch, 12, reader.request([], { maxWaitMs: 60_000 }));
  await door.settle();
  expect(taken(client)).toEqual([]);
  await append(batchOf(1), 1);
  expect(taken(client)).toEqual([['1 0-0']]);
});

test('a session that goes on by another connection leaves nothing to wait for at the first', async () => {
  const { door, client, append } = await openReader({ topic: ledPartitions(2) });
  const other = door.connect();
  const reader = new SessionReader(client);
  await reader.ask([{}, { partition: 1 }]);
  client.send(fetch, 12, reader.request([], { maxWaitMs: 60_000 }));
  await door.settle();
  reader.epoch++;
  other.send(fetch, 12, reader.request([], { maxWaitMs: 60_000 }));
  await door.settle();
  expect([taken(client), taken(other), door.fetch.waiting]).toEqual([[[]], [], 1]);
  await append(batchOf(1), 1);
  expect([taken(client), taken(other)]).toEqual([[], [['1 0-0']]]);
});

test('a reader that sends the next fetch of its session before it has the answer has one answer to each', async () => {
  const { door, client, append } = await openReader({ topic: ledPartitions(2) });
  const reader = new SessionReader(client);
  await reader.ask([{}, { partition: 1 }]);
  for (let i = 0; i < 3; i++) {
    client.send(fetch, 12, reader.request([], { maxWaitMs: 60_000 }));
    reader.epoch++;
  }
  await door.settle();
  expect([taken(client), door.fetch.waiting]).toEqual([[], 1]);
  await append(batchOf(1), 1);
  expect([taken(client), door.fetch.waiting]).toEqual([[['1 0-0'], ['1 0-0'], ['1 0-0']], 0]);
  expect(await door.leakedBytes()).toBe(0);
});

test('an answer that begins the next fetch of its session at once finds it at rest', async () => {
  const { door } = await openReader();
  const answers: number[] = [];
  const begin = (sessionId: number, sessionEpoch: number): void => {
    const topics =
      sessionEpoch === 0 ? [{ topic: 'orders', topicId: NO_UUID, partitions: [{ ...EVERYTHING, partition: 0 }] }] : [];
    const answer = (response: { sessionId: number }): void => {
      answers.push(sessionEpoch);
      if (sessionEpoch < 3) begin(response.sessionId, sessionEpoch + 1);
    };
    const request = { ...NOTHING_ELSE, sessionId, sessionEpoch, topics };
    door.fetch.handle({ request, answer } as unknown as Parameters<typeof door.fetch.handle>[0]);
  };
  begin(0, 0);
  expect([answers, door.fetch.waiting]).toEqual([[0, 1, 2, 3], 0]);
});

test('a session that is closed while a fetch of it waits answers that one, and reads nowhere any more', async () => {
  const { door, client, append } = await openReader({ topic: ledPartitions(2) });
  const other = door.connect();
  const reader = new SessionReader(client);
  await reader.ask([{}, { partition: 1 }]);
  client.send(fetch, 12, reader.request([], { maxWaitMs: 60_000 }));
  await door.settle();
  const removed = [0, 1].map((index) => vi.spyOn(door.broker.partition(index).readers, 'remove'));
  const closing = fetchOf([], { topics: [], sessionId: reader.id, sessionEpoch: -1 });
  expect(shown(await other.ask(fetch, 12, closing))).toEqual([]);
  expect(taken(client)).toEqual([]);
  await append(batchOf(1), 1);
  expect(taken(client)).toEqual([['1 0-0']]);
  expect(removed.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
});

test('a session that ends between two fetches reads nowhere any more', async () => {
  const { door, client } = await openReader();
  const reader = new SessionReader(client);
  await reader.ask([{}]);
  const removed = vi.spyOn(door.broker.partition().readers, 'remove');
  await client.ask(fetch, 12, fetchOf([], { topics: [], sessionId: reader.id, sessionEpoch: -1 }));
  expect(removed).toHaveBeenCalledOnce();
});

test('the session id of the answer is the one that goes on', async () => {
  const { client } = await openReader();
  const reader = new SessionReader(client);
  await reader.ask([{}]);
  expect((await client.ask(fetch, 12, reader.request())).sessionId).toBe(reader.id);
});

test('when there are as many as there may be, who comes has none, until one was not used for long', async () => {
  const { door, client } = await openReader();
  const readers = Array.from({ length: KAFKA_FETCH_SESSIONS_MAX }, () => new SessionReader(client));
  for (const reader of readers) await reader.ask([{}]);
  expect(door.fetch.sessions).toBe(KAFKA_FETCH_SESSIONS_MAX);
  const late = new SessionReader(client);
  expect(await late.ask([{}])).toEqual(['0 end']);
  expect(late.id).toBe(0);
  await door.pass(EVICTABLE_AFTER_MS - 1);
  // Used: the second is the oldest now.
  await readers[0]!.ask();
  late.epoch = 0;
  await late.ask([{}]);
  expect(late.id).toBe(0);
  await door.pass(1);
  late.epoch = 0;
  await late.ask([{}]);
  expect(late.id).toBeGreaterThan(0);
  expect(await readers[1]!.ask()).toEqual(['error 70']);
  expect(await readers[0]!.ask()).toEqual([]);
  expect(door.fetch.sessions).toBe(KAFKA_FETCH_SESSIONS_MAX);
  for (const reader of readers.slice(2)) await reader.ask();
  late.id = late.epoch = 0;
  await late.ask([{}]);
  expect(late.id).toBe(0);
});

test('sessions have so many partitions together, and who forgets some makes room for others', () => {
  const clock = { monotonicMs: () => 0 };
  const sessions = new FetchSessions(clock, seededRandom(1));
  const many = Array.from({ length: PARTITIONS_MAX / 2 }, (_, partition) => partition);
  const begin = (partitions: readonly number[], parts: Partial<FetchRequest> = {}): number => {
    const topic = { topic: 'orders', topicId: NO_UUID };
    const wants = partitions.map((partition) => ({ ...EVERYTHING, partition }));
    const request = { ...NOTHING_ELSE, sessionEpoch: 0, topics: [{ ...topic, partitions: wants }], ...parts };
    const context = sessions.contextOf(request);
    if ('errorCode' in context) throw new Error(`error ${context.errorCode}`);
    return context.sessionId;
  };
  const first = begin(many);
  expect([begin(many) > 0, begin([0])]).toEqual([true, 0]);
  const forgotten = { topic: 'orders', topicId: NO_UUID, partitions: [7] };
  begin([], { sessionId: first, sessionEpoch: 1, forgottenTopicsData: [forgotten] });
  expect([begin([0]) > 0, begin([0])]).toEqual([true, 0]);
  begin([], { sessionId: first, sessionEpoch: -1 });
  const last = begin(many.slice(1));
  expect(last).toBeGreaterThan(0);
  expect(begin([0])).toBe(0);
  // Nor may one that there is grow past that: it ends, and what it had is free for others.
  expect(() => begin([many.length], { sessionId: last, sessionEpoch: 1 })).toThrow('error 70');
  expect(begin([0])).toBeGreaterThan(0);
});

test('whatever happens, a reader with a session comes to know what one without would', async () => {
  const partitions = 3;
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('append' as const),
      partition: fc.nat({ max: partitions - 1 }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({
      kind: fc.constant('fetch' as const),
      partition: fc.nat({ max: partitions - 1 }),
      count: fc.integer({ min: 1, max: 4_000 }),
    }),
    fc.record({ kind: fc.constant('move' as const), partition: fc.nat({ max: partitions - 1 }), count: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { door, client, append } = await openReader({ topic: ledPartitions(partitions) });
      const reader = new SessionReader(client);
      const leads = [true, true, true];
      const ends = [0, 0, 0];
      let epoch = 1;
      // What the reader thinks: how far each is read, and what it was told of its end (-1: an error).
      const read = [0, 0, 0];
      const told: (number | undefined)[] = [undefined, undefined, undefined];
      const fetchOnce = async (maxBytes: number): Promise<void> => {
        const isFirst = reader.epoch === 0;
        const wants = [0, 1, 2].map((partition) => ({ partition, fetchOffset: read[partition]! }));
        const response = await client.ask(fetch, 12, reader.request(wants, { maxBytes }));
        reader.id = response.sessionId;
        reader.epoch++;
        const answers = response.responses.flatMap((topic) => topic.partitions);
        expect(answers.length).toBeGreaterThanOrEqual(isFirst ? partitions : 0);
        for (const { partitionIndex, errorCode, highWatermark, records } of answers) {
          told[partitionIndex] = errorCode === 0 ? highWatermark : -1;
          // Whole batches, from where it wanted to go on.
          for (let at = 0; at < records!.length; at += batchBytesOf(records!, at)) {
            expect(baseOffsetOf(records!, at)).toBe(read[partitionIndex]);
            read[partitionIndex] = lastOffsetOf(records!, at) + 1;
          }
        }
        expect(told).toEqual([0, 1, 2].map((index) => (leads[index]! ? ends[index] : -1)));
      };
      for (const { kind, partition, count } of steps) {
        if (kind === 'fetch') {
          await fetchOnce(count);
        } else if (kind === 'append' && leads[partition]!) {
          await append(batchOf(count), partition);
          ends[partition]! += count;
        } else if (kind === 'move') {
          leads[partition] = !leads[partition];
          epoch++;
          const states = leads.map((mine) => ({ leader: mine ? 1 : 2, epoch, replicas: [1, 2] }));
          door.apply(...changesOf({ partitions: states }));
          await door.settle();
        }
      }
      leads.fill(true);
      door.apply(...changesOf({ partitions: leads.map(() => ({ leader: 1, epoch: epoch + 1, replicas: [1, 2] })) }));
      await door.settle();
      for (let i = 0; i < 60; i++) await fetchOnce(100_000);
      expect(read).toEqual(ends);
    }),
    { numRuns: 40 },
  );
});
