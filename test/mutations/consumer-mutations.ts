import type { Mutation } from './mutation.ts';

const CLIENT = 'packages/client/src';
const TESTS = ['services/broker/src/rpc/native-consumer.test.ts'];

/** What keeps a native consumer's promise: each record at least once, and nothing read by two at a time. */
export const CONSUMER_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a native consumer commits what its owner is not done with',
    file: `${CLIENT}/consumer/partition-feed.ts`,
    find: '        this.#position = record.offset + 1;\n',
    replace: '        this.#position = record.offset + 1;\n        this.#processed = this.#position;\n',
    tests: TESTS,
    always: true,
  },
  {
    name: 'a native consumer gives its partitions away uncommitted',
    file: `${CLIENT}/consumer/group-consumer.ts`,
    find: "    if (this.#settings.commitIntervalMs !== 'manual') await this.#commitQuietly(feeds);\n",
    replace: '',
    tests: TESTS,
  },
  {
    name: 'a native consumer reads on what it has given away',
    file: `${CLIENT}/group/group-member.ts`,
    find: '      await this.#revoke(this.#owned);\n    }\n  }',
    replace: '      this.#takeOwned();\n    }\n  }',
    tests: TESTS,
  },
  {
    name: 'a native consumer whose owner takes nothing stays in its group',
    file: `${CLIENT}/group/group-member.ts`,
    find: 'this.#owner.takenMs() >= this.#options.pollIntervalMs) {',
    replace: 'this.#owner.takenMs() >= Number.POSITIVE_INFINITY) {',
    tests: TESTS,
  },
  {
    name: 'a native consumer joins once more because a commit met the rebalance that it is in',
    file: `${CLIENT}/group/group-member.ts`,
    find: '        if (this.#isSyncing) return;\n',
    replace: '',
    tests: [`${CLIENT}/group/group-member.test.ts`],
  },
  {
    name: 'a cooperative leader gives out what another one still reads',
    file: `${CLIENT}/group/sticky-assignor.ts`,
    find: 'return withoutMoving(subscribers, sharing.assignment);',
    replace: 'return subscribers.length > 0 ? sharing.assignment : withoutMoving(subscribers, sharing.assignment);',
    tests: [`${CLIENT}/group/assignors.test.ts`],
  },
];
