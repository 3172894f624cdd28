import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  KAFKA_DIRECT_READ_BYTES,
  KAFKA_REQUEST_BYTES_MAX,
  KAFKA_SCRATCH_BYTES,
  KAFKA_SMALL_REQUEST_BYTES,
} from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { FrameMemory } from './frame-memory.ts';
import { FrameReader } from './frame-reader.ts';
import type { FrameReaderOwner } from './frame-reader.ts';

/** A connection that keeps what it is given: bytes of requests, copied out of memory that is used again. */
class Owner implements FrameReaderOwner {
  readonly frames: Buffer[] = [];
  /** Whole requests whose memory it has not given back. */
  readonly held: Buffer[] = [];
  readonly why: string[] = [];
  open = true;
  takesLarge = true;
  holds = false;
  paused = false;
  reader!: FrameReader;
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  frame(bytes: Buffer): void {
    this.frames.push(Buffer.from(bytes));
    this.held.push(bytes);
    if (!this.holds) this.giveBack();
  }

  stalled(): void {
    this.paused = true;
  }

  broken(why: string): void {
    this.why.push(why);
    this.reader.close();
  }

  memoryAgain(): void {
    this.goOn();
  }

  goOn(): void {
    if (!this.paused || !this.open) return;
    this.paused = false;
    this.reader.goOn();
  }

  giveBack(): void {
    for (const bytes of this.held.splice(0)) {
      this.world.memory.give(bytes.length);
      this.world.slabs.release(bytes);
    }
  }
}

class World {
  readonly slabs = new Slabs({ slabBytes: 64 * 1024, idleBytesMax: 1024 * 1024, poison: true });
  readonly memory: FrameMemory;
  readonly scratch = Buffer.alloc(KAFKA_SCRATCH_BYTES);

  constructor(memoryBytes = 1024 * 1024) {
    this.memory = new FrameMemory(memoryBytes);
  }

  reader(): Owner {
    const owner = new Owner(this);
    owner.reader = new FrameReader({ owner, slabs: this.slabs, memory: this.memory, scratch: this.scratch });
    return owner;
  }
}

/** Hands bytes over as a socket does, in pieces of the sizes given, the last of which goes on. */
function feed({ reader, world }: Owner, bytes: Buffer, sizes: readonly number[] = [Number.POSITIVE_INFINITY]): void {
  for (let at = 0, piece = 0; at < bytes.length; piece++) {
    const target = reader.buffer();
    const size = sizes[Math.min(piece, sizes.length - 1)]!;
    const count = Math.min(bytes.length - at, target.length, Math.max(1, size));
    bytes.copy(target, 0, at, at + count);
    reader.received(count);
    // The scratch buffer is everybody's.
    if (target === world.scratch) target.fill(0xee, 0, count);
    at += count;
  }
}

function framed(...bodies: readonly Buffer[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length);
      return [length, body];
    }),
  );
}

function bodyOf(bytes: number, seed: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) body[i] = (i * 31 + seed * 17) & 0xff;
  return body;
}

const SIZE = fc.oneof(
  fc.integer({ min: 8, max: 64 }),
  fc.constantFrom(8, KAFKA_DIRECT_READ_BYTES - 1, KAFKA_DIRECT_READ_BYTES, KAFKA_DIRECT_READ_BYTES + 1, 40_000, 70_000),
);
const CUTS = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 100_000 })), { minLength: 1 });

test('requests come out as they went in, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(SIZE, { maxLength: 8 }), CUTS, (sizes, cuts) => {
      const world = new World();
      const owner = world.reader();
      const bodies = sizes.map((size, i) => bodyOf(size, i));
      feed(owner, framed(...bodies), cuts);
      expect(owner.frames).toEqual(bodies);
      expect(owner.reader.isWithinFrame).toBe(false);
      expect([world.memory.bytes, world.slabs.usedBytes]).toEqual([0, 0]);
    }),
  );
});

test('requests of several connections that share the scratch buffer and too little memory all arrive, in order', () => {
  const step = fc.record({
    who: fc.nat({ max: 2 }),
    size: fc.integer({ min: 1, max: 50_000 }),
    next: fc.constantFrom('nothing', 'give', 'close-door', 'open-door'),
    // What was on its way when reading was paused comes all the same.
    late: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(fc.array(SIZE, { minLength: 1, maxLength: 6 }), { minLength: 3, maxLength: 3 }),
      fc.array(step, { maxLength: 60 }),
      (sizes, steps) => {
        const world = new World(80_000);
        const clients = sizes.map((own, i) => {
          const owner = world.reader();
          owner.holds = true;
          const bodies = own.map((size, k) => bodyOf(size, i * 10 + k));
          return { owner, bodies, rest: framed(...bodies) };
        });
        const bring = (client: (typeof clients)[number], size: number, late = false): void => {
          if (client.owner.paused && !late) return;
          const piece = client.rest.subarray(0, size);
          client.rest = client.rest.subarray(piece.length);
          feed(client.owner, piece);
        };
        for (const { who, size, next, late } of steps) {
          const client = clients[who]!;
          bring(client, size, late);
          if (next === 'give') client.owner.giveBack();
          if (next === 'close-door') client.owner.open = false;
          if (next === 'open-door') {
            client.owner.open = true;
            client.owner.goOn();
          }
        }
        for (const { owner } of clients) owner.open = true;
        for (let i = 0; i < 100; i++) {
          for (const client of clients) {
            client.owner.giveBack();
            client.owner.goOn();
            bring(client, 20_000);
          }
        }
        for (const { owner, bodies } of clients) expect(owner.frames).toEqual(bodies);
        expect([world.memory.bytes, world.slabs.usedBytes]).toEqual([0, 0]);
      },
    ),
  );
});

test('a large request is read into its own place once enough of it is here, and what follows it is not', () => {
  // Less than twice the request: then nobody gets memory early.
  const world = new World(300_000);
  const owner = world.reader();
  const bytes = framed(bodyOf(200_000, 1), bodyOf(20, 2));
  let at = 0;
  const read = (count: number): Buffer => {
    const target = owner.reader.buffer();
    bytes.copy(target, 0, at, at + count);
    owner.reader.received(count);
    at += count;
    return target;
  };
  // Its length and its beginning promise much, and get no memory for it.
  expect(read(40_000)).toBe(world.scratch);
  expect([world.memory.bytes, world.slabs.usedBytes]).toEqual([0, 0]);
  expect(read(40_000)).toBe(world.scratch);
  expect(world.memory.bytes).toBe(200_000);
  const own = owner.reader.buffer();
  expect(own.buffer).not.toBe(world.scratch.buffer);
  // No more than the request's own: what is behind it belongs to the next one.
  expect(own.length).toBe(200_004 - 80_000);
  read(200_004 - 80_000 - 100);
  // So little is read with what follows.
  expect(read(124)).toBe(world.scratch);
  expect(owner.frames).toEqual([bodyOf(200_000, 1), bodyOf(20, 2)]);
});

test('while memory is plenty a large request has its place from its first bytes on', () => {
  const world = new World(1_000_000);
  const owner = world.reader();
  const bytes = framed(bodyOf(200_000, 1));
  bytes.copy(owner.reader.buffer(), 0, 0, 5);
  owner.reader.received(5);
  expect([world.memory.bytes, owner.reader.buffer().length]).toEqual([200_000, 199_999]);
  bytes.copy(owner.reader.buffer(), 0, 5);
  owner.reader.received(199_999);
  expect(owner.frames).toEqual([bodyOf(200_000, 1)]);
});

test('a large request waits while it could not be begun, and small ones in front of it do not', () => {
  const world = new World();
  const owner = world.reader();
  owner.takesLarge = false;
  feed(owner, framed(bodyOf(20, 1), bodyOf(65_000, 2)).subarray(0, 24));
  const large = framed(bodyOf(100_000, 3));
  feed(owner, large.subarray(0, 66_000));
  expect([owner.frames.length, owner.paused, world.memory.bytes]).toEqual([1, true, 0]);
  owner.takesLarge = true;
  owner.goOn();
  feed(owner, large.subarray(66_000));
  expect(owner.frames).toEqual([bodyOf(20, 1), bodyOf(100_000, 3)]);
});

test('small requests get through while large ones wait for memory', () => {
  const world = new World(1_000);
  const [first, second, small] = [world.reader(), world.reader(), world.reader()];
  feed(first, framed(bodyOf(100_000, 1)).subarray(0, 70_000));
  feed(second, framed(bodyOf(90_000, 2)).subarray(0, 70_000));
  expect([first.paused, second.paused, world.memory.bytes]).toEqual([false, true, 100_000]);
  feed(small, framed(bodyOf(500, 3)), [7]);
  expect(small.frames).toEqual([bodyOf(500, 3)]);
  first.reader.close();
  expect([second.paused, world.memory.bytes]).toEqual([false, 90_000]);
});

test('a length that no request has ends the connection before any memory is taken', () => {
  for (const [length, shown] of [
    [0, 0],
    [7, 7],
    [KAFKA_REQUEST_BYTES_MAX + 1, KAFKA_REQUEST_BYTES_MAX + 1],
    [-1, 2 ** 32 - 1],
    [-(2 ** 31), 2 ** 31],
    [0x47455420, 0x47455420],
  ] as const) {
    for (const size of [1, 4]) {
      const world = new World();
      const owner = world.reader();
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(length);
      feed(owner, bytes, [size]);
      expect(owner.why).toEqual([`a request has 8 to ${KAFKA_REQUEST_BYTES_MAX} bytes, this one says ${shown}`]);
      expect([world.memory.bytes, world.slabs.bytes]).toEqual([0, 0]);
    }
  }
});

test('the least and the largest request are taken', () => {
  const world = new World();
  const owner = world.reader();
  feed(owner, framed(bodyOf(8, 1)));
  expect(owner.frames).toHaveLength(1);
  const beginning = Buffer.alloc(4 + KAFKA_SMALL_REQUEST_BYTES);
  beginning.writeInt32BE(KAFKA_REQUEST_BYTES_MAX);
  feed(owner, beginning);
  expect(owner.why).toEqual([]);
  expect(world.memory.bytes).toBe(KAFKA_REQUEST_BYTES_MAX);
  owner.reader.close();
  expect([world.memory.bytes, world.slabs.usedBytes]).toEqual([0, 0]);
});

test('a length alone takes no memory', () => {
  const world = new World();
  const owner = world.reader();
  feed(owner, framed(bodyOf(50_000, 1)).subarray(0, 4));
  expect(world.memory.bytes).toBe(0);
  expect(owner.reader.isWithinFrame).toBe(true);
});

test('who goes while a request arrives gives its memory back, and who waited gets it', () => {
  const world = new World(100_000);
  const [leaving, waiting] = [world.reader(), world.reader()];
  feed(leaving, framed(bodyOf(90_000, 1)).subarray(0, 70_000));
  feed(waiting, framed(bodyOf(80_000, 2)).subarray(0, 70_000));
  expect([leaving.paused, waiting.paused, world.memory.bytes]).toEqual([false, true, 90_000]);
  leaving.reader.close();
  expect([waiting.paused, world.memory.bytes]).toEqual([false, 80_000]);
  feed(waiting, framed(bodyOf(80_000, 2)).subarray(70_000));
  expect(waiting.frames).toEqual([bodyOf(80_000, 2)]);
  expect([world.memory.bytes, world.slabs.usedBytes]).toEqual([0, 0]);
});

test('who goes while it waits for memory does not get any', () => {
  const world = new World(100_000);
  const [busy, leaving] = [world.reader(), world.reader()];
  feed(busy, framed(bodyOf(90_000, 1)).subarray(0, 70_000));
  feed(leaving, framed(bodyOf(80_000, 2)).subarray(0, 70_000));
  leaving.reader.close();
  busy.reader.close();
  expect([world.memory.bytes, world.slabs.usedBytes]).toEqual([0, 0]);
  expect(leaving.frames).toEqual([]);
});

test('after the end nothing that still comes is taken', () => {
  const world = new World();
  const owner = world.reader();
  feed(owner, framed(bodyOf(100, 1)).subarray(0, 50));
  owner.reader.close();
  feed(owner, framed(bodyOf(100, 1), bodyOf(100, 2)));
  expect(owner.frames).toEqual([]);
  expect([world.memory.bytes, world.slabs.usedBytes]).toEqual([0, 0]);
});

test('a request that ends the connection is the last that is taken of what came with it', () => {
  const world = new World();
  const owner = world.reader();
  const frame = owner.frame.bind(owner);
  owner.frame = (bytes) => {
    frame(bytes);
    owner.reader.close();
  };
  feed(owner, framed(bodyOf(10, 1), bodyOf(10, 2)));
  expect(owner.frames).toEqual([bodyOf(10, 1)]);
});

test('memory goes to those who asked first, whoever needs less, and a request larger than all of it goes alone', () => {
  const memory = new FrameMemory(100);
  const order: string[] = [];
  const asker = (name: string, bytes: number): (() => void) => {
    const ready = (): void => {
      if (memory.take(bytes, ready)) order.push(name);
    };
    return ready;
  };
  expect(memory.take(80, () => {})).toBe(true);
  for (const ask of [asker('a', 50), asker('b', 500), asker('c', 40)]) ask();
  expect(order).toEqual([]);
  memory.give(80);
  // The small one could go now, and the large one never: so it waits behind it.
  expect(order).toEqual(['a']);
  asker('d', 1)();
  expect(order).toEqual(['a']);
  memory.give(50);
  expect([order, memory.bytes]).toEqual([['a', 'b'], 500]);
  memory.give(500);
  expect([order, memory.bytes]).toEqual([['a', 'b', 'c', 'd'], 41]);
});

test('who asks for memory and goes lets the next one have its turn', () => {
  const memory = new FrameMemory(100);
  const order: string[] = [];
  const large = (): void => {
    if (memory.take(90, large)) order.push('large');
  };
  const small = (): void => {
    if (memory.take(10, small)) order.push('small');
  };
  expect(memory.take(20, () => {})).toBe(true);
  large();
  small();
  expect(order).toEqual([]);
  memory.forget(large);
  expect([order, memory.bytes]).toEqual([['small'], 30]);
});

test('who is asked and does not want memory now does not keep others from it', () => {
  const memory = new FrameMemory(100);
  const order: string[] = [];
  const reluctant = (): void => void order.push('no');
  const next = (): void => {
    if (memory.take(60, next)) order.push('next');
  };
  expect(memory.take(50, () => {})).toBe(true);
  expect(memory.take(60, reluctant)).toBe(false);
  next();
  memory.give(50);
  expect([order, memory.bytes]).toEqual([['no', 'next'], 60]);
});
