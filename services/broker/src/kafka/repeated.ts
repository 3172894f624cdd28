import { outcomeOf } from './admin.ts';

/** What a request has of one topic, from wherever in the request it stands. */
export interface TopicParts<Topic, Part> {
  readonly topic: Topic;
  readonly parts: Iterable<Part>;
}

/** Each topic of a request once, and each of its partitions: one that comes again counts as it comes last, as at Kafka. */
export function eachOnce<Topic, Part>(
  topics: readonly Topic[],
  {
    keyOf,
    partsOf,
    indexOf,
  }: {
    readonly keyOf: (topic: Topic) => string;
    readonly partsOf: (topic: Topic) => readonly Part[];
    readonly indexOf: (part: Part) => number;
  },
): Iterable<TopicParts<Topic, Part>> {
  const [only] = topics;
  // As nearly all requests are: then nothing has to be kept.
  if (only !== undefined && topics.length === 1 && isShortWithoutRepeats(partsOf(only), indexOf)) {
    return [{ topic: only, parts: partsOf(only) }];
  }
  const found = new Map<string, { readonly topic: Topic; readonly parts: Map<number, Part> }>();
  for (const topic of topics) {
    const key = keyOf(topic);
    let known = found.get(key);
    if (known === undefined) found.set(key, (known = { topic, parts: new Map() }));
    for (const part of partsOf(topic)) known.parts.set(indexOf(part), part);
  }
  return found.values().map(({ topic, parts }) => ({ topic, parts: parts.values() }));
}

/** Every pair is compared, which is worth it for few. */
function isShortWithoutRepeats<Part>(parts: readonly Part[], indexOf: (part: Part) => number): boolean {
  if (parts.length > COMPARED_MAX) return false;
  for (let i = 1; i < parts.length; i++) {
    for (let j = 0; j < i; j++) if (indexOf(parts[i]!) === indexOf(parts[j]!)) return false;
  }
  return true;
}

const COMPARED_MAX = 16;

/** Each of `all` once, as it comes last, in the place where it came first. */
export function lastOfEach<T>(all: readonly T[], keyOf: (one: T) => string): readonly T[] {
  return all.length < 2 ? all : [...new Map(all.map((one) => [keyOf(one), one])).values()];
}

/** Those of `all` that come more than once. */
export function repeated<T>(all: Iterable<T>): ReadonlySet<T> {
  const seen = new Set<T>();
  const again = new Set<T>();
  for (const one of all) {
    if (seen.has(one)) again.add(one);
    seen.add(one);
  }
  return again;
}

/** What a topic comes to that a request names more than once: nobody can tell which of them is meant. */
export const REPEATED = outcomeOf({ code: 'INVALID_REQUEST', message: 'the request has this topic more than once' });
