import { expect, test } from 'vitest';
import type { Connection } from '@weir/base/transport.ts';
import { Connections } from './connections.ts';

test('an address has one connection until that is dropped, and those that are not kept are closed', () => {
  const made: { readonly address: string; closed: number }[] = [];
  const connections = new Connections({
    connect(address) {
      const one = { address, closed: 0 };
      made.push(one);
      return { close: () => one.closed++, cut: () => (one.closed += 10) } as unknown as Connection;
    },
    listen: () => Promise.reject(new Error('it only connects')),
  });
  const shown = (): string[] => made.map(({ address, closed }) => `${address} ${closed}`);
  const first = connections.to('a');
  expect(connections.to('a')).toBe(first);
  connections.drop('a');
  connections.drop('never there');
  expect(shown()).toEqual(['a 1']);
  expect(connections.to('a')).not.toBe(first);
  connections.to('b');
  connections.to('c');
  connections.keepOnly(new Set(['b']));
  expect(shown()).toEqual(['a 1', 'a 1', 'b 0', 'c 1']);
  connections.to('d');
  connections.cut('d');
  connections.close();
  expect(shown()).toEqual(['a 1', 'a 1', 'b 1', 'c 1', 'd 10']);
});
