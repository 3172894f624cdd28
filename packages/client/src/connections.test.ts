import { expect, test } from 'vitest';
import type { Connection, Method } from '@weir/base/transport.ts';
import { Connections } from './connections.ts';

/** Connections that are counted: 1 for one that was closed, 10 for one that was cut. */
function counted(): { readonly connections: Connections; readonly shown: () => string[] } {
  const made: { readonly address: string; closed: number }[] = [];
  const connections = new Connections({
    connect(address) {
      const one = { address, closed: 0 };
      made.push(one);
      const stream = { send: () => true, end() {}, abort() {} };
      return { open: () => stream, close: () => one.closed++, cut: () => (one.closed += 10) } as unknown as Connection;
    },
    listen: () => Promise.reject(new Error('it only connects')),
  });
  return { connections, shown: () => made.map(({ address, closed }) => `${address} ${closed}`) };
}

test('an address has one connection until that is dropped, and those that are not kept are closed', () => {
  const { connections, shown } = counted();
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

test('who gives up the connection of a stream leaves the one that has taken its place', () => {
  const { connections, shown } = counted();
  const method = {} as Method<unknown, unknown>;
  const handlers = { message() {}, drained() {}, closed() {} };
  const [first, second] = [connections.open('a', method, handlers), connections.open('a', method, handlers)];
  first.cut();
  const newer = connections.to('a');
  expect(shown()).toEqual(['a 10', 'a 0']);
  second.cut();
  expect(shown()).toEqual(['a 20', 'a 0']);
  expect(connections.to('a')).toBe(newer);
});
