import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import { ISR_UNTOLD_MS, REPLICA_LAG_TIME_MAX_MS } from '@weir/base/limits.ts';

/** A replica in sync. It counts under that registration of its broker alone (KIP-903). */
export interface IsrMember {
  readonly broker: number;
  /** The broker epoch: the revision of the registration. */
  readonly epoch: number;
}

/** A partition's replicas as the metadata has them. */
export interface ReplicaState {
  /** Grows with every change. */
  readonly partitionEpoch: number;
  /** In order of preference. */
  readonly replicas: readonly number[];
  readonly isr: readonly IsrMember[];
  /** How many have to be in sync for anything to be committed. */
  readonly minInSync: number;
}

/** Whether a broker may join the ISR: registered under that epoch, alive, and not about to stop. */
export type Eligible = (member: IsrMember) => boolean;

/** In-sync replicas as the leader wants them, for the coordinator. */
export interface IsrProposal {
  readonly partitionEpoch: number;
  readonly isr: readonly IsrMember[];
}

/**
 * What became of a proposal. `written`: it is in the metadata, and will be told with it. `superseded`: the metadata is
 * ahead of what the leader knows. `refused`: it was not written, for certain. `unsent`: nobody has got it. `unknown`: it may
 * be written later.
 */
export type ProposalOutcome = 'written' | 'superseded' | 'refused' | 'unsent' | 'unknown';

/** How far a follower is behind. */
interface FollowerLag {
  readonly broker: number;
  /** What it has not said to hold durably; undefined: it has said nothing yet in this leader epoch. */
  readonly records: number | undefined;
  /** Since it held all that there was; 0 while it does. */
  readonly ms: number;
}

/** What a follower has durably. */
export interface HeldRange {
  readonly logStart: Offset;
  readonly durableEnd: Offset;
}

interface Follower {
  epoch: number;
  /** Grows with every subscription of that broker in that epoch. */
  subscription: bigint;
  /** All below it is on the follower's disk; it has said so in this leader epoch. */
  durableEnd: Offset;
  /** Where its log begins, durably, as far as it has said so. */
  logStart: Offset;
  /** Who it speaks through; undefined: its stream is over. What it has, it has all the same. */
  speaker: object | undefined;
  /** When it held all that the leader had. */
  caughtUpMs: number;
  /** The leader's end at some moment: once the follower has that, it was caught up at that moment. */
  sampledEnd: Offset;
  sampledMs: number;
}

/**
 * What a leader knows of the replicas of its partition in one leader epoch: how far each is, who is in sync, what may be
 * committed, and whom it wants in the ISR. Pure: time and facts are handed in.
 *
 * The ISR is decided upon by proposals, each a compare-and-set on the partition epoch. From the moment one is made until the
 * metadata shows a newer partition epoch it may be written at any time; so all who are in it count as in sync (the maximal
 * ISR), and none of it is taken back on anybody's word but that of a refusal that was sent once (rules 4 and 5 in
 * docs/INVARIANTS.md).
 *
 * Invariants: nothing is committable below `minInSync` committed members (R6), nor past what any member of the maximal ISR
 * holds durably under its epoch; who is to join holds the high watermark and the start of this leader epoch (R7), and nothing that
 * the leader has deleted.
 */
export class InSyncReplicas {
  readonly #me: number;
  /** The log's end when this leader epoch began. */
  readonly #epochStart: Offset;
  #beganMs: number;
  /** Where the leader's own log begins: who is to join has deleted what lies below it. */
  logStart = offset(0);
  #state: ReplicaState;
  /** Proposed at the state's partition epoch, and not settled. */
  #proposals: (readonly IsrMember[])[] = [];
  #phase: 'idle' | 'asking' | 'resend' | 'supersede' | 'metadata' = 'idle';
  /** Somebody may write an earlier proposal yet. */
  #isUncertain = false;
  #askedMs = 0;
  #isResigning = false;
  /** Of the committed ISR and all proposals; each broker once, under the newest epoch. */
  #maximal: readonly IsrMember[];
  readonly #followers = new Map<number, Follower>();

  constructor(
    { me, epochStart, nowMs }: { readonly me: number; readonly epochStart: Offset; readonly nowMs: number },
    state: ReplicaState,
  ) {
    this.#me = me;
    this.#epochStart = epochStart;
    this.#beganMs = nowMs;
    this.#state = state;
    this.#maximal = state.isr;
  }

  /** As committed. */
  get isr(): readonly IsrMember[] {
    return this.#state.isr;
  }

  /** Whether enough replicas are in sync for anything to be committed. */
  get isEnough(): boolean {
    return this.#state.isr.length >= this.#state.minInSync;
  }

  get minInSync(): number {
    return this.#state.minInSync;
  }

  /** In order of preference. */
  get replicas(): readonly number[] {
    return this.#state.replicas;
  }

  /** Whether a broker has a replica, in sync or not. */
  hasReplica(broker: number): boolean {
    return this.#state.replicas.includes(broker);
  }

  /** Whether there are replicas but the leader's. */
  get hasFollowers(): boolean {
    return this.#state.replicas.length > 1;
  }

  /** Takes over what the metadata says. Older than what is known it means nothing, but for the minimum. */
  adopt(state: ReplicaState): void {
    if (state.partitionEpoch > this.#state.partitionEpoch) {
      this.#proposals = [];
      this.#isUncertain = false;
      this.#phase = 'idle';
      this.#state = state;
    } else {
      this.#state = { ...this.#state, minInSync: state.minInSync };
    }
    this.#maximal = this.#union();
  }

  /**
   * A follower begins to follow, from the end of its log.
   *
   * @param subscription - its number, which that broker counts up over all its streams
   * @returns false when it has begun anew since: what an older stream brings late means nothing any more
   */
  begins(
    member: IsrMember,
    subscription: bigint,
    speaker: object,
    durableEnd: Offset,
    now: { readonly ms: number; readonly logEnd: Offset },
  ): boolean {
    const before = this.#followers.get(member.broker);
    if (before !== undefined && before.epoch === member.epoch && before.subscription > subscription) return false;
    const caughtUpMs = before === undefined ? this.#beganMs : before.caughtUpMs;
    this.#followers.set(member.broker, {
      epoch: member.epoch,
      subscription,
      durableEnd,
      logStart: offset(0),
      speaker,
      caughtUpMs,
      sampledEnd: now.logEnd,
      sampledMs: now.ms,
    });
    this.#note(this.#followers.get(member.broker)!, now);
    return true;
  }

  /**
   * From where and up to where a follower has it durably: at most the leader's end. False: nothing new, or another stream speaks
   * for it.
   */
  moved(
    broker: number,
    speaker: object,
    { durableEnd, logStart }: HeldRange,
    now: { readonly ms: number; readonly logEnd: Offset },
  ): boolean {
    const follower = this.#followers.get(broker);
    if (follower?.speaker !== speaker) return false;
    if (durableEnd <= follower.durableEnd && logStart <= follower.logStart) return false;
    follower.logStart = logStart;
    if (durableEnd > follower.durableEnd) {
      follower.durableEnd = durableEnd;
      this.#note(follower, now);
    }
    return true;
  }

  /**
   * Whoever can be elected, now or later, has deleted what lies below it, as far as the leader has: Infinity when that is the
   * leader alone, -1 when nobody knows who else it is.
   */
  get deletedBelow(): number {
    // With fewer in sync than the minimum others may be eligible, which are not told here.
    if (!this.isEnough) return -1;
    let below = Infinity;
    for (const { broker, epoch } of this.#maximal) {
      if (broker === this.#me) continue;
      const follower = this.#followers.get(broker);
      below = Math.min(below, follower?.epoch === epoch ? follower.logStart : -1);
    }
    return below;
  }

  /** Whether a broker is in sync, by the metadata: whatever it has below the high watermark is what is committed. */
  isInSync({ broker, epoch }: IsrMember): boolean {
    return this.#state.isr.some((member) => member.broker === broker && member.epoch === epoch);
  }

  /** The stream is over. */
  ended(broker: number, speaker: object): void {
    const follower = this.#followers.get(broker);
    if (follower?.speaker === speaker) follower.speaker = undefined;
  }

  /**
   * All below it is held durably by every replica of the maximal ISR; undefined: nothing more can be committed now.
   *
   * @param ownEnd - what the leader itself holds durably
   */
  committable(ownEnd: Offset): Offset | undefined {
    if (!this.isEnough) return undefined;
    let end: number = ownEnd;
    for (const { broker, epoch } of this.#maximal) {
      if (broker === this.#me) continue;
      const follower = this.#followers.get(broker);
      if (follower === undefined || follower.epoch !== epoch) return undefined;
      end = Math.min(end, follower.durableEnd);
    }
    return offset(end);
  }

  /** Whether a follower that is not in sync could be: then there may be something to propose. */
  mayJoin(broker: number, highWatermark: Offset): boolean {
    const follower = this.#followers.get(broker);
    if (follower === undefined || this.#maximal.some((member) => member.broker === broker)) return false;
    return this.#isCaughtUp(follower, highWatermark) && this.#state.replicas.includes(broker);
  }

  /**
   * Whether a member of the ISR lacks what is committed, which it cannot by what it has said before: its disk is not what it was,
   * and nothing else has told. It is to leave before anybody elects it.
   */
  lacks(broker: number, highWatermark: Offset): boolean {
    const follower = this.#followers.get(broker);
    const member = this.#state.isr.find((one) => one.broker === broker);
    return follower !== undefined && follower.epoch === member?.epoch && follower.durableEnd < highWatermark;
  }

  /**
   * Looks who has fallen behind, which is who did not hold all that there was at any moment of the last
   * REPLICA_LAG_TIME_MAX_MS. Called about every second.
   *
   * @param pausedMs - so long this process itself did nothing, and could not hear its followers
   */
  look(now: { readonly ms: number; readonly logEnd: Offset }, pausedMs: number): void {
    this.#beganMs += pausedMs;
    for (const follower of this.#followers.values()) {
      follower.caughtUpMs += pausedMs;
      follower.sampledMs += pausedMs;
      if (follower.speaker !== undefined) this.#note(follower, now);
    }
  }

  /** Leads no longer than it has to: from now on it wants an ISR without itself, of which another one leads. */
  resign(): void {
    this.#isResigning = true;
  }

  /** What to ask of the coordinator now, if anything: one thing at a time. */
  propose(nowMs: number, highWatermark: Offset, isEligible: Eligible): IsrProposal | undefined {
    const isr = this.#next(nowMs, highWatermark, isEligible);
    if (isr === undefined) return undefined;
    if (this.#proposals.at(-1) !== isr) this.#proposals.push(isr);
    this.#phase = 'asking';
    this.#askedMs = nowMs;
    this.#maximal = this.#union();
    return { partitionEpoch: this.#state.partitionEpoch, isr };
  }

  /** What became of the proposal that was asked for last, at that partition epoch. True: there is something to ask again. */
  answered(partitionEpoch: number, outcome: ProposalOutcome): boolean {
    // The metadata was faster.
    if (partitionEpoch !== this.#state.partitionEpoch || this.#phase !== 'asking') return false;
    switch (outcome) {
      case 'written':
      case 'superseded':
        this.#phase = 'metadata';
        return false;
      case 'unknown':
        this.#isUncertain = true;
        this.#phase = 'resend';
        return true;
      case 'unsent':
      case 'refused':
        if (this.#isUncertain) {
          this.#phase = outcome === 'unsent' ? 'resend' : 'supersede';
        } else {
          this.#proposals = [];
          this.#phase = 'idle';
          this.#maximal = this.#union();
        }
        return true;
    }
  }

  /** For tests and people: all who count as in sync. */
  get maximalIsr(): readonly IsrMember[] {
    return this.#maximal;
  }

  /** Up to where a follower has it durably, as far as it has said so in this leader epoch. */
  durableEndOf(broker: number): Offset | undefined {
    return this.#followers.get(broker)?.durableEnd;
  }

  /** How far each of the other replicas is behind. */
  *lags({ ms, logEnd }: { readonly ms: number; readonly logEnd: Offset }): Generator<FollowerLag> {
    for (const broker of this.#state.replicas) {
      if (broker === this.#me) continue;
      const follower = this.#followers.get(broker);
      if (follower === undefined) {
        yield { broker, records: undefined, ms: ms - this.#beganMs };
        continue;
      }
      const records = Math.max(0, logEnd - follower.durableEnd);
      const holdsAll = records === 0 && follower.speaker !== undefined;
      yield { broker, records, ms: holdsAll ? 0 : ms - follower.caughtUpMs };
    }
  }

  #next(nowMs: number, highWatermark: Offset, isEligible: Eligible): readonly IsrMember[] | undefined {
    switch (this.#phase) {
      case 'asking':
        return undefined;
      case 'metadata':
        // Whoever said that there is other metadata may have been wrong, as a coordinator that is none any more.
        if (nowMs - this.#askedMs < ISR_UNTOLD_MS) return undefined;
        this.#isUncertain = true;
        return this.#proposals.at(-1);
      case 'resend':
        return this.#proposals.at(-1);
      case 'supersede':
        // Nothing of it can be refused, and once it is written nothing of the earlier ones can be.
        return this.#state.isr;
      case 'idle':
        return this.#wish(nowMs, highWatermark, isEligible);
    }
  }

  #wish(nowMs: number, highWatermark: Offset, isEligible: Eligible): readonly IsrMember[] | undefined {
    const { isr, replicas } = this.#state;
    const others = isr.filter(({ broker }) => broker !== this.#me);
    // Alone it cannot: it goes on until it has taken somebody in.
    if (this.#isResigning && others.length > 0) return others;
    const mayStay = (broker: number): boolean => !this.#isBehind(broker, nowMs) && !this.lacks(broker, highWatermark);
    const staying = isr.filter(({ broker }) => broker === this.#me || mayStay(broker));
    const joining = replicas.flatMap((broker) => {
      const follower = this.#followers.get(broker);
      if (follower === undefined || isr.some((member) => member.broker === broker)) return [];
      const member = { broker, epoch: follower.epoch };
      // One that is silent holds the high watermark for as long as that stands still: it would leave again at once.
      const isCaughtUp = this.#isCaughtUp(follower, highWatermark) && mayStay(broker);
      return isCaughtUp && isEligible(member) ? [member] : [];
    });
    return joining.length > 0 || staying.length < isr.length ? [...staying, ...joining] : undefined;
  }

  #isCaughtUp({ durableEnd, logStart, speaker }: Follower, highWatermark: Offset): boolean {
    if (speaker === undefined || logStart < this.logStart) return false;
    return durableEnd >= highWatermark && durableEnd >= this.#epochStart;
  }

  #isBehind(broker: number, nowMs: number): boolean {
    const caughtUpMs = this.#followers.get(broker)?.caughtUpMs ?? this.#beganMs;
    return nowMs - caughtUpMs > REPLICA_LAG_TIME_MAX_MS;
  }

  #note(follower: Follower, { ms, logEnd }: { readonly ms: number; readonly logEnd: Offset }): void {
    if (follower.durableEnd >= logEnd) {
      follower.caughtUpMs = ms;
    } else if (follower.durableEnd >= follower.sampledEnd) {
      follower.caughtUpMs = Math.max(follower.caughtUpMs, follower.sampledMs);
    } else {
      return;
    }
    follower.sampledEnd = logEnd;
    follower.sampledMs = ms;
  }

  #union(): readonly IsrMember[] {
    if (this.#proposals.length === 0) return this.#state.isr;
    const members = new Map<number, IsrMember>();
    for (const isr of [this.#state.isr, ...this.#proposals]) {
      for (const member of isr) {
        const known = members.get(member.broker);
        if (known === undefined || known.epoch < member.epoch) members.set(member.broker, member);
      }
    }
    return [...members.values()];
  }
}
