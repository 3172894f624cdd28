import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ERRORS } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { COLD_READS_MAX } from '@weir/base/limits.ts';
import { ReplicateRequestSchema } from '@weir/proto/weir/broker/v1/replication_pb.js';
import type { FollowSchema } from '@weir/proto/weir/broker/v1/replication_pb.js';
import { offset } from '@weir/base/ids.ts';
import { decodeSnapshot } from '@weir/log/producers/producer-snapshot.ts';
import { asProducers } from '@weir/log/test-kit.ts';
import { expect, test } from 'vitest';
import { ColdGate } from '../rpc/cold-gate.ts';
import { batchOf, changesOf, TestPartitions, TOPIC_ID_BYTES } from '../test-broker.ts';
import { CatchUpThrottle } from './catch-up-throttle.ts';
import { FollowerStream } from './follower-stream.ts';
import type { ReplicateFrame } from './replicate-frame.ts';

const FOLLOWER = { broker: 2, epoch: 102 };

/** A leader of one partition with two replicas, and a stream of broker 2, which is registered under the epoch 102. */
function setUp({ creditBytes = 1_000_000, broker = FOLLOWER.broker, epoch = FOLLOWER.epoch } = {}) {
  const leader = new TestPartitions().recover();
  leader.apply(...changesOf({ partitions: [{ leader: 1, epoch: 0, replicas: [1, 2] }] }));
  leader.settle();
  const frames: ReplicateFrame[] = [];
  const aborted: string[] = [];
  const stream = new FollowerStream(
    {
      send: (frame) => frames.push({ ...frame, records: frame.records.map((batch) => Buffer.from(batch)) }) > 0,
      end() {},
      abort: ({ message }) => void aborted.push(message),
    },
    {
      partitions: leader.partitions,
      turn: leader.turn,
      clock: leader.clock,
      slabs: leader.slabs,
      coldGate: new ColdGate(COLD_READS_MAX),
      throttle: new CatchUpThrottle(() => 0),
      counters: { bytesIn: 0, bytesOut: 0 } as never,
      clusterId: () => 'cluster-1',
      epochOf: (id: number) => (id === 9 ? 109 : FOLLOWER.epoch),
    },
  );
  const ask = (request: MessageInitShape<typeof ReplicateRequestSchema>['request']): void => {
    stream.take(create(ReplicateRequestSchema, { request } as never));
    leader.settle();
  };
  ask({
    case: 'hello',
    value: { clusterId: 'cluster-1', brokerId: broker, brokerEpoch: BigInt(epoch), creditBytes: BigInt(creditBytes) },
  });
  const follow = (wanted: Partial<MessageInitShape<typeof FollowSchema>> = {}): void =>
    ask({
      case: 'follow',
      value: {
        subscription: 1n,
        topicId: TOPIC_ID_BYTES,
        partition: 0,
        leaderEpoch: 0,
        endOffset: 0n,
        lastEpoch: -1,
        ...wanted,
      },
    });
  const codes = (): (ErrorCode | undefined)[] =>
    frames.map(({ errorCode }) =>
      (Object.keys(ERRORS) as ErrorCode[]).find((code) => ERRORS[code].number === errorCode),
    );
  return { leader, frames, aborted, ask, follow, codes };
}

test('who is registered, has a replica and names its leader epoch is served', () => {
  const { follow, codes } = setUp();
  follow();
  expect(codes()).toEqual(['NONE']);
});

test('a follower under another registration than its broker has is refused', () => {
  const { follow, codes, leader } = setUp({ epoch: FOLLOWER.epoch - 1 });
  follow();
  expect(codes()).toEqual(['STALE_BROKER_EPOCH']);
  const [partition] = leader.partitions.all();
  expect(partition!.leadership!.replicas.durableEndOf(2)).toBeUndefined();
});

test('a broker without a replica is refused', () => {
  const { follow, codes } = setUp({ broker: 9, epoch: 109 });
  follow();
  expect(codes()).toEqual(['INVALID_REQUEST']);
});

test.each([
  [{ leaderEpoch: -1 }, 'INVALID_REQUEST'],
  [{ leaderEpoch: 1 }, 'UNKNOWN_LEADER_EPOCH'],
  [{ lastEpoch: -2 }, 'INVALID_REQUEST'],
  [{ endOffset: -1n }, 'INVALID_REQUEST'],
  [{ topicId: new Uint8Array(16) }, 'UNKNOWN_TOPIC_ID'],
] as const)('what cannot be followed is refused: %o', (wanted, code) => {
  const { follow, codes } = setUp();
  follow(wanted);
  expect(codes()).toEqual([code]);
});

test('who has records up to the start of its leader’s log alone is served in sync, and else begins anew, with what is remembered of producers', () => {
  const { leader, frames, follow, codes } = setUp();
  const [partition] = leader.partitions.all();
  partition!.append(asProducers(batchOf(1), { producerId: 7, sequence: 0 }), -1, leader.waiter, 0, 'leader');
  leader.settle();
  expect(partition!.deleteRecords(1)).toBe(1);
  const wanted = { endOffset: 1n, lastEpoch: 0 };
  follow(wanted);
  expect(codes()).toEqual(['OFFSET_OUT_OF_RANGE']);
  expect(frames[0]!.logStartOffset).toBe(1);
  expect(decodeSnapshot('', offset(1), Buffer.from(frames[0]!.producers!))!.size).toBe(1);
  follow({ subscription: 2n, endOffset: 1n });
  leader.apply(
    ...changesOf({ partitions: [{ leader: 1, epoch: 0, replicas: [1, 2], isr: [1, 2], partitionEpoch: 1 }] }),
  );
  follow({ ...wanted, subscription: 3n });
  expect(codes()).toEqual(['OFFSET_OUT_OF_RANGE', 'NONE', 'NONE']);
});

test('no more is sent than there is credit for, but for a batch that is begun, and more credit brings the rest', () => {
  const batchBytes = batchOf(1).length;
  const { leader, frames, follow, ask } = setUp({ creditBytes: batchBytes });
  const [partition] = leader.partitions.all();
  follow();
  const sentBytes = (): number => frames.flatMap(({ records }) => records).reduce((sum, { length }) => sum + length, 0);
  for (let i = 0; i < 3; i++) partition!.append(batchOf(1), -1, leader.waiter, i, 'leader');
  leader.settle();
  expect(sentBytes()).toBe(batchBytes);
  ask({ case: 'positions', value: { positions: [], creditBytes: BigInt(batchBytes) } });
  expect(sentBytes()).toBe(2 * batchBytes);
  ask({ case: 'positions', value: { positions: [], creditBytes: BigInt(5 * batchBytes) } });
  expect(sentBytes()).toBe(3 * batchBytes);
});
