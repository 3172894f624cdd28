import type { Client } from '@weir/client/client.ts';
import type { ConsumerOptions } from '@weir/client/consumer/consumer-options.ts';
import type { GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { GroupAdmin } from '@weir/client/group/group-admin.ts';
import type { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { Producer } from '@weir/client/producer/producer.ts';

/** What the gateway uses of the namespace. */
export type GatewayNamespace = Pick<
  NamespaceClient,
  | 'beginCalledSession'
  | 'children'
  | 'create'
  | 'delete'
  | 'endCalledSession'
  | 'get'
  | 'multi'
  | 'openSession'
  | 'set'
  | 'touchCalledSession'
  | 'watch'
>;

/** What the gateway uses of a consumer. */
export type GatewayConsumer = Pick<
  GroupConsumer,
  'assignment' | 'close' | 'commit' | 'committed' | 'poll' | 'position' | 'putBack' | 'seek' | 'subscribe'
>;

/** What the gateway uses of a client: the real one, or a cluster in memory in the tests. */
export type GatewayClient = Pick<
  Client,
  | 'awaitTopic'
  | 'brokers'
  | 'close'
  | 'clusterId'
  | 'createTopics'
  | 'deleteRecords'
  | 'deleteTopics'
  | 'listOffsets'
  | 'read'
  | 'revision'
  | 'subscribe'
  | 'topic'
  | 'topics'
> & {
  readonly namespace: GatewayNamespace;
  readonly groups: Pick<GroupAdmin, 'commit' | 'delete' | 'describe' | 'list' | 'offsets'>;
  consumer(options: ConsumerOptions): GatewayConsumer;
  readonly producer: Pick<Producer, 'bufferedBytes' | 'sendMany'>;
};
