import { sleep } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import {
  HTTP_CONSUMER_CHECK_MS,
  HTTP_CONSUMER_EXPIRED_MS,
  HTTP_CONSUMER_IDLE_MS,
  HTTP_CONSUMER_MOVE_MS,
  HTTP_CONSUMER_SWEEP_MS,
} from '@weir/base/group-limits.ts';
import { NODE_PATH_BYTES_MAX } from '@weir/base/limits.ts';
import { placeOf } from '@weir/client/group/assignor.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { expect, onTestFinished, test, vi } from 'vitest';
import { emptyReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { Query } from '../http/query.ts';
import { FakeClient } from '../testing/fake-client.ts';
import { FakeConsumer } from '../testing/fake-consumer.ts';
import { FakeNamespace } from '../testing/fake-namespace.ts';
import { ConsumerNodes } from './consumer-nodes.ts';
import type { ConsumerOwner } from './consumer-nodes.ts';
import { ConsumerPlaces, FORWARDED_HEADER } from './consumer-places.ts';
import { ConsumerTable } from './consumer-table.ts';
import type { HttpConsumerSettings } from './consumer-settings.ts';

const CONSUMERS_MAX = 10;
const who = { groupId: 'g', name: 'c' };
const settings: HttpConsumerSettings = {
  format: 'json',
  offsetReset: 'earliest',
  autoCommit: true,
  minBytes: 1,
  waitMs: 0,
};

function request(headers: GatewayRequest['headers'] = {}): GatewayRequest {
  return {
    method: 'GET',
    params: {},
    query: new Query(''),
    headers,
    mediaType: undefined,
    body: Buffer.alloc(0),
    upload: undefined,
    traceparent: undefined,
    signal: new AbortController().signal,
  };
}

/** Gateways of one cluster in memory, with one clock. Their sessions are 0: so the fake namespace has the nodes that show them. */
class Gateways {
  readonly clock = new ManualClock();
  readonly namespace = new FakeNamespace();
  readonly #all = new Map<string, Gateway>();

  async add(name: string): Promise<Gateway> {
    await this.namespace.create(`/gateways/ids/${name}`, '');
    const gateway = new Gateway({ gateway: name, http: name, session: 0 }, this);
    this.#all.set(name, gateway);
    return gateway;
  }

  of(name: string): Gateway {
    return this.#all.get(name)!;
  }
}

class Gateway {
  readonly table: ConsumerTable;
  readonly places: ConsumerPlaces;
  readonly client: FakeClient;
  readonly #name: string;
  readonly #gateways: Gateways;
  #self: ConsumerOwner;
  isReached = true;

  constructor(self: ConsumerOwner, gateways: Gateways) {
    const { clock } = gateways;
    this.#name = self.gateway;
    this.#self = self;
    this.#gateways = gateways;
    this.client = new FakeClient(clock);
    this.client.addTopic('orders', 2);
    const world = testWorld({ clock });
    this.table = new ConsumerTable(this.client, world, CONSUMERS_MAX);
    this.places = new ConsumerPlaces({
      table: this.table,
      nodes: new ConsumerNodes(gateways.namespace),
      world,
      self: () => this.#self,
      forward: async (owner) => {
        const other = gateways.of(owner.gateway);
        return other.isReached ? other.ask({ [FORWARDED_HEADER]: this.#name }) : 'unreached';
      },
    });
    this.table.onExpired = (consumer) => this.places.expired(consumer);
  }

  /** As a process that is killed: its session ends. */
  async die(): Promise<void> {
    this.isReached = false;
    await this.#gateways.namespace.delete(`/gateways/ids/${this.#name}`);
  }

  /** Its session has ended, and it has another one. */
  changeSession(): void {
    this.#self = { ...this.#self, session: this.#self.session + 1 };
  }

  /** A request about the consumer; answered with the status that the name's length makes. */
  ask(headers: GatewayRequest['headers'] = {}): Promise<GatewayReply> {
    return this.places.serve(who, request(headers), '/', () => emptyReply(200 + this.#name.length));
  }

  async code(): Promise<string> {
    return this.ask().then(
      ({ status }) => String(status),
      (error: { code: string }) => error.code,
    );
  }
}

test('a request is answered by the gateway that has the consumer', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  expect([await one.code(), await other.code()]).toEqual(['201', '201']);
  await expect(other.places.create(who, settings)).rejects.toMatchObject({ code: 'CONSUMER_EXISTS' });
  expect([one.table.count, other.table.count]).toEqual([1, 0]);
  await one.places.delete(who);
  expect([await one.code(), await other.code()]).toEqual(['UNKNOWN_CONSUMER', 'UNKNOWN_CONSUMER']);
});

test('what a consumer reads is stored in the order of the calls, also when they come at once', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const consumer = await one.places.create(who, settings);
  consumer.subscribe(['orders']);
  const first = one.places.save(consumer);
  consumer.subscribe(['orders', 'bills']);
  await Promise.all([first, one.places.save(consumer)]);
  expect([one.table.count, await one.code()]).toEqual([1, '201']);
  await one.die();
  await other.ask();
  expect(other.table.find(who).reads).toEqual({ kind: 'topics', topics: ['orders', 'bills'] });
});

test.each([
  [{ kind: 'topics', topics: ['orders'] }],
  [{ kind: 'pattern', pattern: '^(?:o.*)$' }],
  [{ kind: 'partitions', partitions: [{ topic: 'orders', partition: 1 }] }],
  [{ kind: 'nothing' }],
] as const)('a consumer of a gateway that is gone is taken over with what it reads: %o', async (reads) => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const consumer = await one.places.create(who, settings);
  await consumer.restore({ reads });
  await one.places.save(consumer);
  await one.die();
  expect(await other.code()).toBe('202');
  expect(other.table.find(who).reads).toEqual(reads);
  expect(other.table.find(who).settings).toEqual(settings);
});

test('a consumer that was moved goes on there when its gateway is gone, unless somebody has committed since', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const consumer = await one.places.create(who, settings);
  consumer.subscribe(['orders']);
  const place = (partition: number): { topic: string; partition: number } => ({ topic: 'orders', partition });
  for (const { client } of [one, other]) {
    client.committedOf('g').set(placeOf(place(0)), { ...place(0), offset: 9 });
    client.committedOf('g').set(placeOf(place(1)), { ...place(1), offset: 9 });
  }
  await consumer.seek([
    { ...place(0), offset: 4 },
    { ...place(1), offset: 4 },
  ]);
  await one.places.save(consumer);
  await one.die();
  other.client.committedOf('g').set(placeOf(place(1)), { ...place(1), offset: 10 });
  expect(await other.code()).toBe('202');
  const [moved] = other.client.consumers;
  await expect.poll(() => [moved!.position(place(0)), moved!.position(place(1))]).toEqual([4, 10]);
  expect(other.table.find(who).seeks).toEqual([{ ...place(0), offset: 4, committed: 9 }]);
});

test('a consumer that was moved goes on there, too, when nobody can say what is committed', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const consumer = await one.places.create(who, settings);
  consumer.subscribe(['orders']);
  const place = { topic: 'orders', partition: 0 };
  await consumer.seek([{ ...place, offset: 4 }]);
  await one.places.save(consumer);
  await one.die();
  const committed = vi.spyOn(FakeConsumer.prototype, 'committed');
  onTestFinished(() => committed.mockRestore());
  committed.mockRejectedValue(new WeirError('COORDINATOR_NOT_AVAILABLE', 'not now'));
  expect(await other.code()).toBe('202');
  await expect.poll(() => other.client.consumers[0]!.position(place)).toBe(4);
});

test('of a consumer that was taken over nothing is said to be committed that another gateway had handed out', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const consumer = await one.places.create(who, settings);
  consumer.subscribe(['orders']);
  await one.places.save(consumer);
  await one.die();
  await other.ask();
  const taken = other.table.find(who);
  await expect(taken.commit()).rejects.toMatchObject({ code: 'CONSUMER_STATE' });
  await taken.commit([{ topic: 'orders', partition: 0, offset: 1 }]);
  await taken.poll({ waitMs: 0 });
  await taken.commit();
});

test('a gateway that others took for dead lets go of what they have taken over', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const consumer = await one.places.create(who, settings);
  consumer.subscribe(['orders']);
  await one.die();
  await other.ask();
  await expect(one.places.save(consumer)).rejects.toMatchObject({ code: 'CONSUMER_MOVED' });
  expect([one.table.count, one.client.consumers[0]!.isClosed]).toEqual([0, true]);
  expect(await one.code()).toBe('202');
});

test('a gateway whose session has changed asks whether it still has a consumer', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const consumer = await one.places.create(who, settings);
  consumer.subscribe(['orders']);
  await one.places.save(consumer);
  one.changeSession();
  expect([await one.code(), await other.code(), one.table.count]).toEqual(['201', '202', 1]);
  one.changeSession();
  expect([await one.code(), one.table.count, one.client.consumers[0]!.isClosed]).toEqual(['202', 0, true]);
});

test('a consumer that a newer gateway has stored is left alone', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  const { names } = await gateways.namespace.children('/http-consumers');
  await gateways.namespace.set(`/http-consumers/${names[0]!}`, JSON.stringify({ version: 2 }));
  expect(await other.code()).toBe('CONSUMER_STATE');
});

test('consumers whose names are too long for a node are found, expire and are forgotten as others are', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  const long = { groupId: '\u{1f40c}'.repeat(255), name: 'é"'.repeat(127) };
  const short = { groupId: 'g', name: '~' };
  for (const consumer of [long, short]) {
    await one.places.create(consumer, settings);
    await expect(other.places.create(consumer, settings)).rejects.toMatchObject({ code: 'CONSUMER_EXISTS' });
    expect(await other.places.has(consumer)).toBe(true);
  }
  const { names } = await gateways.namespace.children('/http-consumers');
  for (const name of names) expect(`/http-consumers/${name}`.length).toBeLessThanOrEqual(NODE_PATH_BYTES_MAX);
  const listed = await new ConsumerNodes(gateways.namespace).list();
  expect(listed).toHaveLength(2);
  expect(listed).toEqual(expect.arrayContaining([long, short]));
  await one.places.delete(long);
  expect(await other.places.has(long)).toBe(false);
});

test('while a gateway cannot be reached and still counts as alive, its consumers are waited for', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  one.isReached = false;
  const waiting = other.code();
  await gateways.clock.advance(HTTP_CONSUMER_MOVE_MS / 2);
  await one.die();
  await gateways.clock.advance(1_000);
  expect(await waiting).toBe('202');
});

test('it is not waited for without an end, and what was passed on is not passed on again', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  one.isReached = false;
  const waiting = other.code();
  await gateways.clock.advance(HTTP_CONSUMER_MOVE_MS + 1_000);
  expect(await waiting).toBe('CONSUMER_MOVED');
  await expect(other.ask({ [FORWARDED_HEADER]: 'c' })).rejects.toMatchObject({ code: 'CONSUMER_MOVED' });
});

test('every gateway knows that a consumer has expired, for a while', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  await gateways.clock.advance(HTTP_CONSUMER_IDLE_MS + HTTP_CONSUMER_CHECK_MS);
  expect([await one.code(), await other.code()]).toEqual(['CONSUMER_EXPIRED', 'CONSUMER_EXPIRED']);
  await gateways.clock.advance(HTTP_CONSUMER_EXPIRED_MS + 3 * HTTP_CONSUMER_SWEEP_MS);
  expect([await one.code(), await other.code()]).toEqual(['UNKNOWN_CONSUMER', 'UNKNOWN_CONSUMER']);
});

test('one that has expired is created anew, on any gateway', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  await gateways.clock.advance(HTTP_CONSUMER_IDLE_MS + HTTP_CONSUMER_CHECK_MS);
  await other.places.create(who, settings);
  expect([await one.code(), await other.code()]).toEqual(['202', '202']);
});

test('one that was deleted after it had expired and was created anew is unknown everywhere', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  await gateways.clock.advance(HTTP_CONSUMER_IDLE_MS + HTTP_CONSUMER_CHECK_MS);
  await other.places.create(who, settings);
  await other.places.delete(who);
  expect([await one.code(), await other.code()]).toEqual(['UNKNOWN_CONSUMER', 'UNKNOWN_CONSUMER']);
});

test('a gateway that has no room for a consumer leaves it to another one', async () => {
  const gateways = new Gateways();
  const [one, full, other] = [await gateways.add('a'), await gateways.add('bb'), await gateways.add('ccc')];
  await one.places.create(who, settings);
  for (let i = 0; i < CONSUMERS_MAX; i++) await full.places.create({ groupId: 'g', name: `c${i}` }, settings);
  await one.die();
  expect(await full.code()).toBe('OVERLOADED');
  expect([await other.code(), await full.code()]).toEqual(['203', '203']);
});

test('one of which it was not stored that it expired, or was deleted, is forgotten all the same', async () => {
  const gateways = new Gateways();
  const { clock, namespace } = gateways;
  const one = await gateways.add('a');
  await one.places.create(who, settings);
  const stored = namespace.delete.bind(namespace);
  namespace.delete = () => Promise.reject(new WeirError('COORDINATOR_UNAVAILABLE', 'not now'));
  await expect(one.places.delete(who)).rejects.toMatchObject({ code: 'COORDINATOR_UNAVAILABLE' });
  namespace.delete = stored;
  await clock.advance(HTTP_CONSUMER_IDLE_MS + 3 * HTTP_CONSUMER_SWEEP_MS);
  expect(await one.code()).toBe('CONSUMER_EXPIRED');
  await clock.advance(HTTP_CONSUMER_EXPIRED_MS + 3 * HTTP_CONSUMER_SWEEP_MS);
  expect(await one.code()).toBe('UNKNOWN_CONSUMER');
});

test('a consumer of a gateway that is gone, which nobody calls, expires and is forgotten', async () => {
  const gateways = new Gateways();
  const [one, other] = [await gateways.add('a'), await gateways.add('bb')];
  await one.places.create(who, settings);
  one.places.stop();
  await one.table.close();
  await one.die();
  await gateways.clock.advance(HTTP_CONSUMER_IDLE_MS + 3 * HTTP_CONSUMER_SWEEP_MS);
  expect(await other.code()).toBe('CONSUMER_EXPIRED');
  await gateways.clock.advance(HTTP_CONSUMER_EXPIRED_MS + 3 * HTTP_CONSUMER_SWEEP_MS);
  expect(await other.code()).toBe('UNKNOWN_CONSUMER');
});

test('a call about a consumer that is being made waits for that', async () => {
  const one = await new Gateways().add('a');
  const making = one.places.create(who, settings);
  expect(await one.places.has(who)).toBe(true);
  expect([await one.code(), (await making).name]).toEqual(['201', 'c']);
  const again = one.places.create(who, settings);
  await expect(again).rejects.toMatchObject({ code: 'CONSUMER_EXISTS' });
  expect(await one.code()).toBe('201');
});

test('of two that make the same consumer one is refused, and calls wait for the other one', async () => {
  const gateways = new Gateways();
  const { clock, namespace } = gateways;
  const one = await gateways.add('a');
  const stored = namespace.create.bind(namespace);
  namespace.create = async (...call) => {
    await sleep(clock, 10);
    return stored(...call);
  };
  const making = one.places.create(who, settings);
  await expect(one.places.create(who, settings)).rejects.toMatchObject({ code: 'CONSUMER_EXISTS' });
  const asked = one.code();
  await clock.advance(50);
  expect([await asked, (await making).name, one.table.count]).toEqual(['201', 'c', 1]);
});
