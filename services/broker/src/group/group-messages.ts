import type { GroupError } from './group-error.ts';
import type { GroupRecord } from './group-record.ts';

/** Now, twice: on the monotonic clock, which deadlines are on, and since 1970, which is stored. */
export interface GroupTime {
  readonly ms: number;
  readonly wallMs: number;
}

/** A way to assign that a member supports, and what it says with it. */
export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinRequest {
  /** Empty: it is new, or a static member that does not know its id. */
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocolType: string;
  /** The one that it likes best comes first. */
  readonly protocols: readonly GroupProtocol[];
  readonly sessionTimeoutMs: number;
  /** -1, as before version 1: the session timeout. */
  readonly rebalanceTimeoutMs: number;
  /** Whether a new member has to ask again with the id that it is given (KIP-394): from version 4 on. */
  readonly needsMemberId: boolean;
  /** Whether a leader may be told that nothing is to be assigned (KIP-814): from version 9 on. */
  readonly maySkipAssignment: boolean;
  /** For people (KIP-800). */
  readonly reason: string | undefined;
  /** Chance: what a new member's id ends with. */
  readonly uuid: string;
}

export interface JoinResponse {
  readonly error: GroupError;
  /** -1 with an error. */
  readonly generation: number;
  readonly protocolType: string | undefined;
  readonly protocol: string | undefined;
  /** Empty with an error. */
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** For the leader alone. */
  readonly members: readonly JoinedMember[];
}

export interface JoinedMember {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly metadata: Uint8Array;
}

/** Who speaks: what every request of a member carries. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly instanceId: string | undefined;
}

export interface SyncRequest extends MemberIdentity {
  readonly generation: number;
  /** Not known before version 5. */
  readonly protocolType: string | undefined;
  readonly protocol: string | undefined;
  /** Of the leader: what each member gets. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface SyncResponse {
  readonly error: GroupError;
  readonly protocolType: string | undefined;
  readonly protocol: string | undefined;
  readonly assignment: Uint8Array;
}

export interface HeartbeatRequest extends MemberIdentity {
  readonly generation: number;
}

/** With an empty member id it is a static member, by its instance id. */
export interface LeavingMember extends MemberIdentity {
  readonly reason: string | undefined;
}

export interface LeaveResponse {
  readonly error: GroupError;
  /** Each as it was asked for. */
  readonly members: readonly (MemberIdentity & { readonly error: GroupError })[];
}

export interface CommitRequest extends MemberIdentity {
  /** -1: not of a member. */
  readonly generation: number;
}

/** What happened in a group, for logs and metrics. */
export type GroupHappening = 'rebalance' | 'generation' | 'stable' | 'emptied' | 'removed' | 'replaced' | 'refused';

/** What follows from an event, in this order. `Token` is whatever the owner of the group knows a request by. */
export type GroupEffect<Token> =
  | { readonly kind: 'joined'; readonly token: Token; readonly response: JoinResponse }
  | { readonly kind: 'synced'; readonly token: Token; readonly response: SyncResponse }
  | { readonly kind: 'left'; readonly token: Token; readonly response: LeaveResponse }
  | { readonly kind: 'deleted'; readonly token: Token; readonly error: GroupError }
  /** To be appended, and its outcome to be told (`stored`), before anything else is asked to be stored. Null: a tombstone. */
  | { readonly kind: 'store'; readonly record: GroupRecord | null }
  | { readonly kind: 'happened'; readonly what: GroupHappening; readonly text: string };

/** The id that a new member gets, or a static one that has come back. */
export function newMemberId({ clientId, instanceId, uuid }: JoinRequest): string {
  return `${instanceId ?? clientId}-${uuid}`;
}

/** The answer to a JoinGroup that failed. */
export function joinRefused(error: GroupError, memberId: string): JoinResponse {
  return {
    error,
    generation: -1,
    protocolType: undefined,
    protocol: undefined,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

/** The answer to a SyncGroup that failed. */
export function syncRefused(error: GroupError): SyncResponse {
  return { error, protocolType: undefined, protocol: undefined, assignment: NOTHING };
}

/** Of whom nothing was assigned. */
export const NOTHING: Uint8Array = new Uint8Array();
