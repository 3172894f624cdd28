import { CONSUMER_MUTATIONS } from './consumer-mutations.ts';
import { COORDINATOR_MUTATIONS } from './coordinator-mutations.ts';
import { GROUP_MUTATIONS } from './group-mutations.ts';
import { GROUP_SEED_MUTATIONS } from './group-seed-mutations.ts';
import { LOG_MUTATIONS } from './log-mutations.ts';
import type { Mutation } from './mutation.ts';
import { REPLICATION_MUTATIONS } from './replication-mutations.ts';

/** What durability, replication, groups and the metadata's safety rest on, broken one piece at a time. */
export const MUTATIONS: readonly Mutation[] = [
  ...LOG_MUTATIONS,
  ...REPLICATION_MUTATIONS,
  ...COORDINATOR_MUTATIONS,
  ...GROUP_MUTATIONS,
  ...GROUP_SEED_MUTATIONS,
  ...CONSUMER_MUTATIONS,
];
