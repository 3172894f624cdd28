import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { brokerId, topicId, uuidFromBytes } from '@weir/base/ids.ts';
import { DOUBTS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { ReportDoubtfulReplicasResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  DoubtfulReplica,
  ReportDoubtfulReplicasRequest,
  ReportDoubtfulReplicasResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { ReportedReplica } from '../controller/report-doubtful-replicas.ts';
import type { Coordinator } from '../coordinator.ts';
import { doubtOf } from './doubts.ts';

/** Answers ReportDoubtfulReplicas. Rejects with a WeirError when the request as a whole is refused. */
export function reportDoubtfulReplicas(
  coordinator: Coordinator,
  request: ReportDoubtfulReplicasRequest,
): Promise<ReportDoubtfulReplicasResponse> {
  return new Promise((resolve, reject) => {
    const { brokerId: id, brokerEpoch, replicas } = request;
    const problem = problemOf(request);
    if (problem !== undefined) throw new WeirError('INVALID_REQUEST', problem);
    const command = {
      kind: 'reportDoubtfulReplicas',
      brokerId: brokerId(id),
      brokerEpoch: Number(brokerEpoch),
    } as const;
    coordinator.submit({ ...command, replicas: replicas.map(reportedOf) }, (result) => {
      if (result.kind === 'refused') return reject(new WeirError(result.refusal.code, result.refusal.message));
      const results = result.kind === 'reports' ? result.results.map((refused) => refused ?? { code: 'NONE' }) : [];
      resolve(create(ReportDoubtfulReplicasResponseSchema, { results }));
    });
  });
}

function problemOf({ brokerId: id, replicas }: ReportDoubtfulReplicasRequest): string | undefined {
  if (id < 0) return `a broker's id is 0 or more, not ${id}`;
  if (replicas.length > DOUBTS_PER_REQUEST_MAX) {
    return `a request reports at most ${DOUBTS_PER_REQUEST_MAX} doubtful replicas, not ${replicas.length}`;
  }
  const nameless = replicas.find((replica) => replica.topicId.length !== 16);
  return nameless === undefined ? undefined : `a topic id has 16 bytes, not ${nameless.topicId.length}`;
}

function reportedOf({ topicId: id, partition, reason, leaderEpoch, partitionEpoch }: DoubtfulReplica): ReportedReplica {
  return { topicId: topicId(uuidFromBytes(id)), partition, doubt: doubtOf(reason), leaderEpoch, partitionEpoch };
}
