import { isInternalTopic } from '@weir/base/ids.ts';
import type { ClusterImage } from '../metadata/cluster-image.ts';

/** What a consumer reads: topics by name, whether they are there yet or not, or those whose names match a pattern. */
export type TopicsWanted = readonly string[] | RegExp;

/** The names that it says in its group, each once. Weir's own topics match no pattern. */
export function topicNames(wanted: TopicsWanted, image: ClusterImage): readonly string[] {
  if (!(wanted instanceof RegExp)) return [...new Set(wanted)];
  // One that remembers where it found something would find every other topic.
  const pattern = new RegExp(wanted.source, wanted.flags.replaceAll(/[gy]/g, ''));
  return [...image.topics()]
    .map(({ name }) => name)
    .filter((name) => pattern.test(name) && !isInternalTopic(name))
    .toSorted();
}

/** What there is of topics: another one when partitions are added, or a topic comes, goes, or is created again. */
export function extentOf(names: Iterable<string>, image: ClusterImage): string {
  return [...names]
    .toSorted()
    .map((name) => {
      const topic = image.topic(name);
      return topic === undefined ? name : `${name}/${topic.id}/${topic.partitions.length}`;
    })
    .join();
}
