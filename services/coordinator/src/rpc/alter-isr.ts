import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { brokerId, topicId, uuidFromBytes } from '@weir/base/ids.ts';
import { ISR_PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { AlterIsrResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  AlterIsrRequest,
  AlterIsrResponse,
  PartitionIsr,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { WantedIsr } from '../controller/alter-isr.ts';
import type { Coordinator } from '../coordinator.ts';

/** Answers AlterIsr. Rejects with a WeirError when the request as a whole is refused. */
export function alterIsr(coordinator: Coordinator, request: AlterIsrRequest): Promise<AlterIsrResponse> {
  return new Promise((resolve, reject) => {
    const { brokerId: id, brokerEpoch, partitions } = request;
    const problem = problemOf(request);
    if (problem !== undefined) throw new WeirError('INVALID_REQUEST', problem);
    const wanted = partitions.map(wantedOf);
    const command = { kind: 'alterIsr', brokerId: brokerId(id), brokerEpoch: Number(brokerEpoch) } as const;
    coordinator.submit({ ...command, partitions: wanted }, (result) => {
      if (result.kind === 'refused') return reject(new WeirError(result.refusal.code, result.refusal.message));
      const results = result.kind === 'isrs' ? result.results.map((refused) => refused ?? { code: 'NONE' }) : [];
      resolve(create(AlterIsrResponseSchema, { results }));
    });
  });
}

function problemOf({ brokerId: id, partitions }: AlterIsrRequest): string | undefined {
  if (id < 0) return `a broker's id is 0 or more, not ${id}`;
  if (partitions.length > ISR_PARTITIONS_PER_REQUEST_MAX) {
    return `a request alters the in-sync replicas of at most ${ISR_PARTITIONS_PER_REQUEST_MAX} partitions, not ${partitions.length}`;
  }
  const nameless = partitions.find((partition) => partition.topicId.length !== 16);
  return nameless === undefined ? undefined : `a topic id has 16 bytes, not ${nameless.topicId.length}`;
}

function wantedOf({ topicId: id, partition, leaderEpoch, partitionEpoch, isr }: PartitionIsr): WantedIsr {
  return {
    topicId: topicId(uuidFromBytes(id)),
    partition,
    leaderEpoch,
    partitionEpoch,
    isr: isr.map((member) => ({ broker: member.brokerId, epoch: Number(member.brokerEpoch) })),
  };
}
