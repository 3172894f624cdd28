import { knownPartition, knownTopic } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import { jsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';

/** DELETE /v1/topics/{topic}/partitions/{partition}/records */
export async function deleteRecords(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const { query, params } = request;
  query.allow(['before']);
  const before = query.text('before') === 'end' ? 'end' : query.integer('before', OFFSETS);
  if (before === undefined) {
    throw new HttpFailure('INVALID_REQUEST', 'say what goes: ?before=OFFSET, or ?before=end for all records');
  }
  const topic = await knownTopic(context, params);
  const partition = knownPartition(topic, params['partition'] ?? '');
  const [result] = await context.client.deleteRecords(topic.name, [{ partition, before }]);
  if (result === undefined) throw new HttpFailure('UNKNOWN_SERVER_ERROR', 'the broker did not say what it deleted');
  if (result.refusal !== undefined) throw new HttpFailure(result.refusal.code, result.refusal.message);
  return jsonReply(200, { partition, offset: result.lowWatermark });
}

const OFFSETS = { min: 0, max: Number.MAX_SAFE_INTEGER };
