import { topicNameProblem } from '@weir/base/ids.ts';
import { READ_RECORDS_DEFAULT, READ_RECORDS_MAX } from '@weir/base/limits.ts';
import { TextBytes } from '@weir/base/text-bytes.ts';
import type { GroupDescription } from '@weir/client/group/describe-group.ts';
import { groupProgress } from '@weir/client/group/group-progress.ts';
import { planMoves } from '@weir/client/group/move-group.ts';
import { parseStartAt } from '@weir/client/group/start-at.ts';
import type { SeekTarget } from '@weir/client/group/seek-target.ts';
import { knownPartition, knownTopic } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import { emptyReply, jsonReply, rawJsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure, invalidBody, overloaded } from '../http/failure.ts';
import { parseBody } from '../json/body-shape.ts';
import { addRecordFields, recordJsonBytes } from '../json/record-json.ts';
import { waitMs } from '../rest/read-parameters.ts';
import { groupOf } from './consumers-v2.ts';
import type { HttpConsumerSettings } from './consumer-settings.ts';
import type { HttpConsumerName } from './http-consumer.ts';

/* Groups in /v1. */

/** GET /v1/groups */
export async function listGroups(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  const { groups, refusals } = await context.client.groups.list();
  return jsonReply(200, {
    groups: groups.map(({ groupId, state, protocolType, memberCount }) => ({
      group: groupId,
      state,
      protocol_type: protocolType,
      members: memberCount,
    })),
    incomplete: [...new Set(refusals.map(({ code, message }) => `${message} (${code})`))],
  });
}

/** GET /v1/groups/{group}: with its members, and how far it has come. */
export async function describeGroup(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  const group: GroupDescription = await context.client.groups.describe(groupOf(request));
  const partitions = await groupProgress(context.client, group);
  return jsonReply(200, {
    group: group.groupId,
    state: group.state,
    protocol_type: group.protocolType,
    protocol: group.protocol,
    generation: group.generation,
    members: group.members.map(({ memberId, instanceId = null, clientId, clientHost, topics, assignment }) => ({
      member_id: memberId,
      instance_id: instanceId,
      client_id: clientId,
      host: clientHost.replace(/^\//, ''),
      topics,
      assignment,
    })),
    partitions: partitions.map(({ memberId, ...place }) => ({ ...place, member_id: memberId })),
    lag: partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0),
  });
}

/** DELETE /v1/groups/{group} */
export async function deleteGroup(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  await context.client.groups.delete(groupOf(request));
  return emptyReply(204);
}

/** POST /v1/groups/{group}/offsets?dryRun=true: moves where a group that nobody is in reads on. */
export async function resetGroup(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow(['dryRun']);
  const dryRun = request.query.choice('dryRun', ['true', 'false']) === 'true';
  const groupId = groupOf(request);
  const max = Number.MAX_SAFE_INTEGER;
  const body = parseBody(request.body, {
    topic: { type: 'string', required: true },
    partition: { type: 'integer', min: 0, max: 0x7fff_ffff },
    to: { type: 'string' },
    by: { type: 'integer', min: -max, max },
  });
  const target = targetOf(body);
  const topic = await knownTopic(context, { topic: body.topic });
  if (target.kind === 'offset' && body.partition === undefined && topic.partitions.length > 1) {
    throw invalidBody([`"to" is an offset, a place in one partition, and ${topic.name} has several: say "partition"`]);
  }
  const partitions =
    body.partition === undefined
      ? topic.partitions.map(({ index }) => index)
      : [knownPartition(topic, String(body.partition))];
  const moves = await planMoves(context.client, { groupId, topic: topic.name, partitions }, target);
  if (!dryRun) {
    const offsets = moves.map(({ partition, to }) => ({ topic: topic.name, partition, offset: to }));
    const refused = (await context.client.groups.commit(groupId, offsets)).find((outcome) => outcome !== undefined);
    if (refused !== undefined) throw new HttpFailure(refused.code, `not all partitions are moved: ${refused.message}`);
  }
  return jsonReply(200, { group: groupId, topic: topic.name, dry_run: dryRun, partitions: moves });
}

/**
 * GET /v1/groups/{group}/records?topics=: the next records of a group, by a consumer that is made with the first call. What the call
 * before was given is committed first.
 */
export async function readGroup(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow(['topics', 'limit', 'wait', 'from']);
  await ensureMember(context, request);
  return whereItIs(context, request, '/records', () => readHere(context, request));
}

async function readHere(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const consumer = context.consumers.find(memberName(request));
  const topics = topicsOf(request);
  if (topics.length > 0 && consumer.subscribedTopics().join() !== topics.join()) {
    consumer.subscribe(topics);
    await context.consumerPlaces.save(consumer);
  }
  const limit = request.query.integer('limit', { min: 1, max: READ_RECORDS_MAX }) ?? READ_RECORDS_DEFAULT;
  const wait = waitMs(request.query.text('wait'));
  if (context.budget.isSpent) throw overloaded();
  await consumer.commitGiven();
  const signal = AbortSignal.any([request.signal, context.stopping]);
  const records = await consumer.poll({ waitMs: wait, maxBytes: context.readBytes, maxRecords: limit, signal });
  if (request.signal.aborted) {
    consumer.putBack(records);
    throw new HttpFailure('CLIENT_GONE', 'the client has gone');
  }
  context.metrics.recordsOut.inc(records.length);
  context.metrics.consumerRecords.inc(records.length);
  const out = new TextBytes(records.reduce((sum, { record }) => sum + recordJsonBytes(record), 0));
  out.ascii('{"records":[');
  for (const [i, { topic, partition, record }] of records.entries()) {
    // Names of topics are ASCII without anything to escape.
    out.ascii(`${i === 0 ? '' : ','}{"topic":"${topic}",`);
    addRecordFields(out, partition, record, false);
  }
  return rawJsonReply(200, out.ascii(']}\n').take());
}

/** POST /v1/groups/{group}/commit: what was handed out is done. */
export function commitGroup(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  return whereItIs(context, request, '/commit', async () => {
    await context.consumers.find(memberName(request)).commit();
    return emptyReply(204);
  });
}

function whereItIs(
  context: GatewayContext,
  request: GatewayRequest,
  suffix: string,
  here: () => Promise<GatewayReply>,
): Promise<GatewayReply> {
  const who = memberName(request);
  const path = `/v1/groups/${encodeURIComponent(who.groupId)}${suffix}${request.query.sent}`;
  return context.consumerPlaces.serve(who, request, path, here);
}

/** Makes the consumer behind a group's reads, unless some gateway has it. */
async function ensureMember(context: GatewayContext, request: GatewayRequest): Promise<void> {
  const from = request.query.choice('from', ['earliest', 'latest']) ?? 'earliest';
  const who = memberName(request);
  if (await context.consumerPlaces.has(who)) return;
  if (topicsOf(request).length === 0) {
    const message = `no consumer reads group "${who.groupId}" here yet: say which topics it reads, as topics=a,b`;
    throw new HttpFailure('UNKNOWN_CONSUMER', message);
  }
  const settings: HttpConsumerSettings = {
    format: 'json',
    offsetReset: from,
    autoCommit: false,
    minBytes: 1,
    waitMs: 0,
  };
  try {
    await context.consumerPlaces.create(who, settings);
  } catch (error) {
    // Another call was faster: then that one's is it.
    if (!(error instanceof HttpFailure) || error.code !== 'CONSUMER_EXISTS') throw error;
  }
}

function topicsOf({ query }: GatewayRequest): readonly string[] {
  const text = query.text('topics');
  const topics = text === undefined ? [] : text.split(',');
  for (const topic of topics) {
    const problem = topicNameProblem(topic);
    if (problem !== undefined) throw new HttpFailure('INVALID_TOPIC_EXCEPTION', `topics=${text}: ${problem}`);
  }
  return [...new Set(topics)];
}

function memberName(request: GatewayRequest): HttpConsumerName {
  // No consumer of REST v2 has such a name.
  return { groupId: groupOf(request), name: '' };
}

function targetOf({ to, by }: { readonly to: string | undefined; readonly by: number | undefined }): SeekTarget {
  if (to !== undefined && by !== undefined) throw invalidBody(['"to" and "by" exclude each other']);
  if (by !== undefined) return { kind: 'by', records: by };
  const target = to === undefined ? undefined : parseStartAt(to);
  if (target !== undefined) return target;
  throw invalidBody(['"to" is not "earliest", "latest", an offset as "7" or a time as "@2026-01-31T12:00:00Z"']);
}
