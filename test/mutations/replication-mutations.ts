import type { Mutation } from './mutation.ts';

/** What replication rests on. */
export const REPLICATION_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a member of the ISR that lacks what is committed stays there while it catches up',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: ' && !this.lacks(broker, highWatermark);',
    replace: ';',
    tests: ['services/broker/src/replication/in-sync-replicas.test.ts'],
  },
  {
    name: 'a damaged replica is dropped while its leader may take it back for what it was',
    file: 'services/broker/src/partition/doubts.ts',
    find: "    if (leaderEpoch <= known.spokeIn) return 'report';\n",
    replace: '',
    tests: ['services/broker/src/replication/healing.test.ts'],
    always: true,
  },
  {
    name: 'a damaged replica is dropped while it may be elected',
    file: 'services/broker/src/partition/doubts.ts',
    find: 'if (leader === me || isr.includes(me) || elr.includes(me)) return',
    replace: 'if (leader === me || isr.includes(me)) return',
    tests: ['services/broker/src/partition/doubts.test.ts'],
  },
  {
    name: 'the last replica is dropped because it is damaged',
    file: 'services/broker/src/partition/doubts.ts',
    find: "    if (leader === -1) return 'wait';\n",
    replace: '',
    tests: ['services/broker/src/partition/doubts.test.ts'],
  },
  {
    name: 'what a journal has of a log that is gone comes back over the one in its place',
    file: 'services/broker/src/partition/open-log.ts',
    find: 'if (said > 0) writeTruncationMark',
    replace: 'if (said < 0) writeTruncationMark',
    tests: ['services/broker/src/partition/partition-faults.test.ts'],
  },
];
