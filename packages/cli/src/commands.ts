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
    summary: 'run a broker',
    load: async () => (await import('@weir/broker/service.ts')).broker,
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
