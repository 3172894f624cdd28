import { expect, test, vi } from 'vitest';
import { KAFKA_ANSWER_SLICE_MS } from '@weir/base/limits.ts';
import { describeConfigs } from '@weir/kafka/apis/describe-configs.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import type { Answer } from './test-client.ts';
import { otherTopic, TestDoor } from './test-door.ts';

const TOPIC = 2;
const LONG_MS = 10_000;

test('a long answer about topics or their configs lets others run between its parts, and is whole all the same', async () => {
  const door = await TestDoor.open();
  door.apply(...otherTopic({ partitions: [{ leader: 2, epoch: 0 }] }));
  const slow = door.connect();
  const other = door.connect({ host: '10.0.0.2' });
  const names = ['orders', 'other', 'none'];
  const resources = names.map((resourceName) => ({ resourceType: TOPIC, resourceName, configurationKeys: ['flush'] }));
  const askOther = (): number => other.send(metadata, 12, { topics: [] });
  const sends = [
    () => slow.send(metadata, 12, { topics: null }),
    () => slow.send(metadata, 12, { topics: names.map((name) => ({ name })), allowAutoTopicCreation: false }),
    () => slow.send(describeConfigs, 4, { resources, includeSynonyms: false, includeDocumentation: false }),
  ];
  // Each look at the clock finds a slice used up, so that each part is one; what waits for the time waits until it passes.
  const { clock } = door.broker;
  vi.spyOn(clock, 'monotonicMs').mockImplementation(() => (clock.nowMs += KAFKA_ANSWER_SLICE_MS));
  for (const send of sends) {
    send();
    askOther();
    await door.settle();
    expect([slow.take(), other.take().length]).toEqual([[], 1]);
    const answers: Answer[] = [];
    while (answers.length === 0 && clock.nowMs < LONG_MS) {
      await door.pass(1);
      answers.push(...slow.take());
    }
    const [{ response }] = answers as [Answer];
    expect(response.topics?.length ?? response.results.length).toBe(send === sends[0] ? 2 : 3);
  }
});
