import { characters } from '@weir/base/characters.ts';
import { HTTP_CONSUMER_NAME_CHARS_MAX, HTTP_CONSUMER_PLACES_MAX } from '@weir/base/group-limits.ts';
import { READ_WAIT_MS_MAX } from '@weir/base/limits.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { GroupOffset } from '@weir/client/group/group-offsets.ts';
import { knownPartition, knownTopic, topicName } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import { emptyReply, jsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure, invalidBody } from '../http/failure.ts';
import type { Route } from '../route.ts';
import { parseOffsets, parsePartitions, parsePositions, parseSubscription } from './consumer-bodies.ts';
import { parseNewConsumer } from './consumer-settings.ts';
import type { HttpConsumer, HttpConsumerName } from './http-consumer.ts';
import { pollV2 } from './poll-v2.ts';

/* Consumers in the dialect of the Strimzi bridge. */

/** POST /consumers/{group} */
export async function createConsumerV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  const groupId = groupOf(request);
  const { name = newName(context), settings } = parseNewConsumer(request.body);
  await context.consumerPlaces.create({ groupId, name }, settings);
  const path = `/consumers/${encodeURIComponent(groupId)}/instances/${encodeURIComponent(name)}`;
  return jsonReply(200, { instance_id: name, base_uri: `${originOf(request)}${path}` });
}

/** DELETE /consumers/{group}/instances/{instance} */
export async function deleteConsumerV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  await context.consumerPlaces.delete(nameOf(request));
  return emptyReply(204);
}

/** POST …/subscription */
export async function subscribeV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const consumer = calledConsumer(context, request);
  consumer.subscribe(parseSubscription(request.body));
  await context.consumerPlaces.save(consumer);
  return emptyReply(204);
}

/** GET …/subscription */
export function subscriptionV2(context: GatewayContext, request: GatewayRequest): GatewayReply {
  const consumer = calledConsumer(context, request);
  const byTopic = Map.groupBy(consumer.assignment(), ({ topic }) => topic);
  const partitions = [...byTopic].map(([topic, places]) => ({ [topic]: places.map(({ partition }) => partition) }));
  return jsonReply(200, { topics: consumer.subscribedTopics(), partitions });
}

/** DELETE …/subscription */
export async function unsubscribeV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const consumer = calledConsumer(context, request);
  await consumer.unsubscribe();
  await context.consumerPlaces.save(consumer);
  return emptyReply(204);
}

/** POST …/assignments */
export async function assignV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const consumer = calledConsumer(context, request);
  const places = parsePartitions(request.body);
  if (places.length === 0) throw invalidBody(['"partitions" is empty: expected one or more']);
  const topics = new Set(places.map(({ topic }) => topic));
  await Promise.all([...topics].map((topic) => knownTopic(context, { topic })));
  for (const { topic, partition } of places) knownPartition(context.client.topic(topic)!, String(partition));
  await consumer.assign(places);
  await context.consumerPlaces.save(consumer);
  return emptyReply(204);
}

/** GET …/assignments */
export function assignmentsV2(context: GatewayContext, request: GatewayRequest): GatewayReply {
  return jsonReply(200, { partitions: calledConsumer(context, request).assignment() });
}

/** GET …/records */
export async function recordsV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow(['timeout', 'max_bytes']);
  const consumer = context.consumers.find(nameOf(request));
  const waitMs = request.query.integer('timeout', { min: 0, max: READ_WAIT_MS_MAX }) ?? consumer.settings.waitMs;
  const max = { min: 1, max: Number.MAX_SAFE_INTEGER };
  const maxBytes = request.query.integer('max_bytes', max);
  return pollV2(context, request, consumer, { waitMs, maxBytes });
}

/** POST …/offsets: commits those of the body, or without one what was handed out. */
export async function commitV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const consumer = calledConsumer(context, request);
  await consumer.commit(request.body.length === 0 ? undefined : parseOffsets(request.body));
  return emptyReply(204);
}

/** GET …/offsets?topic=&partition=, of all that it reads without; and POST …/offsets/committed, of those in the body. */
export async function committedV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow(['topic', 'partition']);
  const consumer = context.consumers.find(nameOf(request));
  const offsets = await consumer.committed(placesAsked(request, consumer));
  return jsonReply(200, {
    offsets: offsets.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata })),
  });
}

/** POST …/positions */
export async function seekV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const consumer = calledConsumer(context, request);
  const { offsets, timestamps } = parsePositions(request.body);
  consumer.requireOwn([...offsets, ...timestamps]);
  const found = await Promise.all(
    timestamps.map(async ({ topic, partition, timestampMs }): Promise<GroupOffset> => {
      const at = await offsetAt(context, { topic, partition }, timestampMs);
      return { topic, partition, offset: at < 0 ? await offsetAt(context, { topic, partition }, 'latest') : at };
    }),
  );
  return moveTo(context, consumer, [...offsets, ...found]);
}

/** POST …/positions/beginning and …/positions/end */
export function seekToV2(where: 'earliest' | 'latest') {
  return async (context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> => {
    const consumer = calledConsumer(context, request);
    const places = parsePartitions(request.body);
    consumer.requireOwn(places);
    const offsets = places.map(async (place) => ({ ...place, offset: await offsetAt(context, place, where) }));
    return moveTo(context, consumer, await Promise.all(offsets));
  };
}

async function moveTo(
  context: GatewayContext,
  consumer: HttpConsumer,
  offsets: readonly GroupOffset[],
): Promise<GatewayReply> {
  await consumer.seek(offsets);
  await context.consumerPlaces.save(consumer);
  return emptyReply(204);
}

async function offsetAt(
  context: GatewayContext,
  { topic, partition }: TopicPartition,
  timestamp: number | 'earliest' | 'latest',
): Promise<number> {
  const [answer] = await context.client.listOffsets(topic, [{ partition, timestamp }]);
  return answer!.offset;
}

function placesAsked(request: GatewayRequest, consumer: HttpConsumer): readonly TopicPartition[] {
  const topic = request.query.text('topic');
  if (topic !== undefined) topicName({ topic });
  const partition = request.query.integer('partition', { min: 0, max: 0x7fff_ffff });
  if (request.body.length > 0) return parsePartitions(request.body);
  const own = consumer.assignment().slice(0, HTTP_CONSUMER_PLACES_MAX);
  if (topic === undefined && partition === undefined) return own;
  if (topic === undefined) throw new HttpFailure('INVALID_REQUEST', 'partition= needs topic= beside it');
  return partition === undefined ? own.filter((place) => place.topic === topic) : [{ topic, partition }];
}

function calledConsumer(context: GatewayContext, request: GatewayRequest): HttpConsumer {
  request.query.allow([]);
  return context.consumers.find(nameOf(request));
}

/** Has a consumer's request answered by the gateway that has the consumer. */
export function whereItIs(handle: Route['handle'], suffix: string): Route['handle'] {
  return (context, request) => {
    const { groupId, name } = nameOf(request);
    const path = `/consumers/${encodeURIComponent(groupId)}/instances/${encodeURIComponent(name)}${suffix}`;
    const here = (): ReturnType<Route['handle']> => handle(context, request);
    return context.consumerPlaces.serve({ groupId, name }, request, `${path}${request.query.sent}`, here);
  };
}

function nameOf(request: GatewayRequest): HttpConsumerName {
  const name = request.params['instance']!;
  if (name === '') throw new HttpFailure('UNKNOWN_CONSUMER', 'the path names no consumer');
  return { groupId: groupOf(request), name };
}

/** A group's id from a path. @throws HttpFailure INVALID_GROUP_ID */
export function groupOf({ params }: Pick<GatewayRequest, 'params'>): string {
  const groupId = params['group']!;
  if (groupId !== '' && characters(groupId) <= HTTP_CONSUMER_NAME_CHARS_MAX) return groupId;
  throw new HttpFailure('INVALID_GROUP_ID', `a group's id has 1 to ${HTTP_CONSUMER_NAME_CHARS_MAX} characters`);
}

function newName({ random }: GatewayContext): string {
  return `weir-${Buffer.from(random.bytes(12)).toString('hex')}`;
}

/** Where the client has found this gateway, behind a proxy by what that says. */
function originOf({ headers }: GatewayRequest): string {
  const first = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' ? value.split(',', 1)[0]!.trim() : undefined;
  };
  const scheme = first('x-forwarded-proto') === 'https' ? 'https' : 'http';
  return `${scheme}://${first('x-forwarded-host') ?? first('host') ?? ''}`;
}
