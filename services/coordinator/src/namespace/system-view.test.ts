import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { TestController } from '../controller/test-controller.ts';
import { SYSTEM_NAMES } from './system-roots.ts';

/** Every node below the cluster's roots, with its data. */
function everything(controller: TestController): Map<string, string> {
  const { systemView } = controller.controller;
  const found = new Map<string, string>();
  const visit = (path: string): void => {
    const node = systemView.get(path);
    if (node === undefined) throw new Error(`${path} is a child and not there`);
    found.set(path, Buffer.from(node.data()).toString());
    const children = systemView.children(path)!;
    expect(node.stat.childCount).toBe(children.length);
    for (const name of children) visit(`${path}/${name}`);
  };
  // What is below /consumers is shown by brokers.
  for (const name of SYSTEM_NAMES) if (name !== 'consumers') visit(`/${name}`);
  return found;
}

const json = (controller: TestController, path: string): unknown => {
  const node = controller.controller.systemView.get(path);
  return node === undefined ? undefined : JSON.parse(Buffer.from(node.data()).toString());
};

describe('the cluster as nodes', () => {
  test('brokers, topics, partitions and configs are where they were in ZooKeeper', () => {
    const controller = new TestController();
    controller.register(1, { rack: 'a' });
    controller.register(2);
    controller.createTopics([
      { name: 'orders', partitionCount: 3, replicationFactor: 1, configs: { flush: 'interval' } },
    ]);
    controller.alterConfigs([{ type: 'broker', name: '2', set: [['num.partitions', '4']] }]);
    const epoch = controller.image.sessionOf(controller.image.activeBrokers()[0]!.id)!.revision;
    expect(json(controller, '/controller')).toEqual({ version: 1, coordinator: 1, grpc: '127.0.0.1:7070' });
    expect(json(controller, '/brokers/ids/1')).toEqual({
      version: 1,
      epoch,
      grpc: '127.0.0.1:9001',
      kafka: null,
      rack: 'a',
    });
    expect(controller.controller.systemView.get('/brokers/ids/1')!.stat).toMatchObject({ ephemeralOwner: epoch });
    expect(json(controller, '/brokers/topics/orders')).toMatchObject({ partitions: { 0: [1], 1: [2], 2: [1] } });
    expect(json(controller, '/brokers/topics/orders/1')).toEqual({ version: 1, partitions: 2 });
    expect(json(controller, '/brokers/topics/orders/partitions/2/state')).toEqual({
      version: 1,
      leader: 1,
      leader_epoch: 0,
      isr: [1],
      partition_epoch: 0,
    });
    expect(json(controller, '/config/topics/orders')).toEqual({ version: 1, config: { flush: 'interval' } });
    controller.endSession(1);
    expect(json(controller, '/brokers/ids/1')).toBeUndefined();
    expect(json(controller, '/brokers/topics/orders/1')).toBeUndefined();
    expect(json(controller, '/brokers/topics/orders/partitions/2/state')).toMatchObject({ leader: -1 });
  });

  test.each([
    '/brokers/x',
    '/brokers/ids/x',
    '/brokers/ids/01',
    '/brokers/ids/9999999999',
    '/brokers/ids/1/x',
    '/brokers/topics/none',
    '/brokers/topics/orders/x',
    '/brokers/topics/orders/7',
    '/brokers/topics/orders/partitions/1',
    '/brokers/topics/orders/partitions/00',
    '/brokers/topics/orders/partitions/0/x',
    '/brokers/topics/orders/partitions/0/state/x',
    '/config/topics/none',
    '/config/brokers/1',
    '/config/toString/x',
    '/controller/x',
    '/gateways/ids/none',
    '/constructor',
  ])('%s is not there', (path) => {
    const controller = new TestController();
    controller.register(1);
    controller.createTopics([{ name: 'orders' }]);
    expect(controller.controller.systemView.get(path)).toBeUndefined();
    expect(controller.controller.systemView.children(path)).toBeUndefined();
  });

  test('whatever happens, who applies all events has what is there, and no event is without a change', () => {
    const broker = fc.integer({ min: 1, max: 3 });
    const topic = fc.constantFrom('a', 'b');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('register' as const), id: broker, directory: fc.constantFrom('one', 'two') }),
      fc.record({ kind: fc.constant('end' as const), id: broker }),
      fc.record({ kind: fc.constant('create' as const), name: topic, partitionCount: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant('grow' as const), name: topic, totalCount: fc.integer({ min: 2, max: 5 }) }),
      fc.record({ kind: fc.constant('delete' as const), name: topic }),
      fc.record({ kind: fc.constant('alter' as const), name: topic, value: fc.constantFrom('1000', '2000') }),
      fc.record({ kind: fc.constant('alterBroker' as const), name: fc.constantFrom('', '1'), set: fc.boolean() }),
      fc.record({ kind: fc.constant('gateway' as const), id: fc.constantFrom('g', 'h') }),
      fc.record({ kind: fc.constant('endGateway' as const), index: fc.nat(3) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), (steps) => {
        const controller = new TestController(new MemoryStore());
        const mirror = everything(controller);
        const sessions: string[] = [];
        let begun = 0;
        let seen = controller.effects.length;
        for (const one of steps) {
          if (one.kind === 'register') controller.register(one.id, { directory: `${one.directory}-${one.id}` });
          if (one.kind === 'end') controller.endSession(one.id);
          if (one.kind === 'create') controller.createTopics([one]);
          if (one.kind === 'grow') controller.createPartitions([one]);
          if (one.kind === 'delete') controller.deleteTopics([one]);
          if (one.kind === 'alter') {
            controller.alterConfigs([{ type: 'topic', name: one.name, set: [['retention.ms', one.value]] }]);
          }
          if (one.kind === 'alterBroker') {
            const operation = one.set
              ? { set: [['message.max.bytes', '2000']] as const }
              : { delete: [['message.max.bytes']] as const };
            controller.alterConfigs([{ type: 'broker', name: one.name, ...operation }]);
          }
          if (one.kind === 'gateway') {
            const id = `s${++begun}`;
            sessions.push(id);
            const gateway = { id: one.id, httpAddress: `127.0.0.1:${8000 + begun}` };
            controller.run({ kind: 'beginClientSession', session: { id, name: 'g', gateway } });
          }
          if (one.kind === 'endGateway') {
            const [id] = sessions.splice(one.index, 1);
            if (id !== undefined) controller.run({ kind: 'endClientSessions', sessionIds: [id] });
          }
          for (const effect of controller.effects.slice(seen)) {
            if (effect.kind !== 'nodesChanged') continue;
            for (const event of effect.system) {
              expect(mirror.has(event.path)).toBe(event.kind !== 'created');
              if (event.kind === 'deleted') {
                mirror.delete(event.path);
              } else {
                const data = Buffer.from(event.node.data()).toString();
                assert(data !== mirror.get(event.path) || event.kind === 'created', `${event.path} did not change`);
                mirror.set(event.path, data);
              }
            }
          }
          seen = controller.effects.length;
          expect(mirror).toEqual(everything(controller));
        }
        // All of it is made of what is stored.
        expect(everything(new TestController(controller.store))).toEqual(mirror);
      }),
      { numRuns: 150 },
    );
  });
});
