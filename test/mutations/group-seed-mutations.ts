import type { Mutation, SeedBudget } from './mutation.ts';

/** Most are found within ten seeds; whoever changes what seeds draw has other ones. */
const BROKERS: SeedBudget = { simulation: 'brokers', seeds: 100 };
const GROUP = 'services/broker/src/group';

/** What groups rest on when members, brokers and coordinators fail: G1 to G9. */
export const GROUP_SEED_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a coordinator tells an assignment before it is stored',
    file: `${GROUP}/sync-group.ts`,
    find: 'assignment: byId.get(one.id) ?? NOTHING }));\n',
    replace:
      'assignment: byId.get(one.id) ?? NOTHING }));\n  for (const one of members) core.answerSync(core.members.get(one.id)!, core.synced(one), now);\n',
    tests: BROKERS,
    always: true,
  },
  {
    name: 'a commit is answered before it is committed',
    file: `${GROUP}/group-shard.ts`,
    find: '    this.#committing.add(answer);\n    this.#log.write(records, (outcome) => {\n',
    replace: "    answer('NONE');\n    this.#log.write(records, (outcome) => {\n",
    tests: BROKERS,
  },
  {
    name: 'a coordinator does not compare the generation of a commit',
    file: `${GROUP}/classic-group.ts`,
    find: "if (request.generation !== generation) return 'ILLEGAL_GENERATION';\n    if (state",
    replace: 'if (state',
    tests: BROKERS,
  },
  {
    name: 'who loads a group forgets a generation in which nothing is assigned yet',
    file: `${GROUP}/group-shard.ts`,
    find: 'else group.classic.load(stored.record);',
    replace:
      'else if (stored.record.members.some(({ assignment }) => assignment.length > 0)) group.classic.load(stored.record);',
    tests: BROKERS,
  },
  {
    name: 'who loads groups does not wait for what is not committed yet',
    file: `${GROUP}/group-log.ts`,
    find: 'this.#until = partition.endOffset;',
    replace: 'this.#until = partition.highWatermark;',
    tests: BROKERS,
  },
  {
    name: 'the next generation of a group has the number of this one',
    file: `${GROUP}/rebalance.ts`,
    find: 'const generation = core.generation + 1;',
    replace: 'const generation = Math.max(1, core.generation);',
    tests: BROKERS,
  },
  {
    name: 'a cooperative leader gives out what somebody reads in this generation',
    file: 'packages/client/src/group/sticky-assignor.ts',
    find: 'return withoutMoving(subscribers, sharing.assignment);',
    replace: 'return subscribers.length > 0 ? sharing.assignment : withoutMoving(subscribers, sharing.assignment);',
    tests: BROKERS,
  },
  {
    name: 'a member whose session is over keeps its partitions',
    file: `${GROUP}/rebalance.ts`,
    find: '.filter((member) => member.deadlineMs <= now.ms && !isWaiting(member));',
    replace: '.filter((member) => member.deadlineMs <= now.ms && member.isNew && !isWaiting(member));',
    tests: BROKERS,
  },
  {
    name: 'a coordinator that has lost its partition goes on answering',
    file: `${GROUP}/group-coordinator.ts`,
    find: 'if (partition === shard.partition && partition.leadership?.epoch === shard.epoch) continue;',
    replace: 'if (shard.problem === undefined || partition?.leadership?.epoch === shard.epoch) continue;',
    also: [
      {
        file: `${GROUP}/group-log.ts`,
        find: '  ended(why: Refusal): void {\n    this.#end(why);\n',
        replace: '  ended(): void {\n',
      },
    ],
    tests: BROKERS,
  },
  {
    name: 'an instance id that another member has is not fenced',
    file: `${GROUP}/group-members.ts`,
    find: "      if (known.id !== memberId) return 'FENCED_INSTANCE_ID';\n",
    replace: '',
    tests: BROKERS,
  },
  {
    name: 'a native consumer commits what has come and nobody has taken',
    file: 'packages/client/src/consumer/partition-feed.ts',
    find: '          this.#frames.push({ batches, fromOffset, nextOffset });\n',
    replace:
      '          this.#frames.push({ batches, fromOffset, nextOffset });\n          this.#processed = nextOffset;\n',
    tests: BROKERS,
  },
];
