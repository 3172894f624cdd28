import type { Clock } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import type { ConsumerOptions } from '@weir/client/consumer/consumer-options.ts';
import type { ConsumedRecord, PollOptions } from '@weir/client/consumer/group-consumer.ts';
import { placeOf } from '@weir/client/group/assignor.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { CommittedGroupOffset, GroupOffset } from '@weir/client/group/group-offsets.ts';
import type { TopicsWanted } from '@weir/client/group/subscribed-topics.ts';
import type { GatewayConsumer } from '../gateway-client.ts';
import type { FakeClient } from './fake-client.ts';

/** The only member of its group, which has everything at once; offsets are kept by group and place. */
export class FakeConsumer implements GatewayConsumer {
  readonly options: ConsumerOptions;
  isClosed = false;
  readonly #client: FakeClient;
  readonly #clock: Clock;
  readonly #positions = new Map<string, { readonly place: TopicPartition; offset: number; done: number }>();

  constructor(options: ConsumerOptions, client: FakeClient, clock: Clock) {
    this.options = options;
    this.#client = client;
    this.#clock = clock;
    this.#take(options.partitions ?? this.#share(options.topics!));
    queueMicrotask(() => void options.events?.assigned?.(this.assignment()));
  }

  assignment(): readonly TopicPartition[] {
    return [...this.#positions.values()].map(({ place }) => place);
  }

  subscribe(topics: TopicsWanted): void {
    this.#take(this.#share(topics));
  }

  position(place: TopicPartition): number | undefined {
    return this.#positions.get(placeOf(place))?.offset;
  }

  seek(place: TopicPartition, offset: number): void {
    Object.assign(this.#positions.get(placeOf(place))!, { offset, done: offset });
  }

  putBack(place: TopicPartition, offset: number): void {
    this.#positions.get(placeOf(place))!.offset = offset;
  }

  async poll({
    maxRecords = 500,
    maxBytes = 1e9,
    waitMs = 0,
    signal,
  }: PollOptions): Promise<readonly ConsumedRecord[]> {
    for (const one of this.#positions.values()) one.done = one.offset;
    const untilMs = this.#clock.monotonicMs() + waitMs;
    for (;;) {
      const taken = this.#records(maxRecords, maxBytes);
      if (taken.length > 0 || this.#clock.monotonicMs() >= untilMs || signal?.aborted === true) return taken;
      await new Promise<void>((resolve) => this.#clock.after(Math.max(1, waitMs / 1_000), resolve));
    }
  }

  commit(offsets?: readonly GroupOffset[]): Promise<void> {
    if (this.isClosed) return Promise.reject(new WeirError('UNKNOWN_MEMBER_ID', 'it is closed'));
    const all = [...this.#positions.values()].map(({ place, offset }) => ({ ...place, offset }));
    if (offsets === undefined) for (const one of this.#positions.values()) one.done = one.offset;
    for (const one of offsets ?? all) this.#committed.set(placeOf(one), one);
    return Promise.resolve();
  }

  committed(places: readonly TopicPartition[]): Promise<readonly CommittedGroupOffset[]> {
    const found = places.flatMap((place) => this.#committed.get(placeOf(place)) ?? []);
    return Promise.resolve(found.map((one) => ({ metadata: '', committedMs: 1, ...one })));
  }

  close(): Promise<void> {
    this.isClosed = true;
    if (this.options.commitIntervalMs === 'manual') return Promise.resolve();
    for (const { place, done } of this.#positions.values()) {
      this.#committed.set(placeOf(place), { ...place, offset: done });
    }
    return Promise.resolve();
  }

  get #committed(): Map<string, GroupOffset> {
    return this.#client.committedOf(this.options.groupId);
  }

  #records(maxRecords: number, maxBytes: number): ConsumedRecord[] {
    const taken: ConsumedRecord[] = [];
    let bytes = 0;
    for (const one of this.#positions.values()) {
      for (const record of this.#client.records(one.place.topic, one.place.partition).slice(one.offset)) {
        const size = (record.key?.length ?? 0) + (record.value?.length ?? 0);
        if (taken.length >= maxRecords || (taken.length > 0 && bytes + size > maxBytes)) return taken;
        bytes += size;
        one.offset++;
        taken.push({ ...one.place, record });
      }
    }
    return taken;
  }

  #share(wanted: TopicsWanted): TopicPartition[] {
    return this.#client
      .topics()
      .filter(({ name }) => (wanted instanceof RegExp ? wanted.test(name) : wanted.includes(name)))
      .flatMap(({ name, partitions }) => partitions.map(({ index }) => ({ topic: name, partition: index })));
  }

  #take(places: readonly TopicPartition[]): void {
    this.#positions.clear();
    for (const { topic, partition } of places) {
      const end = this.options.offsetReset === 'earliest' ? 0 : this.#client.records(topic, partition).length;
      const place = { topic, partition };
      const offset = this.#committed.get(placeOf(place))?.offset ?? end;
      this.#positions.set(placeOf(place), { place, offset, done: offset });
    }
  }
}
