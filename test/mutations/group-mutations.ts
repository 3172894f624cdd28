import type { Mutation } from './mutation.ts';

const GROUP = 'services/broker/src/group';
const MODEL = `${GROUP}/group-model.test.ts`;

/** What makes it safe to believe a consumer group: stored, then told, and nothing taken of who is out of date. */
export const GROUP_MUTATIONS: readonly Mutation[] = [
  {
    name: 'an assignment is told before it is stored',
    file: `${GROUP}/sync-group.ts`,
    find: 'assignment: byId.get(one.id) ?? NOTHING }));\n',
    replace:
      'assignment: byId.get(one.id) ?? NOTHING }));\n  for (const one of members) core.answerSync(core.members.get(one.id)!, core.synced(one), now);\n',
    tests: [MODEL],
    always: true,
  },
  {
    name: 'a group changes while its record is on its way',
    file: `${GROUP}/classic-group.ts`,
    find: 'if (!this.isStoring) this.#handle(waiting, now);',
    replace: "if (!this.isStoring || waiting.kind === 'leave') this.#handle(waiting, now);",
    tests: [MODEL],
  },
  {
    name: 'a generation has the number of the one before it',
    file: `${GROUP}/rebalance.ts`,
    find: 'const generation = core.generation + 1;',
    replace: 'const generation = core.generation;',
    tests: [MODEL],
  },
  {
    name: 'a commit of an earlier generation is taken',
    file: `${GROUP}/classic-group.ts`,
    find: "if (request.generation !== generation) return 'ILLEGAL_GENERATION';\n    if (state",
    replace: 'if (state',
    tests: [MODEL],
  },
  {
    name: 'somebody commits who is no member while others are',
    file: `${GROUP}/classic-group.ts`,
    find: "if (request.generation < 0 && state === 'Empty') return 'NONE';",
    replace: "if (request.generation < 0) return 'NONE';",
    tests: [MODEL],
  },
  {
    name: 'an assignment is taken from somebody who does not lead',
    file: `${GROUP}/sync-group.ts`,
    find: 'if (member.id === core.leaderId && core.write',
    replace: 'if (core.write',
    tests: [MODEL],
    always: true,
  },
  {
    name: 'a static member that was replaced goes on under its old id',
    file: `${GROUP}/group-members.ts`,
    find: "      if (known.id !== memberId) return 'FENCED_INSTANCE_ID';\n",
    replace: '',
    tests: [`${GROUP}/join-group.test.ts`],
  },
  {
    name: 'a commit of a static member is taken while another process is about to have its place',
    file: `${GROUP}/classic-group.ts`,
    find: "    if (write?.kind === 'replacement' && write.replacement.oldId === member.id) return 'COORDINATOR_NOT_AVAILABLE';\n",
    replace: '',
    tests: [`${GROUP}/join-group.test.ts`],
  },
  {
    name: 'a joining phase that was not told is loaded as a stable group',
    file: `${GROUP}/load-group.ts`,
    find: 'const isUnassigned = [...members].every(({ assignment }) => assignment.length === 0);',
    replace: 'const isUnassigned = false;',
    tests: [`${GROUP}/load-group.test.ts`],
  },
  {
    name: 'who waits for a record is not told when its group ends',
    file: `${GROUP}/classic-group.ts`,
    find: 'for (const waiting of this.#waiting.splice(0)) this.#refuse(waiting, error);',
    replace: '',
    tests: [MODEL],
  },
  {
    name: 'a watch is told what happened since, where compaction took some of it',
    file: `${GROUP}/tree/shard-tree.ts`,
    find: 'if (!this.#isLoaded && this.#hasGaps && !wasKnown) return this.#history.forget(revision);',
    replace: '',
    tests: [`${GROUP}/tree/shard-tree.test.ts`],
  },
  {
    name: 'a watch goes on from a revision of a log that was cut',
    file: 'services/broker/src/rpc/consumer-watch-stream.ts',
    find: "if (endOffset === -1 || first - 1 > endOffset) return 'lost';",
    replace: '',
    tests: ['services/broker/src/rpc/consumer-tree.test.ts'],
  },
];
