import { create } from '@bufbuild/protobuf';
import { refusal } from '@weir/base/errors.ts';
import { JoinGroupResponseSchema, SyncGroupResponseSchema } from '@weir/proto/weir/broker/v1/groups_pb.js';
import type { JoinGroupRequest } from '@weir/proto/weir/broker/v1/groups_pb.js';
import { expect, onTestFinished, test } from 'vitest';
import { Metadata } from '../metadata/metadata.ts';
import { FakeCluster } from '../test-kit/fake-cluster.ts';
import { encodeAssignment, readSubscription } from './consumer-messages.ts';
import type { GroupCalls } from './group-calls.ts';
import { GroupMember } from './group-member.ts';
import { stickyAssignor } from './sticky-assignor.ts';
import type { TopicsWanted } from './subscribed-topics.ts';

/** A member that keeps what it has, the only one of its group, whose answers are given by hand. */
class Membership {
  readonly asked: string[] = [];
  /** The topics that it has said when it joined, each time. */
  readonly topics: (readonly string[])[] = [];
  readonly member: GroupMember;
  readonly cluster: FakeCluster;
  #answer: ((response: object) => void) | undefined;

  private constructor(cluster: FakeCluster, wanted: TopicsWanted) {
    this.cluster = cluster;
    const metadata = new Metadata(
      { coordinators: ['coordinator:1'], name: 'test', autoCreateTopics: false },
      cluster.world,
    );
    const ask = (_group: string, { path }: { readonly path: string }, request: object): Promise<object> => {
      this.asked.push(path.slice(path.lastIndexOf('/') + 1));
      for (const { metadata: said } of (request as Partial<JoinGroupRequest>).protocols ?? [])
        this.topics.push(readSubscription({ memberId: '', instanceId: undefined }, said).topics);
      return new Promise((resolve) => (this.#answer = resolve));
    };
    this.member = new GroupMember(
      {
        groupId: 'g',
        clientId: 'm',
        instanceId: undefined,
        assignors: [stickyAssignor],
        sessionTimeoutMs: 10_000,
        pollIntervalMs: 60_000,
      },
      wanted,
      { metadata, world: cluster.world, calls: { ask } as unknown as GroupCalls },
      {
        assigned: async () => {},
        revoked: async () => {},
        lost: async () => {},
        takenMs: () => cluster.clock.monotonicMs(),
        failed: () => {},
      },
    );
    onTestFinished(() => void this.member.close());
  }

  /** Its JoinGroup is on its way. */
  static async begin(wanted: TopicsWanted = ['t']): Promise<Membership> {
    const cluster = await FakeCluster.start();
    cluster.coordinator.topic('t', [1]);
    const membership = new Membership(cluster, wanted);
    await cluster.clock.advance(1);
    return membership;
  }

  async joined(generation: number): Promise<void> {
    const { name: protocol } = stickyAssignor;
    await this.#told(
      create(JoinGroupResponseSchema, { code: 'NONE', generation, memberId: 'm-1', leader: 'm-1', protocol }),
    );
  }

  async synced(code: string): Promise<void> {
    const assignment = encodeAssignment([{ topic: 't', partition: 0 }]);
    await this.#told(create(SyncGroupResponseSchema, { code, assignment }));
  }

  async #told(response: object): Promise<void> {
    this.#answer?.(response);
    await this.cluster.clock.settle();
  }
}

const REBALANCES = refusal('REBALANCE_IN_PROGRESS', 'the group rebalances');

test('a commit that comes between joining and syncing says nothing new: the member does not join once more for it', async () => {
  const membership = await Membership.begin();
  await membership.joined(1);
  membership.member.told(REBALANCES, 1);
  await membership.synced('NONE');
  expect(membership.asked).toEqual(['JoinGroup', 'SyncGroup']);
});

test('a member joins once more when it is told so while it has its part, and when its SyncGroup is answered so', async () => {
  const membership = await Membership.begin();
  await membership.joined(1);
  await membership.synced('REBALANCE_IN_PROGRESS');
  expect(membership.asked).toEqual(['JoinGroup', 'SyncGroup', 'JoinGroup']);
  await membership.joined(2);
  await membership.synced('NONE');
  membership.member.told(REBALANCES, 2);
  await membership.cluster.clock.settle();
  expect(membership.asked).toEqual(['JoinGroup', 'SyncGroup', 'JoinGroup', 'SyncGroup', 'JoinGroup']);
});

test('a member with a pattern joins with the topics that there are, and not before it knows of any', async () => {
  const membership = await Membership.begin(/^t$/);
  await membership.joined(1);
  await membership.synced('NONE');
  expect(membership.asked).toEqual(['JoinGroup', 'SyncGroup']);
  expect(membership.topics).toEqual([['t']]);
});
