import { DELTA_QUEUE_MAX, SNAPSHOT_PAGE_CHANGES_MAX } from '@weir/base/limits.ts';
import type { Revision } from '@weir/base/ids.ts';
import type { Stream } from '@weir/base/transport.ts';
import type { SessionResponse } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { ClusterImage } from '../controller/image.ts';
import { heartbeatAnswerMessage, snapshotFacts, snapshotPageMessage } from './messages.ts';
import type { Fact } from './messages.ts';

/** A delta on its way to followers. */
export interface DeltaToSend {
  readonly revision: Revision;
  readonly message: SessionResponse;
}

/** A snapshot under way, and where it goes on. */
interface Snapshot {
  readonly revision: Revision;
  readonly facts: readonly Fact[];
  next: number;
}

/**
 * One follower's view of the metadata: a snapshot, then deltas in revision order. While its stream is full nothing is
 * given to it: of heartbeat answers the newest alone waits, and deltas wait up to DELTA_QUEUE_MAX, after which a new
 * snapshot takes their place.
 */
export class Feed {
  readonly #stream: Stream<SessionResponse>;
  readonly #image: ClusterImage;
  readonly #onSnapshot: () => void;
  #deltas: DeltaToSend[] = [];
  #snapshot: Snapshot | undefined;
  /** A snapshot is wanted, once the one under way has been sent to its end. */
  #wantsSnapshot = true;
  #answer: bigint | undefined;
  #full = false;

  constructor(stream: Stream<SessionResponse>, image: ClusterImage, onSnapshot: () => void) {
    this.#stream = stream;
    this.#image = image;
    this.#onSnapshot = onSnapshot;
  }

  /** Begins with what comes first, and the first snapshot. */
  begin(first: SessionResponse): void {
    this.#send(first);
    this.#pump();
  }

  /** A delta for everybody. */
  publish(delta: DeltaToSend): void {
    // The snapshot that is still to be taken will have it.
    if (this.#wantsSnapshot) return;
    if (this.#deltas.length >= DELTA_QUEUE_MAX) {
      this.#deltas = [];
      this.#wantsSnapshot = true;
      return;
    }
    this.#deltas.push(delta);
    this.#pump();
  }

  /** The answer to a heartbeat. */
  answerHeartbeat(sequence: bigint): void {
    this.#answer = sequence;
    this.#pump();
  }

  /** The stream has room again. */
  drained(): void {
    this.#full = false;
    this.#pump();
  }

  #pump(): void {
    while (!this.#full) {
      const message = this.#nextMessage();
      if (message === undefined) return;
      this.#send(message);
    }
  }

  #nextMessage(): SessionResponse | undefined {
    if (this.#answer !== undefined) {
      const answer = heartbeatAnswerMessage(this.#answer, this.#image.revision);
      this.#answer = undefined;
      return answer;
    }
    if (this.#snapshot === undefined && this.#wantsSnapshot) {
      this.#wantsSnapshot = false;
      this.#snapshot = { revision: this.#image.revision, facts: snapshotFacts(this.#image), next: 0 };
      this.#onSnapshot();
    }
    return this.#snapshot === undefined ? this.#deltas.shift()?.message : this.#nextPage(this.#snapshot);
  }

  #nextPage(snapshot: Snapshot): SessionResponse {
    const { revision, facts, next } = snapshot;
    snapshot.next = next + SNAPSHOT_PAGE_CHANGES_MAX;
    const last = snapshot.next >= facts.length;
    if (last) this.#snapshot = undefined;
    return snapshotPageMessage({ revision, facts: facts.slice(next, next + SNAPSHOT_PAGE_CHANGES_MAX), last });
  }

  #send(message: SessionResponse): void {
    if (!this.#stream.send(message)) this.#full = true;
  }
}
