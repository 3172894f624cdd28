import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { expect, test } from 'vitest';
import { FakeCluster } from '../test-kit/fake-cluster.ts';
import { Metadata } from '../metadata/metadata.ts';
import { extentOf, topicNames } from './subscribed-topics.ts';

async function imageWith(...names: string[]) {
  const cluster = await FakeCluster.start();
  for (const name of names) cluster.coordinator.topic(name, [1]);
  const options = { coordinators: ['coordinator:1'], name: 'test', autoCreateTopics: false };
  const metadata = new Metadata(options, cluster.world);
  await cluster.clock.advance(1);
  return { cluster, image: metadata.image };
}

test('names are taken as they are, each once; a pattern finds all that match, but none of Weir’s own', async () => {
  const { image } = await imageWith('b-1', 'a-1', 'a-2', OFFSETS_TOPIC);
  expect(topicNames(['none', 'a-1', 'none'], image)).toEqual(['none', 'a-1']);
  expect(topicNames(/./, image)).toEqual(['a-1', 'a-2', 'b-1']);
  // One that remembers where it was would find every other one.
  expect(topicNames(/^A-/giy, image)).toEqual(['a-1', 'a-2']);
});

test('what there is of topics changes when one comes, grows, or is created again', async () => {
  const { cluster, image } = await imageWith('a');
  const seen = [extentOf(['a', 'b'], image)];
  const look = async (): Promise<void> => {
    await cluster.clock.settle();
    seen.push(extentOf(['b', 'a'], image));
  };
  cluster.coordinator.topic('b', [1]);
  await look();
  cluster.coordinator.deleteTopic('b');
  cluster.coordinator.topic('b', [1]);
  await look();
  cluster.coordinator.topic('c', [1]);
  await look();
  expect(new Set(seen.slice(0, 3)).size).toBe(3);
  expect(seen[3]).toBe(seen[2]);
});
