import { expect, test } from 'vitest';
import { deleteTopics } from '@weir/kafka/apis/delete-topics.ts';
import { latin1 } from '../partition/partition-key.ts';
import { TOPIC_ID_BYTES } from '../test-broker.ts';
import { NO_SUCH_ID_BYTES, TestDoor } from './test-door.ts';

const SOON = { timeoutMs: 1_000 };
const NO_ID = new Uint8Array(16);

type Named = { readonly name: string | null; readonly topicId: Uint8Array };

const nameOfId = (id: Uint8Array): string | undefined =>
  new Map([
    [latin1(TOPIC_ID_BYTES), 'its id'],
    [latin1(NO_ID), 'none'],
    [latin1(NO_SUCH_ID_BYTES), 'unknown'],
  ]).get(latin1(id));

const BY_NAME: Named = { name: 'orders', topicId: NO_ID };
const BY_ID: Named = { name: null, topicId: TOPIC_ID_BYTES };
const BY_BOTH: Named = { name: 'orders', topicId: TOPIC_ID_BYTES };
const BY_NOTHING: Named = { name: null, topicId: NO_ID };
const UNKNOWN: Named = { name: null, topicId: NO_SUCH_ID_BYTES };

test('topics are deleted by name and by id', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = (_method, { topics }) => ({
    results: topics.map(({ name }: { name: string }) =>
      name === 'orders'
        ? { name, code: 'NONE', message: '', topicId: TOPIC_ID_BYTES, revision: 0n }
        : { name, code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'no', topicId: new Uint8Array(), revision: 0n },
    ),
  });
  const byName = await client.ask(deleteTopics, 5, { ...SOON, topicNames: ['orders', 'never-there'] });
  expect(byName.responses).toMatchObject([
    { name: 'orders', errorCode: 0, errorMessage: null },
    { name: 'never-there', errorCode: 3, errorMessage: 'no' },
  ]);
  const { responses } = await client.ask(deleteTopics, 6, {
    ...SOON,
    topics: [
      { name: null, topicId: TOPIC_ID_BYTES },
      { name: null, topicId: NO_SUCH_ID_BYTES },
      { name: 'never-there', topicId: NO_ID },
    ],
  });
  expect(responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    [null, 100],
    ['orders', 0],
    ['never-there', 3],
  ]);
  expect(Buffer.from(responses[1]!.topicId)).toEqual(Buffer.from(TOPIC_ID_BYTES));
  expect(door.coordinator.calls.at(-1)!.request.topics).toMatchObject([
    { name: 'orders', id: Buffer.from(TOPIC_ID_BYTES) },
    { name: 'never-there' },
  ]);
});

test('a topic that is named twice is refused once, and stays', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = () => ({ results: [] });
  for (const version of [1, 5]) {
    const topicNames = ['orders', 'none', 'orders', 'none', 'orders'];
    const { responses } = await client.ask(deleteTopics, version, { ...SOON, topicNames });
    expect(responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['orders', 42],
      ['none', 42],
    ]);
  }
  const outcomes = async (...topics: Named[]): Promise<unknown[]> => {
    const { responses } = await client.ask(deleteTopics, 6, { ...SOON, topics });
    return responses.map(({ name, topicId, errorCode }) => [name, nameOfId(topicId), errorCode]);
  };
  expect(await outcomes(BY_NAME, BY_NAME)).toEqual([['orders', 'none', 42]]);
  expect(await outcomes(BY_ID, BY_ID)).toEqual([[null, 'its id', 42]]);
  expect(await outcomes(UNKNOWN, UNKNOWN)).toEqual([[null, 'unknown', 42]]);
  // By its name and by its id is twice as well.
  expect(await outcomes(BY_NAME, BY_ID)).toEqual([['orders', 'its id', 42]]);
  expect(await outcomes(BY_ID, BY_NAME)).toEqual([['orders', 'its id', 42]]);
  expect(await outcomes(BY_NAME, BY_ID, BY_ID)).toEqual([
    ['orders', 'its id', 42],
    [null, 'its id', 42],
  ]);
  // In one place it is no name at all.
  expect(await outcomes(BY_BOTH, BY_BOTH)).toEqual([
    ['orders', 'its id', 42],
    ['orders', 'its id', 42],
  ]);
  expect(await outcomes(BY_NOTHING)).toEqual([[null, 'none', 42]]);
  expect(door.coordinator.calls).toEqual([]);
});

test('what is named in one way only is deleted, whatever else is wrong with the request', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = () => ({
    results: [{ name: 'orders', code: 'NONE', message: '', topicId: TOPIC_ID_BYTES, revision: 0n }],
  });
  for (const topics of [
    [BY_BOTH, BY_NAME],
    [BY_NAME, BY_ID, BY_NAME],
  ]) {
    const { responses } = await client.ask(deleteTopics, 6, { ...SOON, topics });
    expect(responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['orders', 42],
      ['orders', 0],
    ]);
  }
});
