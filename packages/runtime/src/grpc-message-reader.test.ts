import { status as Status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GRPC_MESSAGE_BYTES_MAX } from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { GrpcMessageReader } from './grpc-message-reader.ts';

function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function setUp(encoding = 'identity') {
  const slabs = new Slabs({ slabBytes: 4096, idleBytesMax: 0, poison: true });
  const reader = new GrpcMessageReader(slabs);
  reader.encoding = encoding;
  return { slabs, reader };
}

/** All that is whole by now, as text. */
function drain({ slabs, reader }: ReturnType<typeof setUp>): string[] {
  const messages: string[] = [];
  for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
    messages.push(bytes.toString('latin1'));
    slabs.release(bytes);
  }
  return messages;
}

test('messages come out as they went in, wherever they were cut', () => {
  const property = fc.property(
    fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 8 }),
    fc.array(fc.nat(700), { minLength: 1, maxLength: 40 }),
    (messages, cuts) => {
      const parts = setUp();
      const wire = Buffer.concat(messages.map((message) => framed(message)));
      const seen: string[] = [];
      for (let at = 0, cut = 0; at < wire.length; cut += 1) {
        const bytes = Math.max(1, cuts[cut % cuts.length]!);
        parts.reader.push(wire.subarray(at, at + bytes));
        at += bytes;
        seen.push(...drain(parts));
      }
      expect(seen).toEqual(messages.map((message) => Buffer.from(message).toString('latin1')));
      expect(parts.reader.isWithinMessage).toBe(false);
      expect(parts.slabs.usedBytes).toBe(0);
    },
  );
  fc.assert(property, { numRuns: 1_000 });
});

test('no memory is taken for a message that was only announced', () => {
  const { slabs, reader } = setUp();
  reader.push(framed(Buffer.alloc(3_000)).subarray(0, 2_000));
  expect(reader.next()).toBeUndefined();
  expect(reader.isWithinMessage).toBe(true);
  expect(slabs.bytes).toBe(0);
});

test('a message that comes byte for byte is put together', () => {
  const parts = setUp();
  const message = Buffer.alloc(5_000, 'abc');
  for (const byte of framed(message)) parts.reader.push(Buffer.from([byte]));
  expect(drain(parts)).toEqual([message.toString('latin1')]);
});

test('what is too long is refused before it has come', () => {
  const { reader } = setUp();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(GRPC_MESSAGE_BYTES_MAX + 1, 1);
  reader.push(prefix);
  expect(() => reader.next()).toThrow(expect.objectContaining({ status: Status.RESOURCE_EXHAUSTED }));
});

test('compressed messages are refused: as unknown where an encoding was said, as nonsense where none was', () => {
  const gzip = setUp('gzip');
  gzip.reader.push(Buffer.concat([framed(Buffer.from('plain')), framed(Buffer.from('x'), 1)]));
  gzip.slabs.release(gzip.reader.next()!);
  expect(() => gzip.reader.next()).toThrow(expect.objectContaining({ status: Status.UNIMPLEMENTED }));
  for (const flag of [1, 2]) {
    const identity = setUp();
    identity.reader.push(framed(Buffer.from('x'), flag));
    expect(() => identity.reader.next()).toThrow(expect.objectContaining({ status: Status.INTERNAL }));
  }
});
