// Consumer groups of KafkaJS.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as flow from './group-flow.mjs';

/** The scenarios of groups, with what those of main.mjs use as well. */
export function groupScenarios({ kafka, admin, see, outcome, create, fill, withProducer, without }) {
  const client = { create, see, start, committed: async (group) => sum(await offsetsOf(group)), produce };
  const scenarios = {
    'group-range': without('no range assigner'),
    'group-roundrobin': (topic) => flow.comeAndLeave(client, topic, {}),
    'group-cooperative': without('no cooperative assigner'),
    'group-static': without('no static members'),
    'group-killed': (topic) => flow.killed(client, topic, fileURLToPath(new URL('main.mjs', import.meta.url))),
    'group-commits': commits,
    'group-reset': reset,
    'group-admin': adminGroups,
  };
  return { scenarios, beKilled: () => flow.beKilled(client) };

  async function produce(topic, values) {
    const messages = values.map((value) => ({ key: flow.keyOf(value), value: String(value) }));
    await withProducer({}, (producer) => producer.send({ topic, messages }));
  }

  async function start(member, topic, group, { sessionMs = 30_000, commits: doesCommit = true }) {
    const consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: sessionMs,
      heartbeatInterval: 1_000,
      maxWaitTimeInMs: 200,
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => member.owns(payload.memberAssignment[topic] ?? []));
    consumer.on(consumer.events.CRASH, ({ payload }) => (member.failure = payload.error));
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: doesCommit,
      autoCommitThreshold: 1,
      eachMessage: ({ message }) => Promise.resolve(member.read(message.value)),
    });
    return () => consumer.disconnect();
  }

  async function offsetsOf(group) {
    const topics = await admin.fetchOffsets({ groupId: group });
    const all = topics.flatMap(({ partitions }) => partitions).filter(({ offset }) => Number(offset) >= 0);
    return all.toSorted((a, b) => a.partition - b.partition);
  }

  async function text(group) {
    return (await offsetsOf(group))
      .map(({ partition, offset, metadata }) => `${partition}: ${offset} ${metadata}`)
      .join(', ');
  }

  /** Reads as a member until there are so many or fifteen seconds are over; then does what it is given, still a member. */
  async function readAsMember({
    group,
    topic,
    count,
    after = async () => {},
    run = {},
    from = true,
    clientSettings = {},
  }) {
    const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 200, ...clientSettings });
    const values = [];
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: from });
    await consumer.run({
      autoCommit: false,
      eachMessage: ({ message }) => Promise.resolve(values.push(String(message.value))),
      ...run,
    });
    const end = Date.now() + 15_000;
    while (values.length < count && Date.now() < end) await pause(50);
    await after(consumer, values);
    await consumer.disconnect();
    return values;
  }

  async function commits(topic) {
    await create(topic, 1);
    await fill(topic, 100);
    const group = `${topic}-group`;
    const commit = (consumer, offset, metadata) =>
      outcome(consumer.commitOffsets([{ topic, partition: 0, offset, metadata }]));
    const values = await readAsMember({
      group,
      topic,
      count: 100,
      after: async (consumer) => {
        see('before', await text(group));
        see('commit', await commit(consumer, '42', 'here'));
        see('committed', await text(group));
        see('long metadata', await commit(consumer, '1', 'x'.repeat(5_000)));
        see('from outside', await set(group, topic, '1'));
      },
    });
    expectRead(values, 0, 100);
    const again = await readAsMember({
      group,
      topic,
      count: 58,
      after: async (consumer, read) => {
        consumer.seek({ topic, partition: 0, offset: '90' });
        while (read.length < 68) await pause(50);
      },
    });
    expectRead(again.slice(0, 58), 42, 100);
    expectRead(again.slice(58), 90, 100);
    // By itself as it ends.
    expectRead(await readAsMember({ group, topic, count: 58, run: { autoCommit: true } }), 42, 100);
    see('by itself', await text(group));
    const latest = await readAsMember({
      group: `${group}-latest`,
      topic,
      count: 0,
      from: false,
      after: () => pause(6_000),
    });
    assert.equal(latest.length, 0);
    assert.match(await text(group), /^0: 100/);
  }

  function set(group, topic, offset) {
    return outcome(admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset }] }));
  }

  async function reset(topic) {
    await create(topic, 1);
    await fill(topic, 100);
    const group = `${topic}-group`;
    see('of a new group', await set(group, topic, '70'));
    const values = await readAsMember({
      group,
      topic,
      count: 30,
      after: async () => see('while there are members', await set(group, topic, '0')),
    });
    expectRead(values, 70, 100);
    see('back', await set(group, topic, '10'));
    expectRead(await readAsMember({ group, topic, count: 90 }), 10, 100);
    see('to the earliest', await outcome(admin.resetOffsets({ groupId: group, topic, earliest: true })));
    see('offsets', await text(group));
    expectRead(await readAsMember({ group, topic, count: 100 }), 0, 100);
    see('to the latest', await outcome(admin.resetOffsets({ groupId: group, topic, earliest: false })));
    see('offsets then', await text(group));
    return 'no call for OffsetDelete';
  }

  async function described(name) {
    const { groups } = await admin.describeGroups([name]);
    const [{ errorCode, state, protocolType, protocol, members }] = groups;
    const of = members.map(
      ({ clientId, clientHost, memberId }) => `${clientId} ${clientHost} ${/-[0-9a-f-]{36}$/.test(memberId)}`,
    );
    return `${errorCode} ${state} ${protocolType} ${protocol} ${of}`;
  }

  async function adminGroups(topic) {
    await create(topic, 1);
    await fill(topic, 10);
    const group = `${topic}-group`;
    const listed = async () =>
      (await admin.listGroups()).groups
        .filter(({ groupId }) => groupId === group)
        .map(({ protocolType }) => protocolType);
    const remove = () =>
      admin.deleteGroups([group]).then(
        () => 'ok',
        ({ groups }) => groups[0].error.type,
      );
    const values = await readAsMember({
      group,
      topic,
      count: 10,
      run: { autoCommit: true },
      after: async () => {
        see('listed', await listed());
        see('described', await described(group));
        see('delete when somebody is in it', await remove());
      },
    });
    expectRead(values, 0, 10);
    see('empty', await described(group));
    see('offsets', await text(group));
    see('offsets of an unknown group', await text(`${group}-none`));
    see('unknown', await described(`${group}-none`));
    see('delete', await remove());
    see('gone', await described(group));
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

function sum(offsets) {
  return offsets.reduce((total, { offset }) => total + Number(offset), 0);
}
