/** Something that a user of a client sees otherwise with Weir than with Apache Kafka, and why that is so. */
interface KnownDifference {
  readonly client: string;
  readonly scenario: string;
  /** Of what was seen. */
  readonly key: string;
  readonly why: string;
}

const COMPACTION = 'compaction is not built yet';

const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  { client: 'java', scenario: 'admin-configs', key: 'append', why: COMPACTION },
  { client: 'kafka-tools', scenario: 'admin-configs', key: 'list', why: COMPACTION },
];

/** Why it may differ; undefined when it may not. */
export function whyDiffers(place: Omit<KnownDifference, 'why'>): string | undefined {
  return KNOWN_DIFFERENCES.find(
    ({ client, scenario, key }) => client === place.client && scenario === place.scenario && key === place.key,
  )?.why;
}
