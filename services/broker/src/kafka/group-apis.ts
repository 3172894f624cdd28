import type { Clock } from '@weir/base/clock.ts';
import type { Random } from '@weir/base/random.ts';
import { deleteGroups } from '@weir/kafka/apis/delete-groups.ts';
import { describeGroups } from '@weir/kafka/apis/describe-groups.ts';
import { heartbeat } from '@weir/kafka/apis/heartbeat.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { leaveGroup } from '@weir/kafka/apis/leave-group.ts';
import { listGroups } from '@weir/kafka/apis/list-groups.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { offsetDelete } from '@weir/kafka/apis/offset-delete.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import type { ClusterView } from './cluster-view.ts';
import { on } from './exchange.ts';
import type { Handler } from './exchange.ts';
import { answerDeleteGroups, answerDescribeGroups, answerListGroups } from './group-admin.ts';
import { answerHeartbeat, answerJoinGroup, answerLeaveGroup, answerSyncGroup } from './group-members.ts';
import { answerOffsetCommit, answerOffsetDelete, answerOffsetFetch } from './group-offsets.ts';

/** What groups need of the rest. */
export interface GroupApiParts {
  readonly groups: GroupCoordinator;
  readonly cluster: ClusterView;
  readonly clock: Clock;
  readonly random: Random;
}

/** The calls of consumer groups. */
export function groupApis(parts: GroupApiParts): Handler[] {
  const { groups, random } = parts;
  return [
    on(joinGroup, (exchange) => answerJoinGroup(groups, random, exchange)),
    on(syncGroup, (exchange) => answerSyncGroup(groups, exchange)),
    on(heartbeat, (exchange) => answerHeartbeat(groups, exchange)),
    on(leaveGroup, (exchange) => answerLeaveGroup(groups, exchange)),
    on(offsetCommit, (exchange) => answerOffsetCommit(parts, exchange)),
    on(offsetFetch, (exchange) => answerOffsetFetch(parts, exchange)),
    on(offsetDelete, (exchange) => answerOffsetDelete(parts, exchange)),
    on(describeGroups, (exchange) => answerDescribeGroups(groups, exchange)),
    on(listGroups, (exchange) => answerListGroups(groups, exchange)),
    on(deleteGroups, (exchange) => answerDeleteGroups(groups, exchange)),
  ];
}
