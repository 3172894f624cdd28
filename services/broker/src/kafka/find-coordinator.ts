import type { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { messageOf } from '@weir/base/errors.ts';
import type { Admin } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { groupIdProblem } from '../group/group-id.ts';

const BATCHED_FROM = 4;
const COORDINATOR_NOT_AVAILABLE = errorNumber('COORDINATOR_NOT_AVAILABLE');
/** What is looked for. */
const GROUP = 0;
const TRANSACTION = 1;

/** What finding coordinators needs. */
export interface CoordinatorSearch {
  readonly cluster: ClusterView;
  readonly admin: Pick<Admin, 'createTopics'>;
}

interface Found {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Answers who coordinates a group: who leads its partition of `__consumer_offsets`, which is created for the first that asks. */
export async function answerFindCoordinator(
  search: CoordinatorSearch,
  exchange: Exchange<typeof findCoordinator>,
): Promise<void> {
  const { request, version, caller } = exchange;
  const { key, keyType, coordinatorKeys } = request;
  const wantsGroup = keyType === GROUP;
  const missing = wantsGroup ? await createOffsetsTopic(search) : undefined;
  const find = (groupId: string): Found => {
    if (keyType === TRANSACTION) return notFound(COORDINATOR_NOT_AVAILABLE, 'transactions are not built yet');
    if (!wantsGroup) return notFound(errorNumber('INVALID_REQUEST'), `there are no coordinators of kind ${keyType}`);
    const problem = groupIdProblem(groupId);
    if (problem !== undefined) return notFound(errorNumber(problem), 'a group has a name of up to 32,767 bytes');
    if (missing !== undefined) return notFound(COORDINATOR_NOT_AVAILABLE, missing);
    return leaderOf(search.cluster, groupId, caller.listener);
  };
  if (version < BATCHED_FROM) return exchange.answer({ throttleTimeMs: 0, ...find(key) });
  const coordinators = coordinatorKeys.map((groupId) => ({ key: groupId, ...find(groupId) }));
  exchange.answer({ throttleTimeMs: 0, coordinators });
}

/** Returns why there is no such topic, or undefined once there is one. */
async function createOffsetsTopic({ cluster, admin }: CoordinatorSearch): Promise<string | undefined> {
  if (cluster.image.topic(OFFSETS_TOPIC) !== undefined) return undefined;
  try {
    const [result] = await admin.createTopics({ topics: [{ name: OFFSETS_TOPIC }], internal: true });
    // Somebody else asked for it at the same time.
    const isThere = result?.code === 'NONE' || result?.code === 'TOPIC_ALREADY_EXISTS';
    return isThere ? undefined : (result?.message ?? 'the coordinator did not say');
  } catch (error) {
    return messageOf(error);
  }
}

function leaderOf(cluster: ClusterView, groupId: string, listener: string): Found {
  const partitions = cluster.image.topic(OFFSETS_TOPIC)?.partitions ?? [];
  if (partitions.length === 0) return notFound(COORDINATOR_NOT_AVAILABLE, `${OFFSETS_TOPIC} is not known here yet`);
  const index = partitionForGroup(groupId, partitions.length);
  const leader = partitions[index]?.leader;
  const endpoint = cluster.endpoints(listener).find(({ nodeId }) => nodeId === leader);
  if (endpoint === undefined) return notFound(COORDINATOR_NOT_AVAILABLE, `nobody leads ${OFFSETS_TOPIC}-${index} now`);
  const { nodeId, host, port } = endpoint;
  return { nodeId, host, port, errorCode: 0, errorMessage: null };
}

function notFound(errorCode: number, errorMessage: string): Found {
  return { nodeId: -1, host: '', port: -1, errorCode, errorMessage };
}
