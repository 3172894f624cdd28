import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvariantViolation } from './assert.ts';
import { Slabs } from './slabs.ts';

const SLAB_BYTES = 1024;

function poisoned(idleBytesMax = 8 * SLAB_BYTES): Slabs {
  return new Slabs({ slabBytes: SLAB_BYTES, idleBytesMax, poison: true });
}

test('small pieces share a slab, and it is used again when the last of them is released', () => {
  const slabs = poisoned();
  const first = slabs.allocate(100);
  const second = slabs.allocate(100);
  expect(second.buffer).toBe(first.buffer);
  expect(second.byteOffset).toBe(104);
  slabs.release(first);
  expect(slabs.allocate(100).byteOffset).toBe(208);
  expect(slabs.bytes).toBe(SLAB_BYTES);
  expect(slabs.idleBytes).toBe(0);
});

test('a slab whose pieces are all released starts over from its front', () => {
  const slabs = poisoned();
  const piece = slabs.allocate(100);
  slabs.release(piece);
  expect(slabs.idleBytes).toBe(SLAB_BYTES);
  expect(slabs.allocate(50).byteOffset).toBe(0);
  expect(slabs.usedBytes).toBe(SLAB_BYTES);
});

test('a large piece has a slab for itself and leaves the current one alone', () => {
  const slabs = poisoned();
  const small = slabs.allocate(10);
  const large = slabs.allocate(SLAB_BYTES);
  expect(large.buffer).not.toBe(small.buffer);
  expect(slabs.allocate(10).buffer).toBe(small.buffer);
  const huge = slabs.allocate(2 * SLAB_BYTES + 1);
  expect(huge.length).toBe(2 * SLAB_BYTES + 1);
  expect(slabs.bytes).toBe(2 * SLAB_BYTES + 2.25 * SLAB_BYTES);
  slabs.release(huge);
  expect(slabs.allocate(2 * SLAB_BYTES).buffer).toBe(huge.buffer);
});

test('no more idle memory is kept than allowed', () => {
  const slabs = poisoned(2 * SLAB_BYTES);
  const pieces = Array.from({ length: 5 }, () => slabs.allocate(SLAB_BYTES));
  expect(slabs.bytes).toBe(5 * SLAB_BYTES);
  for (const piece of pieces) slabs.release(piece);
  expect(slabs.idleBytes).toBe(2 * SLAB_BYTES);
  expect(slabs.bytes).toBe(2 * SLAB_BYTES);
});

test('memory is scarce while more is in use than allowed', () => {
  const slabs = new Slabs({ slabBytes: SLAB_BYTES, idleBytesMax: 0, usedBytesMax: SLAB_BYTES });
  const first = slabs.allocate(SLAB_BYTES);
  expect(slabs.scarce).toBe(false);
  const second = slabs.allocate(SLAB_BYTES);
  expect(slabs.scarce).toBe(true);
  slabs.release(second);
  expect(slabs.scarce).toBe(false);
  slabs.release(first);
});

test('one release too many is noticed, and so is a use of memory that nobody holds', () => {
  const slabs = poisoned();
  const piece = slabs.allocate(10);
  slabs.release(piece);
  expect(() => slabs.release(piece)).toThrow(InvariantViolation);
  expect(() => slabs.retain(piece)).toThrow(InvariantViolation);
});

test('memory of others needs no references', () => {
  const slabs = poisoned();
  slabs.release(Buffer.alloc(10));
  slabs.retain(Buffer.alloc(10));
  expect(slabs.bytes).toBe(0);
});

test('released memory is overwritten, so that a late reader is caught', () => {
  const slabs = poisoned();
  const piece = slabs.allocate(16);
  piece.fill(1);
  slabs.release(piece);
  expect(piece.every((byte) => byte === 0xdb)).toBe(true);
});

/** For each byte, memory that is full of it. */
const fills = Array.from({ length: 200 }, (_, byte) => Buffer.alloc(5 * SLAB_BYTES, byte));

type Step =
  | { readonly kind: 'allocate'; readonly bytes: number }
  | { readonly kind: 'retain' | 'release'; readonly which: number };

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('allocate' as const),
      bytes: fc.oneof(fc.nat(64), fc.nat(SLAB_BYTES), fc.nat(5 * SLAB_BYTES)),
    }),
    fc.record({ kind: fc.constantFrom('retain' as const, 'release' as const), which: fc.nat() }),
  ),
  { maxLength: 300, size: 'max' },
);

test('whatever is held keeps its bytes, and nothing is left when nothing is held', () => {
  const property = fc.property(steps, fc.nat(6), (run: readonly Step[], idleSlabs) => {
    const slabs = poisoned(idleSlabs * SLAB_BYTES);
    /** Views that somebody holds, each with the byte that fills it. */
    const held: { readonly view: Buffer; readonly fill: number }[] = [];
    let fill = 0;
    for (const step of run) {
      if (step.kind === 'allocate') {
        const view = slabs.allocate(step.bytes);
        fill = (fill + 1) % 200;
        view.fill(fill);
        held.push({ view, fill });
      } else if (held.length > 0) {
        const at = step.which % held.length;
        const { view, fill: byte } = held[at]!;
        if (step.kind === 'retain') {
          // A part of it stands for the whole.
          const part = view.subarray(view.length >> 1);
          slabs.retain(part);
          held.push({ view: part, fill: byte });
        } else {
          held.splice(at, 1);
          slabs.release(view);
        }
      }
      for (const { view, fill: byte } of held) {
        if (!view.equals(fills[byte]!.subarray(0, view.length))) throw new Error(`a piece of ${byte} has changed`);
      }
      const inUse = new Set(held.map(({ view }) => view.buffer));
      let usedBytes = 0;
      for (const { byteLength } of inUse) usedBytes += byteLength;
      expect(slabs.usedBytes).toBe(usedBytes);
      // The one that small pieces are cut from comes on top.
      expect(slabs.idleBytes).toBeLessThanOrEqual((idleSlabs + 1) * SLAB_BYTES * 1.5);
    }
    for (const { view } of held.splice(0)) slabs.release(view);
    expect(slabs.usedBytes).toBe(0);
  });
  fc.assert(property, { numRuns: 100 });
});
