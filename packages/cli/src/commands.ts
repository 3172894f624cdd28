import type { CommandTree } from './command.ts';

/** Every command that there is. */
export const commands: CommandTree = {
  dev: {
    kind: 'command',
    summary: 'run all of Weir in one process, for development',
    load: async () => (await import('./dev/dev.ts')).devCommand,
  },
  coordinator: {
    kind: 'service',
    summary: 'run a coordinator',
    load: async () => (await import('@weir/coordinator/service.ts')).coordinator,
  },
  broker: {
    kind: 'service',
    summary: 'run a broker; list, drain and unregister brokers',
    load: async () => (await import('@weir/broker/service.ts')).broker,
    children: {
      list: {
        kind: 'command',
        summary: 'list the brokers, where they stand and what they hold',
        load: async () => (await import('./broker/list.ts')).brokerList,
      },
      drain: {
        kind: 'command',
        summary: 'move leadership away from a broker that is going to stop',
        load: async () => (await import('./broker/drain.ts')).brokerDrain,
      },
      undrain: {
        kind: 'command',
        summary: 'take the drain of a broker back',
        load: async () => (await import('./broker/undrain.ts')).brokerUndrain,
      },
      unregister: {
        kind: 'command',
        summary: 'make the cluster forget a broker that is gone for good',
        load: async () => (await import('./broker/unregister.ts')).brokerUnregister,
      },
    },
  },
  gateway: {
    kind: 'service',
    summary: 'run a gateway',
    load: async () => (await import('@weir/gateway/service.ts')).gateway,
  },
  topic: {
    kind: 'group',
    summary: 'create, list, describe, alter, trim and delete topics',
    children: {
      create: {
        kind: 'command',
        summary: 'create a topic',
        load: async () => (await import('./topic/create.ts')).topicCreate,
      },
      list: {
        kind: 'command',
        summary: 'list the topics',
        load: async () => (await import('./topic/list.ts')).topicList,
      },
      describe: {
        kind: 'command',
        summary: 'show a topic: its partitions, leaders, offsets and configs',
        load: async () => (await import('./topic/describe.ts')).topicDescribe,
      },
      alter: {
        kind: 'command',
        summary: 'add partitions to a topic, and alter its configs',
        load: async () => (await import('./topic/alter.ts')).topicAlter,
      },
      'elect-leaders': {
        kind: 'command',
        summary: 'bring leadership back to preferred replicas now, or elect whoever is there',
        load: async () => (await import('./topic/elect-leaders.ts')).topicElectLeaders,
      },
      trim: {
        kind: 'command',
        summary: "delete a topic's oldest records",
        load: async () => (await import('./topic/trim.ts')).topicTrim,
      },
      delete: {
        kind: 'command',
        summary: 'delete topics with all their records',
        load: async () => (await import('./topic/delete.ts')).topicDelete,
      },
    },
  },
  partition: {
    kind: 'group',
    summary: 'look at partitions: who leads them, and who is in sync',
    children: {
      list: {
        kind: 'command',
        summary: 'list partitions, who leads them, who is in sync and which are short of replicas',
        load: async () => (await import('./partition/list.ts')).partitionList,
      },
      describe: {
        kind: 'command',
        summary: 'show a partition: its replicas and how they stand, its leader and its offsets',
        load: async () => (await import('./partition/describe.ts')).partitionDescribe,
      },
    },
  },
  config: {
    kind: 'group',
    summary: 'look at configs of topics, brokers and the cluster, and set them',
    children: {
      list: {
        kind: 'command',
        summary: 'list what was set of topics, brokers and the cluster',
        load: async () => (await import('./config/list.ts')).configList,
      },
      describe: {
        kind: 'command',
        summary: 'show every config of a topic, a broker or the cluster, with who has set it',
        load: async () => (await import('./config/describe.ts')).configDescribe,
      },
      set: {
        kind: 'command',
        summary: 'set configs of a topic, a broker or the cluster',
        load: async () => (await import('./config/set.ts')).configSet,
      },
      unset: {
        kind: 'command',
        summary: 'take back configs of a topic, a broker or the cluster',
        load: async () => (await import('./config/unset.ts')).configUnset,
      },
    },
  },
  produce: {
    kind: 'command',
    summary: 'make records of the lines of standard input',
    load: async () => (await import('./produce/produce.ts')).produceCommand,
  },
  consume: {
    kind: 'command',
    summary: 'print the records of a topic',
    load: async () => (await import('./consume/consume.ts')).consumeCommand,
  },
  group: {
    kind: 'group',
    summary: 'look at consumer groups, and move where they read on',
    children: {
      list: {
        kind: 'command',
        summary: 'list consumer groups',
        load: async () => (await import('./group/list.ts')).groupList,
      },
      describe: {
        kind: 'command',
        summary: 'show a group: its members, and how far it has come',
        load: async () => (await import('./group/describe.ts')).groupDescribe,
      },
      seek: {
        kind: 'command',
        summary: 'move where a group reads on, while nobody is in it',
        load: async () => (await import('./group/seek.ts')).groupSeek,
      },
      delete: {
        kind: 'command',
        summary: 'delete groups with what they have committed',
        load: async () => (await import('./group/delete.ts')).groupDelete,
      },
    },
  },
  bench: {
    kind: 'group',
    summary: 'measure a running cluster',
    children: {
      produce: {
        kind: 'command',
        summary: 'measure how fast records are taken',
        load: async () => (await import('./bench/produce.ts')).benchProduce,
      },
      consume: {
        kind: 'command',
        summary: 'measure how fast a topic is read',
        load: async () => (await import('./bench/consume.ts')).benchConsume,
      },
      latency: {
        kind: 'command',
        summary: 'measure the way from sender to reader',
        load: async () => (await import('./bench/latency.ts')).benchLatency,
      },
    },
  },
  cluster: {
    kind: 'group',
    summary: 'look at the cluster',
    children: {
      info: {
        kind: 'command',
        summary: 'show the brokers and what they hold',
        load: async () => (await import('./cluster/info.ts')).clusterInfo,
      },
      health: {
        kind: 'command',
        summary: 'say whether all brokers are there, and all partitions led and in sync',
        load: async () => (await import('./cluster/health.ts')).clusterHealth,
      },
    },
  },
  tree: {
    kind: 'group',
    summary: 'read, write and watch the namespace, a tree of small nodes',
    children: {
      ls: {
        kind: 'command',
        summary: "list a node's children",
        load: async () => (await import('./tree/ls.ts')).treeLs,
      },
      get: {
        kind: 'command',
        summary: 'print a node',
        load: async () => (await import('./tree/get.ts')).treeGet,
      },
      create: {
        kind: 'command',
        summary: 'create a node',
        load: async () => (await import('./tree/create.ts')).treeCreate,
      },
      set: {
        kind: 'command',
        summary: "replace a node's data",
        load: async () => (await import('./tree/set.ts')).treeSet,
      },
      rm: {
        kind: 'command',
        summary: 'delete a node',
        load: async () => (await import('./tree/rm.ts')).treeRm,
      },
      multi: {
        kind: 'command',
        summary: 'do several operations, all or none',
        load: async () => (await import('./tree/multi.ts')).treeMulti,
      },
      watch: {
        kind: 'command',
        summary: 'print what happens to nodes, as it happens',
        load: async () => (await import('./tree/watch.ts')).treeWatch,
      },
    },
  },
  'dev-service': {
    kind: 'hidden',
    run: async (words) => (await import('./dev/child.node.ts')).runDevService(words),
  },
};
