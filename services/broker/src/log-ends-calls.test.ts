import { MemoryTransport } from '@weir/client/test-kit/memory-transport.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { expect, test } from 'vitest';
import type { LogEnds } from './group/lag-watch.ts';
import { LogEndsCalls } from './log-ends-calls.ts';
import { listOffsetsHandler } from './rpc/list-offsets.ts';
import { batchOf, TestPartitions, TestWaiter, TOPIC_ID_BYTES } from './test-broker.ts';

const ADDRESS = 'broker-2:7071';

/** Broker 2 with five records, of which the first two are deleted, and who asks it. */
async function testCalls() {
  const broker = new TestPartitions().leading();
  broker.partition().append(batchOf(5), 0, new TestWaiter(), 0, 'all');
  broker.settle();
  broker.partition().deleteRecords(2);
  broker.settle();
  const transport = new MemoryTransport();
  await transport.listen(ADDRESS, [listOffsetsHandler(broker.partitions)]);
  const { logger } = testWorld();
  const calls = new LogEndsCalls({ transport, logger });
  const ask = (partitions: readonly number[], leaderEpoch = 0): Promise<readonly (LogEnds | undefined)[] | undefined> =>
    new Promise((resolve) => {
      const asked = partitions.map((partition) => ({ topicId: TOPIC_ID_BYTES, partition, leaderEpoch }));
      calls.ask(ADDRESS, asked, resolve);
    });
  return { transport, calls, ask };
}

test('a leader says where logs begin and end, each in its place, and what it refuses is not known', async () => {
  const { ask } = await testCalls();
  expect(await ask([7, 0])).toEqual([undefined, { logStart: 2, highWatermark: 5 }]);
  expect(await ask([0], 9)).toEqual([undefined]);
});

test('one that is not there does not answer, and does once it is', async () => {
  const { transport, calls, ask } = await testCalls();
  const handlers = [listOffsetsHandler(new TestPartitions().leading().partitions)];
  transport.stop(ADDRESS);
  expect(await ask([0])).toBeUndefined();
  calls.keepOnly(new Set());
  await transport.listen(ADDRESS, handlers);
  expect(await ask([0])).toEqual([{ logStart: 0, highWatermark: 0 }]);
});
