import type { ErrorCode } from '@weir/base/errors.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ModelCluster } from '../test-kit/model-cluster.ts';

const PASSING: readonly ErrorCode[] = ['NOT_ENOUGH_REPLICAS', 'THROTTLING_QUOTA_EXCEEDED', 'KAFKA_STORAGE_ERROR'];

const step = fc.record({
  what: fc.constantFrom(
    'send',
    'send',
    'time',
    'read',
    'read',
    'commit',
    'commit',
    'becomeTooFew',
    'failOver',
    'tell',
    'breakStreams',
    'loseAnswer',
    'refuse',
    'refuseForGood',
  ),
  partition: fc.constantFrom(0, 1),
  broker: fc.constantFrom(1, 2),
  n: fc.nat(20),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const steps = fc.array(step, { minLength: 1, maxLength: 120, size: 'max' });

async function act(model: ModelCluster, { what, partition, broker, n }: Step): Promise<void> {
  const one = model.partitions[partition]!;
  switch (what) {
    case 'send':
      return void model.send(partition, 1 + (n % 12));
    case 'time':
      return model.advance(n * 5);
    case 'read':
      for (let i = 0; i <= n % 4; i++) model.broker(broker).read(n + i);
      return;
    case 'commit':
      return one.commit();
    case 'becomeTooFew':
      return one.becomeTooFew();
    case 'failOver':
      return model.failOver(partition, n % 4);
    case 'tell':
      return one.tell();
    case 'breakStreams':
      return model.breakStreams(broker);
    case 'loseAnswer':
      return void model.broker(broker).answersLost++;
    case 'refuse':
      return void model.broker(broker).refusals.push(PASSING[n % PASSING.length]!);
    case 'refuseForGood':
      return void model.broker(broker).refusals.push('MESSAGE_TOO_LARGE');
  }
}

/** Plays the steps, then heals everything. */
async function play(chosen: readonly Step[], deliveryTimeoutMs: number): Promise<ModelCluster> {
  const model = await ModelCluster.start(deliveryTimeoutMs);
  for (const one of chosen) {
    await act(model, one);
    await model.advance(one.n % 3);
  }
  await model.heal();
  return model;
}

test('whatever is lost, refused or comes late, records are there once, in order, and where the producer was told', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom(60, 300, 100_000), async (chosen, deliveryTimeoutMs) => {
      const model = await play(chosen, deliveryTimeoutMs);
      expect(model.mistakes()).toEqual([]);
      expect(model.client.producer.bufferedBytes).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test('with time enough, and without a refusal for good, every record is delivered', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      const model = await play(
        chosen.filter(({ what }) => what !== 'refuseForGood'),
        100_000,
      );
      expect(model.mistakes()).toEqual([]);
      expect(model.sent.filter(({ outcome }) => typeof outcome !== 'number')).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

/** A batch is answered, two more (A, B) are sent together, the first of them earlier; then the streams break. */
async function withTwoUnderWay(): Promise<ModelCluster> {
  const model = await ModelCluster.start(200);
  model.send(0, 1);
  await model.advance(5);
  model.send(0, 4);
  await model.advance(100);
  model.send(0, 4);
  model.send(0, 1);
  model.broker(1).read(0);
  model.partitions[0]!.commit();
  await model.advance(1);
  await model.breakStreams(1);
  return model;
}

test('a batch that may come late is not sent in another place, though what it follows was given up', async () => {
  const model = await withTwoUnderWay();
  // A is given up; B, which is sent again, does not follow anything that is there.
  await model.advance(130);
  model.broker(1).read(-1);
  await model.advance(1);
  const codes = model.sent.map(({ outcome }) => outcome);
  expect(codes.slice(0, 9)).toEqual([
    0,
    ...Array.from({ length: 4 }, () => 'REQUEST_TIMED_OUT'),
    ...Array.from({ length: 4 }, () => 'OUT_OF_ORDER_SEQUENCE_NUMBER'),
  ]);
  // Both come, through the stream that broke.
  await model.heal();
  expect(model.mistakes()).toEqual([]);
  expect(model.sent[9]!.outcome).toBe(model.partitions[0]!.values.length - 1);
});

test('what was under way when the streams broke, and is read after it was sent again, is known again', async () => {
  const model = await withTwoUnderWay();
  for (let i = 0; i < 10; i++) {
    model.broker(1).read(-1);
    model.partitions[0]!.commit();
    await model.advance(5);
  }
  await model.heal();
  expect(model.mistakes()).toEqual([]);
  expect(model.sent.map(({ outcome }) => outcome)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
