import { expect, test } from 'vitest';
import { electLeaders } from '@weir/kafka/apis/elect-leaders.ts';
import { ElectionType } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { TestDoor } from './test-door.ts';

const PREFERRED = 0;
const UNCLEAN = 1;

/** Led as it should be; not by its preferred replica; by nobody. */
const TOPIC = {
  partitions: [
    { leader: 1, epoch: 0 },
    { leader: 2, epoch: 0, replicas: [1, 2] },
    { leader: -1, epoch: 0, replicas: [2] },
  ],
};

/** Asks for an election, which the coordinator carries out but for some partitions; codes by partition. */
async function elect(
  electionType: number,
  partitions: readonly number[] | null,
  { unavailable = [], version = 2 }: { readonly unavailable?: readonly number[]; readonly version?: number } = {},
) {
  const door = await TestDoor.open({ topic: TOPIC });
  door.coordinator.answer = () => ({
    revision: BigInt(door.revision),
    unavailable: unavailable.map((partition) => ({ topic: 'orders', partition })),
  });
  const topicPartitions = partitions === null ? null : [{ topic: 'orders', partitions }];
  const response = await door.connect().ask(electLeaders, version, { electionType, topicPartitions, timeoutMs: 1_000 });
  const results = response.replicaElectionResults.flatMap(({ partitionResults }) => partitionResults);
  return {
    errorCode: response.errorCode,
    codes: Object.fromEntries(results.map(({ partitionId, errorCode }) => [partitionId, errorCode])),
    calls: door.coordinator.calls.map(({ request: { type, partitions: named } }) => ({
      type,
      partitions: named.map(({ partition }: { partition: number }) => partition),
    })),
  };
}

test('preferred replicas are elected of the partitions that are named, and need it', async () => {
  for (const version of [0, 1, 2]) {
    expect(await elect(PREFERRED, [0, 1, 2, 2, 9], { unavailable: [2], version })).toEqual({
      errorCode: 0,
      codes: { 0: 84, 1: 0, 2: 80, 9: 3 },
      calls: [{ type: ElectionType.PREFERRED, partitions: [1, 2] }],
    });
  }
});

test('an unclean election is for what nobody leads', async () => {
  const calls = [{ type: ElectionType.UNCLEAN, partitions: [2] }];
  expect(await elect(UNCLEAN, [0, 1, 2])).toEqual({ errorCode: 0, codes: { 0: 84, 1: 84, 2: 0 }, calls });
  expect(await elect(UNCLEAN, [2], { unavailable: [2] })).toEqual({ errorCode: 0, codes: { 2: 83 }, calls });
});

test('of all partitions those are answered that needed an election', async () => {
  expect(await elect(PREFERRED, null, { unavailable: [2] })).toMatchObject({ codes: { 1: 0, 2: 80 } });
});

test('nobody is asked about partitions that need no election', async () => {
  expect(await elect(PREFERRED, [0])).toEqual({ errorCode: 0, codes: { 0: 84 }, calls: [] });
});

test('an election that does not exist is refused', async () => {
  expect(await elect(7, null)).toEqual({ errorCode: 42, codes: {}, calls: [] });
});

test('without a coordinator each is told to try again', async () => {
  const door = await TestDoor.open({ topic: TOPIC });
  const topicPartitions = [{ topic: 'orders', partitions: [0, 1] }];
  const request = { electionType: PREFERRED, topicPartitions, timeoutMs: 1_000 };
  const { replicaElectionResults } = await door.connect().ask(electLeaders, 2, request);
  expect(replicaElectionResults[0]!.partitionResults).toMatchObject([
    { partitionId: 0, errorCode: 84 },
    { partitionId: 1, errorCode: 7 },
  ]);
});
