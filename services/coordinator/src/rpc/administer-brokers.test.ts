import { describe, expect, test } from 'vitest';
import { LEADER_BALANCE_CHECK_MS, LEADERS_ELECTED_MAX, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { Client } from '@weir/client/client.ts';
import { COORDINATOR, TestSetting } from './test-setting.ts';

describe('a drain', () => {
  test('moves leadership at once, is done when the broker knows, and everybody sees it', async () => {
    const setting = await TestSetting.begin({ brokers: [1, 2, 3] });
    await setting.create('a', 6, 3);
    expect(setting.leaders('a')).toEqual([1, 2, 3, 1, 2, 3]);
    const drain = () => setting.after(setting.client.drainBroker(setting.broker(1)));
    expect(await drain()).toEqual({ isDone: false, isKnownToBroker: false, ledCount: 0, awaitedCount: 0, led: [] });
    expect(setting.leaders('a')).toEqual([2, 2, 3, 3, 2, 3]);
    expect(setting.broker(1)).toMatchObject({ active: true, draining: true });
    await setting.heartbeats();
    expect(await drain()).toEqual({ isDone: true, isKnownToBroker: true, ledCount: 0, awaitedCount: 0, led: [] });
    expect(await setting.metric('weir_coordinator_brokers_by_state')).toContain('{state="draining"} 1');
    // A snapshot says the same as the deltas did.
    const later = new Client({ coordinators: [COORDINATOR], name: 'later' }, setting.world);
    await setting.after(later.ready(1_000));
    expect(later.brokers()).toEqual(setting.client.brokers());
    await setting.after(later.close());
  });

  test('says of the only replicas that they cannot move', async () => {
    const setting = await TestSetting.begin({ brokers: [1, 2] });
    await setting.create('a', 3, 1);
    await setting.after(setting.client.drainBroker(setting.broker(1)));
    await setting.heartbeats();
    expect(await setting.after(setting.client.drainBroker(setting.broker(1)))).toEqual({
      isDone: true,
      isKnownToBroker: true,
      ledCount: 2,
      awaitedCount: 0,
      led: [
        { topic: 'a', partition: 0, why: 'onlyReplica' },
        { topic: 'a', partition: 2, why: 'onlyReplica' },
      ],
    });
    expect(setting.leaders('a')).toEqual([1, 2, 1]);
  });

  test('that is taken back brings leadership back, once the broker has heard of it', async () => {
    const setting = await TestSetting.begin({ brokers: [1, 2] });
    await setting.create('a', 4, 2);
    await setting.after(setting.client.drainBroker(setting.broker(1)));
    await setting.heartbeats();
    expect(setting.leaders('a')).toEqual([2, 2, 2, 2]);
    await setting.after(setting.client.undrainBroker(setting.broker(1)));
    expect(setting.broker(1)).toMatchObject({ active: true, draining: false });
    expect(setting.leaders('a')).toEqual([2, 2, 2, 2]);
    await setting.heartbeats();
    expect(setting.leaders('a')).toEqual([1, 2, 1, 2]);
    expect(await setting.metric('weir_coordinator_leaders_balanced_total')).toMatch(/total 2$/m);
  });

  test('of a broker that is away, that is not there, or that registered again, is refused', async () => {
    const setting = await TestSetting.begin({ brokers: [1] });
    await setting.after(setting.client.ready(1_000));
    const broker = setting.broker(1);
    const drain = (values: object) => setting.after(setting.client.drainBroker({ ...broker, ...values }));
    await expect(drain({ id: 7 })).rejects.toMatchObject({ code: 'BROKER_ID_NOT_REGISTERED' });
    await expect(drain({ epoch: 1 })).rejects.toMatchObject({ code: 'STALE_BROKER_EPOCH' });
    await expect(drain({ id: -1 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await setting.stopBroker(1);
    await expect(drain({})).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
  });
});

test('a broker is unregistered once it is away and holds nothing', async () => {
  const setting = await TestSetting.begin({ brokers: [1, 2] });
  await setting.create('a', 2, 1);
  const unregister = () => setting.after(setting.client.unregisterBroker(2));
  await expect(unregister()).rejects.toMatchObject({ code: 'BROKER_ACTIVE' });
  await setting.stopBroker(2);
  await expect(unregister()).rejects.toMatchObject({ code: 'BROKER_HOLDS_REPLICAS' });
  await setting.after(setting.client.deleteTopics(['a']));
  await unregister();
  expect(setting.client.brokers().map(({ id }) => id)).toEqual([1]);
  await expect(unregister()).rejects.toMatchObject({ code: 'BROKER_ID_NOT_REGISTERED' });
});

describe('preferred replicas', () => {
  test('are elected when somebody asks for it, where the cluster does not do so by itself', async () => {
    const setting = await TestSetting.begin({ brokers: [1, 2] });
    await setting.create('a', 4, 2);
    await setting.create('b', 1, 1);
    await setting.after(
      setting.client.alterConfigs([
        { resource: { type: 'cluster' }, set: { 'auto.leader.rebalance.enable': 'false' } },
      ]),
    );
    await setting.after(setting.client.drainBroker(setting.broker(1)));
    const draining = await setting.after(setting.client.electLeaders(['a']));
    expect(draining).toMatchObject({ elected: 0, unavailableCount: 2 });
    expect(draining.unavailable[0]).toEqual({ topic: 'a', partition: 0, brokerId: 1, why: 'drains' });
    await setting.after(setting.client.undrainBroker(setting.broker(1)));
    await setting.clock.advance(2 * LEADER_BALANCE_CHECK_MS);
    expect(setting.leaders('a')).toEqual([2, 2, 2, 2]);
    expect(await setting.after(setting.client.electLeaders())).toEqual({
      elected: 2,
      unavailableCount: 0,
      unavailable: [],
    });
    expect(setting.leaders('a')).toEqual([1, 2, 1, 2]);
    await expect(setting.after(setting.client.electLeaders(['c']))).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  test('are elected in as many commands as it takes, by the cluster and for somebody who asks', async () => {
    const setting = await TestSetting.begin({ brokers: [1, 2] });
    await setting.heartbeats();
    const partitions = 2 * LEADERS_ELECTED_MAX + 10;
    await setting.create('a', partitions, 2);
    const ledByFirst = (): number => setting.leaders('a').filter((leader) => leader === 1).length;
    const drainAndBack = async (): Promise<void> => {
      await setting.after(setting.client.drainBroker(setting.broker(1)));
      expect(ledByFirst()).toBe(0);
      await setting.after(setting.client.undrainBroker(setting.broker(1)));
    };
    await drainAndBack();
    await setting.heartbeats();
    expect(ledByFirst()).toBe(partitions / 2);
    await setting.after(
      setting.client.alterConfigs([
        { resource: { type: 'cluster' }, set: { 'auto.leader.rebalance.enable': 'false' } },
      ]),
    );
    await drainAndBack();
    await setting.heartbeats();
    expect(await setting.after(setting.client.electLeaders())).toMatchObject({ elected: partitions / 2 });
    expect(ledByFirst()).toBe(partitions / 2);
  });

  test('are elected every so often where that was switched on meanwhile', async () => {
    const setting = await TestSetting.begin({ brokers: [1, 2] });
    await setting.create('a', 2, 2);
    const set = (value: string) =>
      setting.after(
        setting.client.alterConfigs([
          { resource: { type: 'cluster' }, set: { 'auto.leader.rebalance.enable': value } },
        ]),
      );
    await set('false');
    await setting.after(setting.client.drainBroker(setting.broker(1)));
    await setting.after(setting.client.undrainBroker(setting.broker(1)));
    await setting.heartbeats();
    await set('true');
    await setting.clock.advance(2 * SESSION_TIMEOUT_MS);
    expect(setting.leaders('a')).toEqual([2, 2]);
    await setting.clock.advance(LEADER_BALANCE_CHECK_MS);
    expect(setting.leaders('a')).toEqual([1, 2]);
  });
});
