import { create } from '@bufbuild/protobuf';
import { uuidToBytes } from '@weir/base/ids.ts';
import type { Revision, TopicId } from '@weir/base/ids.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  BrokerConfigsSchema,
  BrokerState,
  ChangeSchema,
  SessionResponseSchema,
  TopicSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  Change as ChangeMessage,
  SessionResponse,
  Topic as TopicMessage,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { present } from '@weir/base/assert.ts';
import type { BrokerState as BrokerLifeState } from '../controller/broker-life.ts';
import type { Entity } from '../controller/controller.ts';
import { registrationOf } from '../controller/image.ts';
import type {
  BrokerConfigsOwner,
  BrokerRecord,
  ClusterImage,
  PartitionRecord,
  TopicRecord,
} from '../controller/image.ts';

/** What a follower is told about one entity, before it is a message. The records in it never change. */
export type Fact =
  | {
      readonly kind: 'broker';
      readonly broker: BrokerRecord;
      readonly epoch: Revision;
      readonly state: BrokerLifeState;
    }
  | { readonly kind: 'brokerGone'; readonly id: BrokerRecord['id'] }
  | { readonly kind: 'partition'; readonly partition: PartitionRecord }
  | { readonly kind: 'topic'; readonly topic: TopicRecord }
  | {
      readonly kind: 'brokerConfigs';
      readonly owner: BrokerConfigsOwner;
      readonly configs: Readonly<Record<string, string>>;
      readonly staticConfigs: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'deletedTopic'; readonly id: TopicId; readonly name: string };

/** The whole image as it is now, every topic behind its partitions. */
export function snapshotFacts(image: ClusterImage): Fact[] {
  // First: what topics have that set nothing themselves.
  const facts: Fact[] = [brokerConfigsFact(image, 'default')];
  for (const owner of image.brokerConfigs.keys()) if (owner !== 'default') facts.push(brokerConfigsFact(image, owner));
  for (const { id } of image.brokers.values()) facts.push(brokerFact(image, id));
  for (const name of image.topics.keys()) facts.push(...topicFacts(image, name, 0));
  return facts;
}

/** What has changed, as it is now. */
export function factsOf(image: ClusterImage, entities: readonly Entity[]): Fact[] {
  return entities.flatMap((entity): Fact[] => {
    switch (entity.kind) {
      case 'broker':
        return [brokerFact(image, entity.id)];
      case 'brokerGone':
        return [entity];
      case 'topic':
        return topicFacts(image, entity.name, entity.newFrom);
      case 'brokerConfigs':
        return [brokerConfigsFact(image, entity.owner)];
      case 'deletedTopic':
        return [entity];
      case 'partition': {
        const partition = present(image.partition(entity.topicId, entity.index), 'a changed partition is in the image');
        return [{ kind: 'partition', partition }];
      }
    }
  });
}

function brokerFact(image: ClusterImage, id: BrokerRecord['id']): Fact {
  const broker = present(image.brokers.get(id), `broker ${id} is in the image`);
  return { kind: 'broker', broker, epoch: registrationOf(broker), state: image.stateOf(id) };
}

function brokerConfigsFact(image: ClusterImage, owner: BrokerConfigsOwner): Fact {
  const staticConfigs = owner === 'default' ? image.staticConfigs : {};
  return { kind: 'brokerConfigs', owner, configs: image.configsOf(owner), staticConfigs };
}

function topicFacts(image: ClusterImage, name: string, newFrom: number): Fact[] {
  const topic = present(image.topics.get(name), `topic ${name} is in the image`);
  const added = image.partitionsOf(topic).slice(newFrom);
  const partitions = added.map((partition): Fact => ({ kind: 'partition', partition }));
  return [...partitions, { kind: 'topic', topic }];
}

/** A fact as a message. */
export function changeMessage(fact: Fact): ChangeMessage {
  switch (fact.kind) {
    case 'broker': {
      const { id, grpcAddress, kafkaAddress, replicationAddress, rack } = fact.broker;
      const state = TOLD[fact.state];
      const value = { id, epoch: BigInt(fact.epoch), grpcAddress, kafkaAddress, replicationAddress, rack, state };
      return create(ChangeSchema, { change: { case: 'broker', value } });
    }
    case 'brokerGone': {
      const value = { id: fact.id, state: BrokerState.GONE };
      return create(ChangeSchema, { change: { case: 'broker', value } });
    }
    case 'topic':
      return create(ChangeSchema, { change: { case: 'topic', value: topicMessage(fact.topic) } });
    case 'brokerConfigs': {
      const { owner, configs, staticConfigs } = fact;
      const name = owner === 'default' ? '' : String(owner);
      const value = create(BrokerConfigsSchema, { name, configs: { ...configs }, staticConfigs: { ...staticConfigs } });
      return create(ChangeSchema, { change: { case: 'brokerConfigs', value } });
    }
    case 'deletedTopic': {
      const value = { id: uuidToBytes(fact.id), name: fact.name };
      return create(ChangeSchema, { change: { case: 'deletedTopic', value } });
    }
    case 'partition': {
      const { topicId, index, replicas, leader, leaderEpoch, isr, elr, partitionEpoch, uncleanEpoch } = fact.partition;
      const value = {
        topicId: uuidToBytes(topicId),
        index,
        replicas: [...replicas],
        leader,
        leaderEpoch,
        isr: isr.map(({ broker }) => broker),
        isrEpochs: isr.map(({ epoch }) => BigInt(epoch)),
        elr: elr.map(({ broker }) => broker),
        partitionEpoch,
        uncleanEpoch,
      };
      return create(ChangeSchema, { change: { case: 'partition', value } });
    }
  }
}

/** What followers are told of a state: one that has registered may lead at once. */
const TOLD: Readonly<Record<BrokerLifeState, BrokerState>> = {
  registered: BrokerState.ACTIVE,
  active: BrokerState.ACTIVE,
  draining: BrokerState.DRAINING,
  fenced: BrokerState.FENCED,
  gone: BrokerState.GONE,
};

/** A topic as a message. */
export function topicMessage({ name, id, partitionCount, configs }: TopicRecord): TopicMessage {
  return create(TopicSchema, { name, id: uuidToBytes(id), partitionCount, configs: { ...configs } });
}

/** The session exists. */
export function welcomeMessage(welcome: {
  readonly clusterId: string;
  readonly sessionId: string;
  readonly sessionTimeoutMs: number;
  readonly brokerEpoch: number;
}): SessionResponse {
  const value = { ...welcome, brokerEpoch: BigInt(welcome.brokerEpoch) };
  return create(SessionResponseSchema, { response: { case: 'welcome', value } });
}

/** A part of a snapshot. */
export function snapshotPageMessage(page: {
  readonly revision: Revision;
  readonly facts: readonly Fact[];
  readonly last: boolean;
}): SessionResponse {
  const value = { revision: BigInt(page.revision), changes: page.facts.map(changeMessage), last: page.last };
  return create(SessionResponseSchema, { response: { case: 'snapshotPage', value } });
}

/** What one transaction changed. */
export function deltaMessage(revision: Revision, facts: readonly Fact[]): SessionResponse {
  const value = { revision: BigInt(revision), changes: facts.map(changeMessage) };
  return create(SessionResponseSchema, { response: { case: 'delta', value } });
}

/** The answer to a heartbeat. */
export function heartbeatAnswerMessage(sequence: bigint, revision: Revision): SessionResponse {
  const value = { sequence, revision: BigInt(revision) };
  return create(SessionResponseSchema, { response: { case: 'heartbeatAnswer', value } });
}

/** The session is over, or cannot begin here. */
export function fencedMessage(why: Refusal & { readonly activeAddress?: string }): SessionResponse {
  const { code, message, activeAddress = '' } = why;
  return create(SessionResponseSchema, { response: { case: 'fenced', value: { code, message, activeAddress } } });
}
