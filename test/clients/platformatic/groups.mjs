// Consumer groups of @platformatic/kafka.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Consumer } from '@platformatic/kafka';
import * as flow from './group-flow.mjs';

/** The scenarios of groups, with what those of main.mjs use as well. */
export function groupScenarios({ common, admin, see, outcome, create, fill, send, without }) {
  const client = { create, see, start, committed, produce };
  const scenarios = {
    'group-range': without('no range assigner'),
    'group-roundrobin': (topic) => flow.comeAndLeave(client, topic, {}),
    'group-cooperative': (topic) => flow.comeAndLeave(client, topic, { assignor: 'cooperative-sticky' }),
    'group-static': (topic) => flow.namedMembers(client, topic, instances),
    'group-killed': (topic) => flow.killed(client, topic, fileURLToPath(new URL('main.mjs', import.meta.url))),
    'group-commits': commits,
    'group-reset': reset,
    'group-admin': adminGroups,
  };
  return { scenarios, beKilled: () => flow.beKilled(client) };

  async function produce(topic, values) {
    await send(
      values.map((value) => ({ topic, key: Buffer.from(flow.keyOf(value)), value: Buffer.from(String(value)) })),
    );
  }

  async function start(member, topic, groupId, { instance, assignor, sessionMs = 30_000, commits: doesCommit = true }) {
    const named = instance === undefined ? {} : { groupInstanceId: instance };
    const protocols = assignor === undefined ? {} : { protocols: [{ name: assignor, version: 1 }] };
    const timeouts = { sessionTimeout: sessionMs, heartbeatInterval: 1_000, rebalanceTimeout: 60_000 };
    const consumer = new Consumer({ ...common, groupId, ...timeouts, ...named, ...protocols, maxWaitTime: 200 });
    consumer.on('consumer:group:join', ({ assignments }) =>
      member.owns(assignments.find(({ topic: name }) => name === topic)?.partitions ?? []),
    );
    const autocommit = doesCommit ? true : 3_600_000;
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit });
    stream.on('data', ({ value }) => member.read(value));
    stream.on('error', (error) => (member.failure = error));
    return async () => {
      // It does not wait for the commits that it makes by itself.
      await pause(1_000);
      await consumer.close(true);
    };
  }

  async function offsetsOf(group) {
    const [found] = await admin.listConsumerGroupOffsets({ groups: [group] });
    const all = (found?.topics ?? []).flatMap(({ partitions }) => partitions);
    return all
      .filter(({ committedOffset }) => committedOffset >= 0n)
      .toSorted((a, b) => a.partitionIndex - b.partitionIndex);
  }

  async function committed(group) {
    return (await offsetsOf(group)).reduce((total, { committedOffset }) => total + Number(committedOffset), 0);
  }

  async function text(group) {
    const all = await offsetsOf(group);
    return all
      .map(({ partitionIndex, committedOffset, metadata }) => `${partitionIndex}: ${committedOffset} ${metadata}`)
      .join(', ');
  }

  async function instances(group) {
    const { members } = (await admin.describeGroups({ groups: [group] })).get(group);
    return [...members.values()].map(({ groupInstanceId }) => groupInstanceId).toSorted((a, b) => a.localeCompare(b));
  }

  /** Reads as a member until there are so many or fifteen seconds are over; then does what it is given, still a member. */
  async function readAsMember({ group, topic, count, after = async () => {}, settings = {}, mode = {} }) {
    const consumer = new Consumer({ ...common, groupId: group, maxWaitTime: 200, ...settings });
    const where = { mode: 'committed', fallbackMode: 'earliest', autocommit: false, ...mode };
    const stream = await consumer.consume({ topics: [topic], ...where });
    const values = [];
    stream.on('data', ({ value }) => values.push(value.toString()));
    const end = Date.now() + 15_000;
    while (values.length < count && Date.now() < end) await pause(50);
    await after(consumer);
    await consumer.close(true);
    return values;
  }

  async function commits(topic) {
    await create(topic, 1);
    await fill(topic, 100);
    const group = `${topic}-group`;
    const commit = (consumer, offset, partition = 0) =>
      outcome(consumer.commit({ offsets: [{ topic, partition, offset, leaderEpoch: 0 }] }));
    const values = await readAsMember({
      group,
      topic,
      count: 100,
      after: async (consumer) => {
        see('before', await text(group));
        see('commit', await commit(consumer, 42n));
        see('committed', await text(group));
        see('unknown partition', await commit(consumer, 1n, 9));
        see('from outside', await set(group, topic, 1n));
      },
    });
    expectRead(values, 0, 100);
    expectRead(await readAsMember({ group, topic, count: 58 }), 42, 100);
    // By itself.
    expectRead(await readAsMember({ group, topic, count: 58, mode: { autocommit: true } }), 42, 100);
    see('by itself', await text(group));
    const manual = { mode: 'manual', fallbackMode: undefined, offsets: [{ topic, partition: 0, offset: 90n }] };
    expectRead(await readAsMember({ group, topic, count: 10, mode: manual }), 90, 100);
    const latest = { mode: 'latest', fallbackMode: undefined };
    assert.deepEqual(
      await readAsMember({ group: `${group}-2`, topic, count: 0, mode: latest, after: () => pause(2_000) }),
      [],
    );
    assert.match(await text(group), /^0: 100/);
  }

  function set(groupId, topic, offset, partition = 0) {
    return outcome(
      admin.alterConsumerGroupOffsets({
        groupId,
        topics: [{ name: topic, partitionOffsets: [{ partition, offset }] }],
      }),
    );
  }

  async function reset(topic) {
    await create(topic, 1);
    await fill(topic, 100);
    const group = `${topic}-group`;
    const remove = (groupId) =>
      outcome(admin.deleteConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionIndexes: [0] }] }));
    see('of a new group', await set(group, topic, 70n));
    const values = await readAsMember({
      group,
      topic,
      count: 30,
      after: async () => {
        see('while there are members', await set(group, topic, 0n));
        see('delete while it is subscribed', await remove(group));
      },
    });
    expectRead(values, 70, 100);
    see('back', await set(group, topic, 10n));
    see('unknown partition', await set(group, topic, 10n, 9));
    expectRead(await readAsMember({ group, topic, count: 90 }), 10, 100);
    see('delete', await remove(group));
    see('after', await text(group));
    see('delete of an unknown group', await remove(`${group}-none`));
    expectRead(await readAsMember({ group, topic, count: 100 }), 0, 100);
  }

  async function described(name) {
    const { state, protocolType, protocol, members } = (await admin.describeGroups({ groups: [name] })).get(name);
    const of = [...members.values()].map(
      ({ id, clientId, clientHost }) => `${clientId} ${clientHost} ${/^reader-[0-9a-f-]{36}$/.test(id)}`,
    );
    return `${state} ${protocolType} ${protocol} ${of}`;
  }

  async function adminGroups(topic) {
    await create(topic, 1);
    await fill(topic, 10);
    const group = `${topic}-group`;
    const listed = async (options = {}) => {
      const of = (await admin.listGroups(options)).get(group);
      return of === undefined ? 'none' : `${of.state} ${of.groupType} ${of.protocolType}`;
    };
    const remove = () => outcome(admin.deleteGroups({ groups: [group] }));
    const values = await readAsMember({
      group,
      topic,
      count: 10,
      settings: { clientId: 'reader' },
      mode: { autocommit: true },
      after: async () => {
        see('listed', await listed());
        see('listed as stable', await listed({ states: ['STABLE'] }));
        see('listed as empty', await listed({ states: ['EMPTY'] }));
        see('listed as classic', await listed({ types: ['classic'] }));
        see('described', await described(group));
        see('delete when somebody is in it', await remove());
      },
    });
    expectRead(values, 0, 10);
    see('empty', await described(group));
    see('offsets', await text(group));
    see('offsets of an unknown group', await text(`${group}-none`));
    see('unknown', await outcome(described(`${group}-none`)));
    see('delete', await remove());
    see('gone', await outcome(described(group)));
    see('offsets then', await text(group));
    see('listed then', await listed());
    see('delete again', await remove());
  }
}

function expectRead(values, from, to) {
  assert.deepEqual(
    values,
    Array.from({ length: to - from }, (_, i) => String(from + i)),
  );
}
