import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { present } from '@weir/base/assert.ts';
import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { ETCD_START_MS, RETRY_BACKOFF_MS_MAX } from '@weir/base/limits.ts';
import { Auth, Maintenance } from '@weir/proto/etcd/rpc_pb.js';
import type { ResponseHeader } from '@weir/proto/etcd/rpc_pb.js';
import { EtcdChannel, readFile, securityOf } from './channel.node.ts';
import type { EtcdMethod, EtcdStream, EtcdStreamHandlers } from './channel.node.ts';
import type { EtcdAccess } from './endpoints.ts';
import { EtcdError } from './failure.ts';
import type { EtcdFailure } from './failure.ts';
import { ETCD_VERSION_MIN, isVersionAtLeast } from './version.ts';

interface Member {
  readonly channel: EtcdChannel;
  /** Whether it was asked what it is: before its first use. */
  state: { readonly kind: 'unknown' | 'fit' } | { readonly kind: 'unfit'; readonly message: string };
}

/** A stream on one member. */
export interface MemberStream<Request> extends EtcdStream<Request> {
  /** Ends it because of a failure that this side has found: whatever comes next goes to another member. */
  giveUp(failure: EtcdFailure): void;
}

/** Whether a request may be sent a second time when it may have been done the first time. */
interface Repeatable {
  readonly repeatable: boolean;
}

/**
 * One etcd cluster over all its members. Calls go to one of them until it fails, then to the next; every call has a
 * deadline. What may have been done is not sent again, unless it only reads.
 */
export class EtcdClient {
  readonly #access: EtcdAccess;
  readonly #clock: Clock;
  readonly #members: readonly Member[];
  #current = 0;
  /** All members are of one cluster, whose id no other one has. */
  #clusterId: bigint | undefined;
  #token: Promise<string> | undefined;
  #closed = false;

  /** @throws Error that names a file of the access that cannot be used */
  constructor(access: EtcdAccess, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
    const security = securityOf(access);
    if (access.user !== undefined) readFile(access.user.passwordFile);
    this.#members = access.endpoints.map((endpoint) => ({
      channel: new EtcdChannel(endpoint, security),
      state: { kind: 'unknown' },
    }));
  }

  /**
   * Asks all members what they are, and waits up to ETCD_START_MS for one to answer.
   *
   * @throws EtcdError when one is too old, belongs to another cluster or refuses who asks, or none answers
   */
  async open(): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + ETCD_START_MS;
    for (;;) {
      // One after the other: the first that answers gives the token for all.
      const failures: (EtcdFailure | undefined)[] = [];
      for (const member of this.#members) failures.push(await this.#failureToAdmit(member));
      const final = failures.find((failure) => failure?.kind === 'unfit' || failure?.kind === 'refused');
      if (final !== undefined) throw new EtcdError(final);
      const fit = failures.indexOf(undefined);
      if (fit !== -1) {
        this.#current = fit;
        return;
      }
      if (this.#clock.monotonicMs() >= untilMs) throw new EtcdError(present(failures[0], 'all have failed'));
      await sleep(this.#clock, RETRY_BACKOFF_MS_MAX / 4);
    }
  }

  /** @throws EtcdError */
  call<I extends DescMessage, O extends DescMessage>(
    method: EtcdMethod<I, O>,
    request: MessageInitShape<I>,
    options: Repeatable,
  ): Promise<MessageShape<O>> {
    return this.#onSome(({ channel }, token) => channel.call(method, request, token), options);
  }

  /**
   * One request and one answer over a method that has a stream each way, with a deadline for each member.
   *
   * @throws EtcdError
   */
  callOnStream<I extends DescMessage, O extends DescMessage>(
    method: EtcdMethod<I, O>,
    request: MessageInitShape<I>,
    { deadlineMs, ...options }: Repeatable & { readonly deadlineMs: number },
  ): Promise<MessageShape<O>> {
    return this.#onSome(({ channel }, token) => channel.callOnStream(method, request, { token, deadlineMs }), options);
  }

  /**
   * A stream that stays open, on one member. When it breaks, or is given up, whatever comes next goes to another one.
   *
   * @throws EtcdError when no member can be had
   */
  stream<I extends DescMessage, O extends DescMessage>(
    method: EtcdMethod<I, O>,
    handlers: EtcdStreamHandlers<MessageShape<O>>,
  ): Promise<MemberStream<MessageShape<I>>> {
    return this.#onSome(
      (member, token) => {
        const learning: typeof handlers = {
          message: (response) => handlers.message(response),
          closed: (failure) => {
            this.#learn(member, failure);
            handlers.closed(failure);
          },
        };
        const stream = member.channel.open(method, learning, token);
        return Promise.resolve({
          send: (request) => stream.send(request),
          close: () => stream.close(),
          giveUp: (failure) => {
            stream.close();
            this.#learn(member, failure);
          },
        });
      },
      { repeatable: false },
    );
  }

  close(): void {
    this.#closed = true;
    for (const { channel } of this.#members) channel.close();
  }

  /** Tries members until one has answered, or what was asked may have been done, or trying again cannot help. */
  async #onSome<T>(
    attempt: (member: Member, token: string | undefined) => Promise<T>,
    { repeatable }: Repeatable,
  ): Promise<T> {
    let membersLeft = this.#members.length;
    let tokensLeft = this.#access.user === undefined ? 0 : 1;
    for (;;) {
      const member = this.#members[this.#current]!;
      try {
        const token = await this.#prepare(member);
        return await attempt(member, token);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        const { failure } = error;
        this.#learn(member, failure);
        if (failure.kind === 'token' && tokensLeft-- > 0) continue;
        const mayRepeat = repeatable || failure.kind !== 'unknown';
        if (isOfMember(failure) && mayRepeat && --membersLeft > 0) continue;
        throw error;
      }
    }
  }

  /** What a failure means for the next call. */
  #learn(member: Member, failure: EtcdFailure): void {
    if (failure.kind === 'token') this.#token = undefined;
    // Others may have found out before.
    if (isOfMember(failure) && this.#members[this.#current] === member) {
      this.#current = (this.#current + 1) % this.#members.length;
    }
  }

  /** Sees that the member may be used; returns the token to use. Nothing of what was asked has been sent yet. */
  async #prepare(member: Member): Promise<string | undefined> {
    if (this.#closed) throw new EtcdError({ kind: 'refused', message: 'the metadata store is closed' });
    try {
      const token = await this.#authenticate(member);
      if (member.state.kind === 'unknown') await this.#admit(member, token);
      if (member.state.kind === 'unfit') throw new EtcdError(member.state);
      return token;
    } catch (error) {
      if (error instanceof EtcdError && error.failure.kind === 'unknown') {
        throw new EtcdError({ kind: 'unreachable', message: error.message });
      }
      throw error;
    }
  }

  #authenticate({ channel }: Member): Promise<string> | undefined {
    const { user } = this.#access;
    if (user === undefined) return undefined;
    if (this.#token === undefined) {
      // A file that somebody edited ends with a line's end.
      const password = readFile(user.passwordFile)
        .toString()
        .replace(/\r?\n$/, '');
      const token = channel
        .call(Auth.method.authenticate, { name: user.name, password }, undefined)
        .then((answer) => answer.token);
      this.#token = token;
      token.catch(() => {
        if (this.#token === token) this.#token = undefined;
      });
    }
    return this.#token;
  }

  /** @throws EtcdError when it does not answer */
  async #admit(member: Member, token: string | undefined): Promise<void> {
    const { channel } = member;
    const { header, version, isLearner } = await channel.call(Maintenance.method.status, {}, token);
    const { url } = channel.endpoint;
    if (isLearner) throw new EtcdError({ kind: 'elsewhere', message: `${url} is a learner, which serves nobody yet` });
    const { clusterId } = present<ResponseHeader>(header, 'an answer has a header');
    this.#clusterId ??= clusterId;
    if (!isVersionAtLeast(version, ETCD_VERSION_MIN)) {
      const message = `${url} is etcd ${version}, and Weir needs ${ETCD_VERSION_MIN} or newer: upgrade it`;
      member.state = { kind: 'unfit', message };
    } else if (clusterId !== this.#clusterId) {
      const message = `${url} belongs to another etcd cluster than the members before it: name members of one cluster`;
      member.state = { kind: 'unfit', message };
    } else member.state = { kind: 'fit' };
  }

  async #failureToAdmit(member: Member): Promise<EtcdFailure | undefined> {
    try {
      await this.#prepare(member);
      return undefined;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.failure.kind !== 'token' || this.#access.user !== undefined) return error.failure;
      const message = `it wants a user, and none was named (--etcd-user): ${error.message}`;
      return { kind: 'refused', message };
    }
  }
}

/** Whether it is about the member that was asked, so that another one may do better. */
function isOfMember({ kind }: EtcdFailure): boolean {
  switch (kind) {
    case 'unreachable':
    case 'elsewhere':
    case 'unknown':
    case 'unfit':
      return true;
    case 'busy':
    case 'token':
    case 'leaseGone':
    case 'compacted':
    case 'tooLarge':
    case 'refused':
      return false;
  }
}
