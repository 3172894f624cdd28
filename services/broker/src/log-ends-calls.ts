import { create } from '@bufbuild/protobuf';
import { messageOf } from '@weir/base/errors.ts';
import { GROUP_LAG_CALL_MS } from '@weir/base/group-limits.ts';
import type { Transport } from '@weir/base/transport.ts';
import { Connections } from '@weir/client/connections.ts';
import { BrokerService, ListOffsetsRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ListOffsetsResult } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { AskedPartition, LeaderAsker, LogEnds } from './group/lag-watch.ts';

const LIST_OFFSETS = protobufMethod(BrokerService.method.listOffsets);

/** Stands for the high watermark where a timestamp is asked for. */
const LATEST = -1n;
/** Stands for the log start. */
const EARLIEST = -2n;

/** What calls to other brokers need. */
interface LogEndsCallsParts {
  readonly transport: Transport;
  readonly logger: Pick<Logger, 'debug'>;
}

/** Asks other brokers where logs begin and end: one connection a broker, one call at a time and partition twice in it. */
export class LogEndsCalls implements LeaderAsker {
  readonly #connections: Connections;
  readonly #logger: Pick<Logger, 'debug'>;

  constructor({ transport, logger }: LogEndsCallsParts) {
    this.#connections = new Connections(transport);
    this.#logger = logger;
  }

  ask(
    address: string,
    asked: readonly AskedPartition[],
    answered: (ends: readonly (LogEnds | undefined)[] | undefined) => void,
  ): void {
    const partitions = asked.flatMap((one) => [EARLIEST, LATEST].map((timestamp) => ({ ...one, timestamp })));
    const request = create(ListOffsetsRequestSchema, { partitions });
    const options = { deadlineMs: GROUP_LAG_CALL_MS };
    this.#connections
      .to(address)
      .call(LIST_OFFSETS, request, options)
      .then(
        ({ results }) => answered(asked.map((_, i) => endsOf(results[2 * i], results[2 * i + 1]))),
        (error: unknown) => {
          this.#logger.debug({ err: error }, `${address} does not say where its logs end: ${messageOf(error)}`);
          answered(undefined);
        },
      );
  }

  keepOnly(addresses: ReadonlySet<string>): void {
    this.#connections.keepOnly(addresses);
  }
}

function endsOf(start: ListOffsetsResult | undefined, end: ListOffsetsResult | undefined): LogEnds | undefined {
  if (start?.errorCode !== 0 || end?.errorCode !== 0) return undefined;
  return { logStart: Number(start.offset), highWatermark: Number(end.offset) };
}
