import { create } from '@bufbuild/protobuf';
import { refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { GROUP_CALL_MS } from '@weir/base/group-limits.ts';
import { METADATA_WAIT_MS } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import {
  DeleteGroupsRequestSchema,
  GroupService,
  ListGroupsRequestSchema,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import { comparePlaces } from './assignor.ts';
import type { TopicPartition } from './assignor.ts';
import { describeGroup } from './describe-group.ts';
import type { GroupDescription } from './describe-group.ts';
import { refusalOf, throwIfRefused } from './group-calls.ts';
import type { GroupCalls } from './group-calls.ts';
import { commitOffsets, deleteOffsets, fetchOffsets, NOBODY } from './group-offsets.ts';
import type { CommittedGroupOffset, GroupOffset } from './group-offsets.ts';

const LIST = protobufMethod(GroupService.method.listGroups);
const DELETE = protobufMethod(GroupService.method.deleteGroups);

/** A group in a list. */
export interface GroupSummary {
  readonly groupId: string;
  /** Kafka's name for it: Empty, PreparingRebalance, CompletingRebalance, Stable. */
  readonly state: string;
  /** "consumer" of consumers; empty of a group that only commits. */
  readonly protocolType: string;
  readonly memberCount: number;
}

/** The groups that there are. */
export interface GroupList {
  /** By id. */
  readonly groups: readonly GroupSummary[];
  /** Why there may be others: a broker did not answer, or is still reading its groups. */
  readonly refusals: readonly Refusal[];
}

/** Consumer groups, seen from outside. Calls are answered by the brokers that coordinate them, and tried again while that may help. */
export class GroupAdmin {
  readonly #parts: LeaderCallParts;
  readonly #calls: GroupCalls;

  constructor(parts: LeaderCallParts, calls: GroupCalls) {
    this.#parts = parts;
    this.#calls = calls;
  }

  /**
   * The groups of all brokers, in some states, or in any.
   *
   * @throws WeirError (as a rejection) COORDINATOR_UNAVAILABLE: there is no metadata
   */
  async list(states: readonly string[] = []): Promise<GroupList> {
    const { metadata, connections } = this.#parts;
    await metadata.ready(METADATA_WAIT_MS);
    const request = create(ListGroupsRequestSchema, { states: [...states] });
    const refusals: Refusal[] = [];
    const groups = new Map<string, GroupSummary>();
    const askOne = async (address: string): Promise<void> => {
      try {
        const options = { deadlineMs: GROUP_CALL_MS, connectMs: GROUP_CALL_MS };
        const answer = await connections.to(address).call(LIST, request, options);
        const refused = refusalOf(answer);
        if (refused !== undefined) refusals.push(refused);
        for (const { groupId, state, protocolType, memberCount } of answer.groups) {
          groups.set(groupId, { groupId, state, protocolType, memberCount });
        }
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        refusals.push(refusal(error.failure.code, `the broker at ${address}: ${error.message}`));
      }
    };
    const active = [...metadata.image.brokers()].filter((broker) => broker.active);
    await Promise.all(active.map(({ grpcAddress }) => askOne(grpcAddress)));
    return { groups: [...groups.values()].toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1)), refusals };
  }

  /**
   * A group with its members.
   *
   * @throws WeirError (as a rejection): GROUP_ID_NOT_FOUND, COORDINATOR_NOT_AVAILABLE
   */
  describe(groupId: string): Promise<GroupDescription> {
    return describeGroup(this.#calls, groupId);
  }

  /**
   * Deletes a group that nobody is in, with its offsets.
   *
   * @throws WeirError (as a rejection): NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, COORDINATOR_NOT_AVAILABLE
   */
  async delete(groupId: string): Promise<void> {
    const request = create(DeleteGroupsRequestSchema, { groupIds: [groupId] });
    const { results } = await this.#calls.ask(groupId, DELETE, request, { outcomeOf: (answer) => answer.results[0] });
    throwIfRefused(results[0]);
  }

  /** What a group has committed, by topic and partition. @throws WeirError (as a rejection) */
  async offsets(groupId: string): Promise<readonly CommittedGroupOffset[]> {
    const found = await fetchOffsets(this.#calls, groupId);
    return found.toSorted(comparePlaces);
  }

  /**
   * Commits for a group that nobody is in.
   *
   * @returns of each offset why it is not committed, in the order given
   * @throws WeirError (as a rejection): NON_EMPTY_GROUP when somebody is in it
   */
  async commit(groupId: string, offsets: readonly GroupOffset[]): Promise<readonly (Refusal | undefined)[]> {
    const outcomes = await commitOffsets(this.#calls, { groupId, identity: NOBODY }, offsets);
    // So members are protected from somebody who is none.
    const isInUse = outcomes.some((outcome) => outcome?.code === 'UNKNOWN_MEMBER_ID');
    if (isInUse)
      throw new WeirError('NON_EMPTY_GROUP', `somebody is in group ${groupId}; its members have to leave first`);
    return outcomes;
  }

  /**
   * Forgets what a group has committed of partitions that nobody in it reads.
   *
   * @returns of each why it is not forgotten, in the order given
   * @throws WeirError (as a rejection)
   */
  deleteOffsets(groupId: string, places: readonly TopicPartition[]): Promise<readonly (Refusal | undefined)[]> {
    return deleteOffsets(this.#calls, groupId, places);
  }
}
