import type { GroupSpec } from './groups.ts';

/** Fewer than one of the groups has members. */
export const GROUPED_PARTITIONS = 4;

/** Three groups that read the same: of native clients that give away all and that keep what they have, and one of Kafka's protocol. */
export const USUAL_GROUPS: readonly GroupSpec[] = [
  { id: 'native', kind: 'native', members: 3 },
  { id: 'sticky', kind: 'native', members: 2, assignors: ['cooperative-sticky'] },
  { id: 'classic', kind: 'classic', members: GROUPED_PARTITIONS + 1 },
];

/** For scenarios whose faults are not aimed at groups: what holds of records has to hold of one that reads them. */
export const ONE_GROUP: readonly GroupSpec[] = [{ id: 'native', kind: 'native', members: 2 }];
