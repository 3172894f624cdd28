/** A member as it is stored: Kafka's `GroupMetadataValue.MemberMetadata`. */
export interface GroupRecordMember {
  readonly memberId: string;
  /** Of a static member (KIP-345). */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** -1 in records of old versions: the session timeout counts. */
  readonly rebalanceTimeout: number;
  readonly sessionTimeout: number;
  /** What it said with the protocol that was chosen. */
  readonly subscription: Uint8Array;
  readonly assignment: Uint8Array;
}

/**
 * A group as it is stored: Kafka's `GroupMetadataValue`. With members of whom none has an assignment it is a generation whose
 * leader has assigned nothing yet.
 */
export interface GroupRecord {
  readonly protocolType: string;
  readonly generation: number;
  readonly protocol: string | null;
  readonly leader: string | null;
  /** Since when the group is in its state, in milliseconds since 1970; -1: not known. */
  readonly currentStateTimestamp: number;
  readonly members: readonly GroupRecordMember[];
}

/** What became of a record: nobody will ever read one that was refused. Of what is unknown the group must not hear: it ends. */
export type StoreOutcome<Refusal> =
  | { readonly kind: 'committed' }
  | { readonly kind: 'refused'; readonly error: Refusal };
