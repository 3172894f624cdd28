import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { offset } from '@weir/base/ids.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { batchOf, changesOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import { Partition } from '../partition/partition.ts';
import { fetchOf, ledPartitions, openReader, taken, wanting } from './fetch-test-kit.ts';
import type { Want } from './fetch-test-kit.ts';
import { OTHER_ID_BYTES, otherTopic, TestDoor } from './test-door.ts';

const VERSION = 12;
const PARTITIONS = 4;
/** One more is asked for than there are. */
const ASKED_MAX = PARTITIONS;
const WAIT_MS = 10_000;
const FENCED = 74;
const MOVED = 6;
const OUT_OF_RANGE = 1;
const UNKNOWN = 3;

interface Place {
  readonly index: number;
  fetchOffset: number;
  maxBytes: number;
  epoch: number;
  told: string;
}

/** What a partition has for a reader, as the protocol tells it. */
interface Told {
  readonly index: number;
  readonly error: number;
  readonly position: string;
  readonly bytes: number;
}

/**
 * What a fetch is to be answered with, and when, found the slow way: by a look at every partition after whatever
 * happened, with no memory of an earlier one but what the reader was told.
 */
class SlowReader {
  readonly #door: TestDoor;
  readonly #isSession: boolean;
  #places: Place[] = [];
  #limits = { minBytes: 0, maxBytes: 0 };

  constructor(door: TestDoor, isSession: boolean) {
    this.#door = door;
    this.#isSession = isSession;
  }

  get size(): number {
    return this.#places.length;
  }

  ask(wants: readonly Want[], forgotten: readonly number[], limits: { minBytes: number; maxBytes: number }): void {
    if (!this.#isSession) this.#places = [];
    for (const { partition, fetchOffset, partitionMaxBytes, currentLeaderEpoch } of wants) {
      let place = this.#places.find(({ index }) => index === partition);
      if (place === undefined) {
        place = { index: partition!, fetchOffset: 0, maxBytes: 0, epoch: -1, told: '' };
        this.#places.push(place);
      }
      place.fetchOffset = fetchOffset!;
      place.maxBytes = partitionMaxBytes!;
      place.epoch = currentLeaderEpoch ?? -1;
    }
    this.#places = this.#places.filter(({ index }) => !forgotten.includes(index));
    this.#limits = limits;
  }

  /** The answer, or undefined: it waits. */
  answer(isDue: boolean): Told[] | undefined {
    const { minBytes, maxBytes } = this.#limits;
    let left = maxBytes;
    let isFirst = true;
    let isCut = false;
    const all = this.#places.map((place): Told => {
      const { index, fetchOffset, epoch } = place;
      const partition = this.#door.broker.partitions.serving(TOPIC_ID_BYTES, index, epoch);
      const refused = (error: number): Told => ({ index, error, position: '', bytes: 0 });
      if (!(partition instanceof Partition)) {
        return refused(
          { FENCED_LEADER_EPOCH: FENCED, NOT_LEADER_OR_FOLLOWER: MOVED }[partition.code as string] ?? UNKNOWN,
        );
      }
      const { highWatermark, logStartOffset } = partition;
      const limit = Math.min(left, place.maxBytes);
      const read = partition.read(offset(fetchOffset), Math.max(1, limit));
      if (read.kind === 'outOfRange') return refused(OUT_OF_RANGE);
      const batches = read.kind === 'batches' ? read : { buffers: [], nextOffset: fetchOffset };
      let bytes = batches.buffers.reduce((sum, { length }) => sum + length, 0);
      if (bytes > limit && !isFirst) bytes = 0;
      if (bytes > 0) isFirst = false;
      left = Math.max(0, left - bytes);
      isCut ||= (bytes > 0 ? batches.nextOffset : fetchOffset) < highWatermark;
      return { index, error: 0, position: `${logStartOffset}/${highWatermark}`, bytes };
    });
    const bytes = all.reduce((sum, one) => sum + one.bytes, 0);
    const isEnough = bytes >= Math.min(minBytes, maxBytes) || (bytes > 0 && isCut);
    const hasError = all.some(({ error }) => error !== 0 && error !== UNKNOWN);
    if (!isDue && !isEnough && !hasError && !all.every(({ error }) => error === UNKNOWN)) return undefined;
    const places = this.#places;
    return all.filter((one, at) => this.#tells(places[at]!, one));
  }

  #tells(place: Place, { error, position, bytes }: Told): boolean {
    if (!this.#isSession) return true;
    const isNews = error !== 0 || bytes > 0 || place.told !== position;
    place.told = position;
    if (bytes > 0) this.#places = [...this.#places.filter((other) => other !== place), place];
    return isNews;
  }
}

/** A reader with at most one fetch on its way. */
class Reader {
  readonly slow: SlowReader;
  readonly #client: ReturnType<TestDoor['connect']>;
  readonly #isSession: boolean;
  #sessionId = 0;
  #epoch = 0;
  isWaiting = false;

  constructor(door: TestDoor, isSession: boolean) {
    this.slow = new SlowReader(door, isSession);
    this.#client = door.connect();
    this.#isSession = isSession;
  }

  send(wants: readonly Want[], forgotten: readonly number[], limits: { minBytes: number; maxBytes: number }): void {
    const named = { topic: 'orders', topicId: TOPIC_ID_BYTES, partitions: forgotten };
    const request = fetchOf(wants, {
      ...limits,
      maxWaitMs: WAIT_MS,
      ...(wants.length === 0 ? { topics: [] } : {}),
      ...(this.#isSession ? { sessionId: this.#sessionId, sessionEpoch: this.#epoch } : {}),
      ...(this.#isSession && this.#epoch > 0 ? { forgottenTopicsData: [named] } : {}),
    });
    this.slow.ask(wants, this.#epoch > 0 ? forgotten : [], limits);
    this.#client.send(fetch, VERSION, request);
    this.isWaiting = true;
  }

  /** What has come: undefined when nothing did. */
  taken(): Told[] | undefined {
    const [answer, ...more] = this.#client.take();
    if (answer === undefined) return undefined;
    assert(more.length === 0, 'a fetch is answered once');
    this.isWaiting = false;
    const { errorCode, sessionId, responses } = answer.response;
    assert(errorCode === 0, 'its session is known');
    this.#sessionId = sessionId;
    if (this.#isSession) this.#epoch++;
    // It ends with its last partition.
    if (this.slow.size === 0) this.#epoch = 0;
    return responses.flatMap((topic: { partitions: any[] }) =>
      topic.partitions.map(({ partitionIndex, errorCode: error, highWatermark, logStartOffset, records }) => ({
        index: partitionIndex,
        error,
        position: error === 0 ? `${logStartOffset}/${highWatermark}` : '',
        bytes: records.length,
      })),
    );
  }
}

const index = fc.nat({ max: PARTITIONS - 1 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('append' as const), index, size: fc.integer({ min: 1, max: 400 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), index, share: fc.constantFrom(0.3, 0.7, 1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('fence' as const, 'move' as const), index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      reader: fc.nat({ max: 1 }),
      wants: fc.array(
        fc.record({
          index: fc.nat({ max: ASKED_MAX }),
          // Most stand at the end.
          share: fc.constantFrom(0, 0.5, 1, 1, 1, 1),
          partitionMaxBytes: fc.constantFrom(1, 700, 100_000, 100_000, 100_000),
          tellsEpoch: fc.boolean(),
        }),
        { maxLength: 6 },
      ),
      forgotten: fc.array(fc.nat({ max: ASKED_MAX }), { maxLength: 1 }),
      minBytes: fc.constantFrom(0, 1, 300, 1_000, 2_000, 2_000),
      maxBytes: fc.constantFrom(1, 800, 100_000, 100_000, 100_000),
    }),
  },
);

test('a fetch is answered when, and with what, a look at all its partitions after each event would tell', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const door = await TestDoor.open({ topic: ledPartitions(PARTITIONS) });
      const readers = [new Reader(door, true), new Reader(door, false)];
      const leads = Array.from({ length: PARTITIONS }, () => ({ leader: 1, epoch: 0, replicas: [1, 2] }));
      const served = (at: number): Partition | undefined => {
        const found = door.broker.partitions.serving(TOPIC_ID_BYTES, at, -1);
        return found instanceof Partition ? found : undefined;
      };
      for (const one of steps) {
        const partition = 'index' in one ? served(one.index) : undefined;
        if (one.kind === 'append') {
          partition?.append(batchOf(1, 'x'.repeat(one.size)), -1, door.broker.waiter, 0);
        } else if (one.kind === 'trim' && partition !== undefined) {
          partition.deleteRecords(Math.floor(partition.highWatermark * one.share));
        } else if (one.kind === 'fence' || one.kind === 'move') {
          const lead = leads[one.index]!;
          lead.epoch++;
          if (one.kind === 'move') lead.leader = 3 - lead.leader;
          door.apply(...changesOf({ partitions: leads }));
        } else if (one.kind === 'pass') {
          await door.pass(WAIT_MS);
        } else if (one.kind === 'ask' && !readers[one.reader]!.isWaiting) {
          const reader = readers[one.reader]!;
          const byIndex = new Map<number, Want>();
          for (const want of one.wants) {
            byIndex.set(want.index, {
              partition: want.index,
              fetchOffset: Math.floor((served(want.index)?.highWatermark ?? 0) * want.share),
              partitionMaxBytes: want.partitionMaxBytes,
              currentLeaderEpoch: want.tellsEpoch ? (leads[want.index]?.epoch ?? -1) : -1,
            });
          }
          reader.send([...byIndex.values()], one.forgotten, { minBytes: one.minBytes, maxBytes: one.maxBytes });
        }
        await door.settle();
        const waiting = readers.filter(({ isWaiting }) => isWaiting);
        const expected = waiting.map(({ slow }) => slow.answer(one.kind === 'pass'));
        expect(waiting.map((reader) => reader.taken())).toEqual(expected);
      }
      expect(await door.leakedBytes()).toBe(0);
    }),
    { numRuns: 300 },
  );
});

/** What a batch with this many bytes of value comes to. */
const BATCH_BYTES = batchOf(1, 'x'.repeat(1_000)).length;

test('a record costs a fetch that waits a look at its partition alone, and from where it has looked before', async () => {
  const count = 20;
  const { door, client, fill } = await openReader({ topic: ledPartitions(count) });
  for (let at = 0; at < count; at++) await fill(1, 1_000, at);
  const all = Array.from({ length: count }, (_, partition) => ({ partition }));
  client.send(fetch, VERSION, fetchOf(all, { maxWaitMs: WAIT_MS, minBytes: (count + 3) * BATCH_BYTES }));
  await door.settle();
  const reads = all.map(({ partition }) => vi.spyOn(door.broker.partition(partition), 'read'));
  const counts = (): number[] => reads.map(({ mock }) => mock.calls.length);
  await fill(1, 1_000, 7);
  await fill(1, 1_000, 7);
  expect([counts().filter((calls) => calls > 0), counts()[7]]).toEqual([[2], 2]);
  expect(reads[7]!.mock.calls.map(([from]) => from)).toEqual([1, 2]);
  await fill(1, 1_000, 7);
  expect(taken(client)).toEqual([all.map(({ partition }) => `${partition} ${partition === 7 ? '0-3' : '0-0'}`)]);
});

test('without a session, all are told of and only those with records are read again', async () => {
  const { door, client, fill } = await openReader({ topic: ledPartitions(3) });
  client.send(fetch, VERSION, fetchOf([{}, { partition: 1 }, { partition: 2 }], { maxWaitMs: WAIT_MS }));
  await door.settle();
  const reads = [0, 1, 2].map((partition) => vi.spyOn(door.broker.partition(partition), 'read'));
  await fill(1, 1_000, 1);
  expect(taken(client)).toEqual([['0 end', '1 0-0', '2 end']]);
  expect(reads.map(({ mock }) => mock.calls.length)).toEqual([0, 1, 0]);
});

test('a fetch with a session costs what has changed since the last one', async () => {
  const count = 20;
  const { door, client, fill } = await openReader({ topic: ledPartitions(count) });
  const all = Array.from({ length: count }, (_, partition) => ({ partition }));
  const first = await client.ask(fetch, VERSION, fetchOf(all, { sessionEpoch: 0 }));
  const { sessionId } = first;
  const reads = all.map(({ partition }) => vi.spyOn(door.broker.partition(partition), 'read'));
  client.send(fetch, VERSION, fetchOf([], { topics: [], sessionId, sessionEpoch: 1, maxWaitMs: WAIT_MS }));
  await fill(1, 1_000, 7);
  expect(taken(client)).toEqual([['7 0-0']]);
  const wants = [{ partition: 7, fetchOffset: 1 }];
  expect(await client.ask(fetch, VERSION, fetchOf(wants, { sessionId, sessionEpoch: 2 }))).toMatchObject({
    responses: [],
  });
  expect(reads.map(({ mock }) => mock.calls.length)).toEqual(all.map(({ partition }) => (partition === 7 ? 2 : 0)));
});

test('records that are deleted while their reader waits for more are out of range at once', async () => {
  const { door, client, fill } = await openReader({ topic: ledPartitions(2) });
  await fill(3, 1_000, 1);
  client.send(fetch, VERSION, fetchOf([{}, { partition: 1 }], { maxWaitMs: WAIT_MS, minBytes: 1_000_000 }));
  await door.settle();
  door.broker.partition(1).deleteRecords(3);
  await door.settle();
  expect(taken(client)).toEqual([['0 end', '1 error 1']]);
});

test('the same goes for those that are not kept any longer', async () => {
  const configs = { 'retention.bytes': '1000', 'segment.bytes': '1048576' };
  const { door, client, fill } = await openReader({ topic: { ...ledPartitions(1), configs } });
  await fill(3, 500_000);
  client.send(
    fetch,
    VERSION,
    fetchOf([{ partitionMaxBytes: 10_000_000 }], { maxWaitMs: WAIT_MS, minBytes: 10_000_000 }),
  );
  await door.settle();
  expect(taken(client)).toEqual([]);
  expect(door.broker.partition().retain(0).segments).toBe(1);
  await door.settle();
  expect(taken(client)).toEqual([['0 error 1']]);
});

test('a batch that is larger than what is wanted of its partition goes alone or not at all, as another one decides', async () => {
  const { door, client, fill } = await openReader({ topic: ledPartitions(2) });
  await fill(1, 1_000, 1);
  const wants = [{}, { partition: 1, partitionMaxBytes: 1 }];
  client.send(fetch, VERSION, fetchOf(wants, { maxWaitMs: WAIT_MS, minBytes: 10 * BATCH_BYTES }));
  await door.settle();
  expect(taken(client)).toEqual([]);
  // Nothing that comes would bring more of it.
  await fill(1, 1_000, 0);
  expect(taken(client)).toEqual([['0 0-0', '1 end']]);
});

test('a topic that comes while a reader waits counts from the next record on, wherever that is', async () => {
  const { door, client, fill } = await openReader();
  const topics = [wanting([{}]), wanting([{}], 'other', OTHER_ID_BYTES)];
  client.send(fetch, VERSION, fetchOf([], { topics, maxWaitMs: WAIT_MS, minBytes: 3 * BATCH_BYTES }));
  await door.settle();
  door.apply(...otherTopic({ partitions: [{ leader: 1, epoch: 0 }] }));
  await door.settle();
  const other = door.broker.partitions.serving(OTHER_ID_BYTES, 0, -1) as Partition;
  for (let i = 0; i < 2; i++) other.append(batchOf(1, 'x'.repeat(1_000)), -1, door.broker.waiter, i);
  await door.settle();
  expect(taken(client)).toEqual([]);
  await fill(1, 1_000);
  expect(taken(client)).toEqual([['0 0-0', '0 0-1']]);
});
