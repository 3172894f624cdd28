import { expect, test } from 'vitest';
import { seededRandom } from '@weir/base/random.ts';
import { silentLogger } from './test-kit/fake-cluster.ts';
import { ManualClock } from './test-kit/manual-clock.ts';
import { MemoryTransport } from './test-kit/memory-transport.ts';
import { CoordinatorLink } from './coordinator-link.ts';

function linkTo(...addresses: string[]): CoordinatorLink {
  const world = {
    clock: new ManualClock(),
    transport: new MemoryTransport(),
    random: seededRandom(1),
    logger: silentLogger(),
  };
  return new CoordinatorLink(addresses, world);
}

test('the next one has its turn when one is passed over, once for all who find that out', () => {
  const link = linkTo('a', 'b', 'c');
  link.passOver('a');
  link.passOver('a');
  expect(link.address).toBe('b');
});

test('the one that is named has its turn, if it is listed', () => {
  const link = linkTo('a', 'b', 'c');
  link.redirect('a', 'c');
  expect(link.address).toBe('c');
  link.redirect('c', 'elsewhere');
  expect(link.address).toBe('a');
});

test('one that was given up just before is not asked again because another one names it', () => {
  const link = linkTo('a', 'b', 'c');
  link.passOver('a');
  link.redirect('b', 'a');
  expect(link.address).toBe('c');
  // What was given up since is what counts.
  link.redirect('c', 'a');
  expect(link.address).toBe('a');
});
