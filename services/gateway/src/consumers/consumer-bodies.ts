import { HTTP_CONSUMER_PLACES_MAX, OFFSET_METADATA_BYTES_MAX } from '@weir/base/group-limits.ts';
import { topicNameProblem } from '@weir/base/ids.ts';
import { parseTimestamp } from '@weir/base/timestamp.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { GroupOffset } from '@weir/client/group/group-offsets.ts';
import type { TopicsWanted } from '@weir/client/group/subscribed-topics.ts';
import { HttpFailure, invalidBody } from '../http/failure.ts';
import { parseObject, unknownFields } from '../json/body-shape.ts';
import { topicPattern } from './topic-pattern.ts';

/** Partitions are numbered with 32 bits. */
const PARTITION_MAX = 0x7fff_ffff;
/** Problems that are told of one body. */
const PROBLEMS_MAX = 20;

/** A place by time. */
export interface PlaceAtTime extends TopicPartition {
  readonly timestampMs: number;
}

/** `{"topics":["a"]}` or `{"topic_pattern":"a.*"}`. @throws HttpFailure */
export function parseSubscription(body: Buffer): TopicsWanted {
  const { topics, topic_pattern: pattern } = fieldsOf(body, ['topics', 'topic_pattern']);
  if (topics !== undefined && pattern !== undefined) {
    throw new HttpFailure('CONSUMER_STATE', '"topics" and "topic_pattern" exclude each other: send one of them');
  }
  if (pattern !== undefined) {
    const found = typeof pattern === 'string' ? topicPattern(pattern) : 'is not a string';
    if (typeof found === 'string') throw invalidBody([`"topic_pattern" ${found}`]);
    return found;
  }
  if (!Array.isArray(topics) || topics.length === 0 || topics.some((topic) => typeof topic !== 'string')) {
    throw invalidBody(['"topics" is not an array of one name or more, and there is no "topic_pattern"']);
  }
  if (topics.length > HTTP_CONSUMER_PLACES_MAX) throw tooMany('topics');
  const problems = (topics as string[]).map(topicNameProblem).filter((problem) => problem !== undefined);
  if (problems.length > 0) throw invalidBody(problems.slice(0, PROBLEMS_MAX));
  return topics as string[];
}

/** `{"partitions":[{"topic":"a","partition":0}]}`. @throws HttpFailure */
export function parsePartitions(body: Buffer): readonly TopicPartition[] {
  const { partitions } = fieldsOf(body, ['partitions']);
  return placesOf('partitions', partitions, [], (place) => place);
}

/** `{"offsets":[{"topic":"a","partition":0,"offset":7,"metadata":"m"}]}`. @throws HttpFailure */
export function parseOffsets(body: Buffer): readonly GroupOffset[] {
  const { offsets } = fieldsOf(body, ['offsets']);
  return offsetsOf(offsets);
}

/** Positions by offset, by time, or both. @throws HttpFailure */
export function parsePositions(body: Buffer): {
  readonly offsets: readonly GroupOffset[];
  readonly timestamps: readonly PlaceAtTime[];
} {
  const { offsets, timestamps } = fieldsOf(body, ['offsets', 'timestamps']);
  if (offsets === undefined && timestamps === undefined) throw invalidBody(['"offsets" is missing']);
  return {
    offsets: offsets === undefined ? [] : offsetsOf(offsets),
    timestamps:
      timestamps === undefined
        ? []
        : placesOf('timestamps', timestamps, ['timestamp'], (place, item) => {
            const timestampMs = parseTimestamp(String(item['timestamp']));
            return timestampMs === undefined
              ? '"timestamp" is neither milliseconds since 1970 nor an ISO date'
              : { ...place, timestampMs };
          }),
  };
}

function offsetsOf(list: unknown): readonly GroupOffset[] {
  return placesOf('offsets', list, ['offset', 'metadata'], (place, { offset, metadata = '' }) => {
    if (!Number.isSafeInteger(offset) || (offset as number) < 0) return '"offset" is not a whole number from 0';
    if (metadata === null) return { ...place, offset: offset as number };
    if (typeof metadata !== 'string' || Buffer.byteLength(metadata) > OFFSET_METADATA_BYTES_MAX) {
      return `"metadata" is not a string of at most ${OFFSET_METADATA_BYTES_MAX} bytes`;
    }
    return { ...place, offset: offset as number, metadata };
  });
}

function placesOf<Place>(
  name: string,
  list: unknown,
  more: readonly string[],
  read: (place: TopicPartition, item: Readonly<Record<string, unknown>>) => Place | string,
): readonly Place[] {
  if (!Array.isArray(list)) throw invalidBody([`"${name}" is missing or not an array`]);
  if (list.length > HTTP_CONSUMER_PLACES_MAX) throw tooMany(name);
  const places: Place[] = [];
  const problems: string[] = [];
  for (const [i, item] of (list as unknown[]).entries()) {
    const place = placeIn(item, more);
    const found = typeof place === 'string' ? place : read(place, item as Readonly<Record<string, unknown>>);
    if (typeof found === 'string') problems.push(`${name}[${i}]: ${found}`);
    else places.push(found);
  }
  if (problems.length > 0) throw invalidBody(problems.slice(0, PROBLEMS_MAX));
  return places;
}

function placeIn(item: unknown, more: readonly string[]): TopicPartition | string {
  if (typeof item !== 'object' || item === null) return 'is not an object';
  const [unknown] = unknownFields(item as Readonly<Record<string, unknown>>, ['topic', 'partition', ...more]);
  if (unknown !== undefined) return unknown;
  const { topic, partition } = item as Readonly<Record<string, unknown>>;
  if (typeof topic !== 'string') return '"topic" is not a string';
  const problem = topicNameProblem(topic);
  if (problem !== undefined) return problem;
  const isNumber = Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) <= PARTITION_MAX;
  if (!isNumber) return `"partition" is not a whole number from 0 to ${PARTITION_MAX}`;
  return { topic, partition: partition as number };
}

function fieldsOf(body: Buffer, known: readonly string[]): Readonly<Record<string, unknown>> {
  const fields = parseObject(body, known);
  const problems = unknownFields(fields, known);
  if (problems.length > 0) throw invalidBody(problems);
  return fields;
}

function tooMany(name: string): HttpFailure {
  return invalidBody([`"${name}" has more than ${HTTP_CONSUMER_PLACES_MAX}`]);
}
