import { HTTP_CONSUMER_AHEAD_BYTES } from '@weir/base/group-limits.ts';
import { READ_RECORDS_MAX } from '@weir/base/limits.ts';
import { WeirError } from '@weir/base/errors.ts';
import { isGivenAway } from '@weir/client/consumer/given-away.ts';
import type { ConsumedRecord, PollOptions } from '@weir/client/consumer/group-consumer.ts';
import { comparePlaces, placeOf } from '@weir/client/group/assignor.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { CommittedGroupOffset, GroupOffset } from '@weir/client/group/group-offsets.ts';
import type { TopicsWanted } from '@weir/client/group/subscribed-topics.ts';
import type { GatewayClient, GatewayConsumer } from '../gateway-client.ts';
import { HttpFailure } from '../http/failure.ts';
import type { StoredConsumer, StoredReads } from './consumer-nodes.ts';
import type { HttpConsumerSettings } from './consumer-settings.ts';
import { StoredSeeks } from './stored-seeks.ts';
import type { StoredSeek } from './stored-seeks.ts';

/** What a consumer reads. */
type Reading =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'topics' | 'pattern'; readonly wanted: TopicsWanted; readonly consumer: GatewayConsumer }
  | {
      readonly kind: 'partitions';
      readonly partitions: readonly TopicPartition[];
      readonly consumer: GatewayConsumer;
    };

/** Who a consumer is. */
export interface HttpConsumerName {
  readonly groupId: string;
  readonly name: string;
}

/**
 * One consumer of REST v2: a consumer of the native client, once it has something to read, driven by one call at a time.
 *
 * Invariant: what was handed out and did not get to its client is handed out again.
 */
export class HttpConsumer implements HttpConsumerName {
  readonly groupId: string;
  readonly name: string;
  readonly settings: HttpConsumerSettings;
  readonly #client: Pick<GatewayClient, 'consumer'>;
  readonly #seeks = new StoredSeeks();
  #reading: Reading = { kind: 'nothing' };
  #isPolling = false;
  /** It has come from another gateway, which knew what was handed out, and begins at what is committed. */
  #isBegunAgain = false;
  #isClosed = false;

  constructor(who: HttpConsumerName, settings: HttpConsumerSettings, client: Pick<GatewayClient, 'consumer'>) {
    this.groupId = who.groupId;
    this.name = who.name;
    this.settings = settings;
    this.#client = client;
  }

  /** What it reads, as it is stored. */
  get reads(): StoredReads {
    const reading = this.#reading;
    switch (reading.kind) {
      case 'nothing':
        return { kind: 'nothing' };
      case 'partitions':
        return { kind: 'partitions', partitions: reading.partitions };
      case 'topics':
      case 'pattern': {
        const { wanted } = reading;
        return wanted instanceof RegExp
          ? { kind: 'pattern', pattern: wanted.source }
          : { kind: 'topics', topics: wanted };
      }
    }
  }

  /** Where it was moved to, as it is stored. */
  get seeks(): readonly StoredSeek[] {
    return this.#seeks.all;
  }

  /** Reads what was stored of it, from where it was moved to. */
  async restore({ reads, seeks = [] }: Pick<StoredConsumer, 'reads' | 'seeks'>): Promise<void> {
    this.#seeks.restore(seeks);
    this.#isBegunAgain = true;
    if (reads.kind === 'topics') this.subscribe(reads.topics);
    if (reads.kind === 'pattern') this.subscribe(new RegExp(reads.pattern, 'u'));
    if (reads.kind === 'partitions') await this.assign(reads.partitions);
  }

  /** Whether a read waits. */
  get isPolling(): boolean {
    return this.#isPolling;
  }

  /** Names that it subscribes to; of a pattern those that it has partitions of. */
  subscribedTopics(): readonly string[] {
    const reading = this.#reading;
    if (reading.kind === 'topics') return [...(reading.wanted as readonly string[])];
    return reading.kind === 'pattern' ? [...new Set(this.assignment().map(({ topic }) => topic))].toSorted() : [];
  }

  /** What it reads now. */
  assignment(): readonly TopicPartition[] {
    const reading = this.#reading;
    if (reading.kind === 'nothing') return [];
    const places = reading.kind === 'partitions' ? reading.partitions : reading.consumer.assignment();
    return places.toSorted(comparePlaces);
  }

  /** @throws HttpFailure CONSUMER_STATE: it reads in another way */
  subscribe(wanted: TopicsWanted): void {
    const kind = wanted instanceof RegExp ? 'pattern' : 'topics';
    const reading = this.#reading;
    if (reading.kind !== 'nothing' && reading.kind !== kind) throw exclusive(reading.kind);
    if (reading.kind === kind) {
      reading.consumer.subscribe(wanted);
      this.#reading = { ...reading, wanted };
    } else this.#reading = { kind, wanted, consumer: this.#consumer({ topics: wanted }) };
  }

  /** Reads partitions that it is told; where it has read one already, it goes on. @throws HttpFailure CONSUMER_STATE */
  async assign(partitions: readonly TopicPartition[]): Promise<void> {
    const reading = this.#reading;
    if (reading.kind === 'topics' || reading.kind === 'pattern') throw exclusive(reading.kind);
    const kept = reading.kind === 'nothing' ? [] : this.#positions(reading);
    const unique = [...new Map(partitions.map((place) => [placeOf(place), place])).values()];
    const consumer = this.#consumer({ partitions: unique }, kept);
    this.#reading = { kind: 'partitions', partitions: unique, consumer };
    if (reading.kind !== 'nothing') await reading.consumer.close();
  }

  /** Reads nothing any more. */
  async unsubscribe(): Promise<void> {
    const reading = this.#reading;
    this.#reading = { kind: 'nothing' };
    this.#seeks.forget();
    if (reading.kind !== 'nothing') await reading.consumer.close();
  }

  /**
   * Records that have come, or come in time.
   *
   * @throws HttpFailure (as a rejection) CONSUMER_STATE: it reads nothing, or another read waits; and as the native consumer does
   */
  async poll(
    options: Pick<PollOptions, 'maxBytes' | 'maxRecords' | 'waitMs' | 'signal'>,
  ): Promise<readonly ConsumedRecord[]> {
    const consumer = this.#reader();
    if (this.#isPolling) throw new HttpFailure('CONSUMER_STATE', 'another read of this consumer waits: one at a time');
    this.#isPolling = true;
    this.#isBegunAgain = false;
    try {
      const { minBytes } = this.settings;
      return await consumer.poll({ maxRecords: READ_RECORDS_MAX, ...options, minBytes });
    } finally {
      this.#isPolling = false;
    }
  }

  /** These did not get to the client: they are handed out again. */
  putBack(records: readonly ConsumedRecord[]): void {
    const reading = this.#reading;
    if (reading.kind === 'nothing') return;
    const firsts = new Map<string, ConsumedRecord>();
    for (const record of records) if (!firsts.has(placeOf(record))) firsts.set(placeOf(record), record);
    for (const { topic, partition, record } of firsts.values()) {
      reading.consumer.putBack({ topic, partition }, record.offset);
    }
  }

  /** Commits these, or what was handed out. @throws HttpFailure CONSUMER_STATE, and what the group says (as rejections) */
  async commit(offsets?: readonly GroupOffset[]): Promise<void> {
    const reader = this.#reader();
    if (offsets === undefined && this.#isBegunAgain) {
      const message =
        'the consumer has come to another gateway since its last read, and begins at what was committed: what was handed ' +
        'out and not committed is handed out again. Read on, or commit offsets by name';
      throw new HttpFailure('CONSUMER_STATE', message);
    }
    try {
      await reader.commit(offsets);
      this.#seeks.forget(offsets);
    } catch (error) {
      // To the one who calls, this is no consumer that is not there.
      if (!(error instanceof WeirError) || error.code !== 'UNKNOWN_MEMBER_ID') throw error;
      const message =
        this.#reading.kind === 'partitions'
          ? 'the group has members, and takes no commits of consumers with assigned partitions'
          : 'the consumer is not in its group now: read records, which joins it, and commit those';
      throw new HttpFailure('CONSUMER_STATE', message);
    }
  }

  /**
   * Commits what was handed out, where the group still takes it: where it has rebalanced meanwhile, that is handed out again, to
   * whoever reads it now.
   */
  async commitGiven(): Promise<void> {
    if (this.#isPolling) throw new HttpFailure('CONSUMER_STATE', 'another read of this consumer waits: one at a time');
    try {
      await this.#reader().commit();
    } catch (error) {
      if (!isGivenAway(error)) throw error;
    }
  }

  /** What its group has committed of partitions. */
  committed(places: readonly TopicPartition[]): Promise<readonly CommittedGroupOffset[]> {
    return this.#reader().committed(places);
  }

  /**
   * Reads on from these.
   *
   * @throws HttpFailure (as a rejection) UNKNOWN_TOPIC_OR_PARTITION: one of them is not its own; and as the group does that is asked
   *   what it has committed. Then nothing is done
   */
  async seek(offsets: readonly GroupOffset[]): Promise<void> {
    this.requireOwn(offsets);
    const committed = await this.#reader().committed(offsets);
    // They may have become another member's meanwhile.
    this.requireOwn(offsets);
    const consumer = this.#reader();
    for (const { topic, partition, offset } of offsets) consumer.seek({ topic, partition }, offset);
    this.#seeks.note(offsets, committed);
  }

  /** @throws HttpFailure UNKNOWN_TOPIC_OR_PARTITION: one of them is not its own */
  requireOwn(places: readonly TopicPartition[]): void {
    const own = new Set(this.#reader().assignment().map(placeOf));
    const other = places.find((place) => !own.has(placeOf(place)));
    if (other === undefined) return;
    throw new HttpFailure(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `this consumer does not read partition ${other.partition} of "${other.topic}" now: GET …/subscription says what it ` +
        'reads; a subscription has its partitions once records were read',
    );
  }

  /** Leaves its group. `isDone`: its client says that it has all that was handed out. */
  async close({ isDone }: { readonly isDone: boolean }): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reading = this.#reading;
    if (reading.kind === 'nothing') return;
    // One that cannot commit any more leaves all the same.
    if (isDone && this.settings.autoCommit) await reading.consumer.commit().catch(() => undefined);
    await reading.consumer.close();
    this.#reading = { kind: 'nothing' };
  }

  #reader(): GatewayConsumer {
    const reading = this.#reading;
    if (reading.kind !== 'nothing') return reading.consumer;
    throw new HttpFailure(
      'CONSUMER_STATE',
      'this consumer reads nothing yet: POST …/subscription {"topics":[…]} or …/assignments {"partitions":[…]} first',
    );
  }

  #positions({ consumer }: Extract<Reading, { consumer: GatewayConsumer }>): GroupOffset[] {
    return consumer.assignment().flatMap((place) => {
      const offset = consumer.position(place);
      return offset === undefined ? [] : [{ ...place, offset }];
    });
  }

  #consumer(
    reads: { readonly topics: TopicsWanted } | { readonly partitions: readonly TopicPartition[] },
    positions: readonly GroupOffset[] = [],
  ): GatewayConsumer {
    const { offsetReset, autoCommit } = this.settings;
    const consumer: GatewayConsumer = this.#client.consumer({
      groupId: this.groupId,
      ...(this.name === '' ? {} : { clientId: this.name }),
      ...reads,
      offsetReset,
      aheadBytes: HTTP_CONSUMER_AHEAD_BYTES,
      ...(autoCommit ? {} : { commitIntervalMs: 'manual' as const }),
      events: {
        assigned: async (places) => {
          const own = new Set(places.map(placeOf));
          for (const { offset, ...place } of positions) if (own.has(placeOf(place))) consumer.seek(place, offset);
          await this.#goOnAtSeeks(consumer, places);
        },
      },
    });
    return consumer;
  }

  /** Where the gateway before was to go on, unless somebody has committed there since. */
  async #goOnAtSeeks(consumer: GatewayConsumer, places: readonly TopicPartition[]): Promise<void> {
    const seeks = this.#seeks.takeRestored(places);
    if (seeks.length === 0) return;
    // When nobody can say what is committed they hold: what was read since is read again.
    const found = await consumer
      .committed(seeks)
      .catch(() => seeks.map((seek) => ({ ...seek, offset: seek.committed })));
    const committed = new Map(found.map((one) => [placeOf(one), one.offset]));
    for (const { topic, partition, offset, committed: before } of seeks) {
      const place = { topic, partition };
      if (committed.get(placeOf(place)) === before) consumer.seek(place, offset);
      else this.#seeks.forget([place]);
    }
  }
}

function exclusive(kind: 'topics' | 'pattern' | 'partitions'): HttpFailure {
  const has =
    kind === 'partitions' ? 'assigned partitions' : `a subscription to ${kind === 'topics' ? kind : 'a pattern'}`;
  return new HttpFailure(
    'CONSUMER_STATE',
    `this consumer has ${has}, and topics, a pattern and partitions exclude each other: DELETE …/subscription first`,
  );
}
