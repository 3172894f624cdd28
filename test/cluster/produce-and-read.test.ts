import { afterAll, beforeAll, expect, test } from 'vitest';
import { DevCluster } from './dev-cluster.ts';
import { http, RawConnection } from './http-client.ts';

const cluster = new DevCluster();
beforeAll(() => cluster.start());
afterAll(() => cluster.remove());

const v1 = (path: string): string => `${cluster.url}/v1/topics/${path}`;

test('one JSON value, an array, NDJSON and raw bytes go in and come back as they were', async () => {
  await http(`${cluster.url}/v1/topics`, { body: { name: 'kinds', partitions: 1 } });
  const one = await http(v1('kinds/records'), { body: { n: 1 } });
  expect(one.status).toBe(200);
  expect(one.json.offsets).toEqual([{ partition: 0, offset: 0 }]);
  const many = await http(v1('kinds/records'), { body: [{ n: 2 }, 'three', null, 5] });
  expect(many.json.offsets.map((at: { offset: number }) => at.offset)).toEqual([1, 2, 3, 4]);
  const lines = await http(v1('kinds/records'), {
    body: '{"n":6}\n{"n":7}\n',
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect(lines.text.trim().split('\n')).toHaveLength(2);
  const raw = await http(v1('kinds/records'), {
    body: new Uint8Array([0, 255, 1]),
    headers: { 'content-type': 'application/octet-stream' },
  });
  expect(raw.status).toBe(200);
  const read = await http(v1('kinds/records?partition=0&offset=0'));
  expect(read.status).toBe(200);
  const values = read.json.records.map((record: { value: unknown }) => record.value);
  expect(values.slice(0, 3)).toEqual([{ n: 1 }, { n: 2 }, 'three']);
  expect(values.slice(4, 7)).toEqual([5, { n: 6 }, { n: 7 }]);
  expect(read.json.records[7]).toMatchObject({ value: 'AP8B', encoding: 'base64', offset: 7 });
});

test('integers past 2^53 come back to the last digit', async () => {
  const body = '[{"id":12345678901234567890},18446744073709551615]';
  await http(v1('big/records'), { body, headers: { 'content-type': 'application/json' } });
  const { text } = await http(v1('big/records?partition=0&offset=0'));
  expect(text).toContain('{"id":12345678901234567890}');
  expect(text).toContain('18446744073709551615');
});

test('a key always goes to the same partition, and a partition can be named', async () => {
  await http(`${cluster.url}/v1/topics`, { body: { name: 'keyed', partitions: 8 } });
  const partitions = new Set<number>();
  for (let i = 0; i < 10; i++) {
    const { json } = await http(v1('keyed/records?key=ATL'), { body: { i } });
    partitions.add(json.offsets[0].partition);
  }
  expect(partitions.size).toBe(1);
  const named = await http(v1('keyed/records?partition=7'), { body: { x: 1 } });
  expect(named.json.offsets[0].partition).toBe(7);
  const read = await http(v1(`keyed/records?partition=${[...partitions][0]}&offset=0`));
  expect(read.json.records.filter((record: { key: string }) => record.key === 'ATL')).toHaveLength(10);
});

test('records are read by timestamp', async () => {
  await http(v1('timed/records'), { body: { when: 'before' } });
  const first = (await http(v1('timed/records?partition=0&offset=0'))).json.records[0];
  const at = new Date(first.timestamp).getTime();
  while (Date.now() <= at) await new Promise((resolve) => setTimeout(resolve, 1));
  await http(v1('timed/records'), { body: { when: 'after' } });
  const { json } = await http(v1(`timed/records?partition=0&timestamp=${at + 1}`));
  expect(json.records.map((record: { value: { when: string } }) => record.value.when)).toEqual(['after']);
});

test('a read waits for the record that it asked for', async () => {
  await http(v1('waiting/records'), { body: { n: 0 } });
  const waiting = http(v1('waiting/records?partition=0&offset=1&wait=10000'));
  await http(v1('waiting/records'), { body: { n: 1 } });
  const { json } = await waiting;
  expect(json.records[0].value).toEqual({ n: 1 });
});

test('a stream delivers what is produced, and resumes after the last event', async () => {
  await http(v1('live/records'), { body: [{ n: 0 }] });
  const follow = (extra: string): RawConnection => {
    const connection = new RawConnection(cluster.url);
    connection.write(`GET /v1/topics/live/stream?from=earliest HTTP/1.1\r\nHost: 127.0.0.1\r\n${extra}\r\n`);
    return connection;
  };
  const first = follow('');
  await first.until(/"n":0/);
  await http(v1('live/records'), { body: { n: 1 } });
  const text = await first.until(/"n":1[^]*\n\n/);
  first.socket.destroy();
  const ids = [...text.matchAll(/^id: ?(.+)$/gm)].map((match) => match[1]!.trim());
  await http(v1('live/records'), { body: { n: 2 } });
  const second = follow(`Last-Event-ID: ${ids.at(-1)}\r\n`);
  const resumed = await second.until(/"n":2/);
  expect(resumed).not.toContain('"n":1');
  second.socket.destroy();
});

test('a stream that was cut off before its first event misses nothing when it resumes', async () => {
  await http(v1('quiet/records'), { body: 0 });
  const connect = (extra = ''): RawConnection => {
    const connection = new RawConnection(cluster.url);
    connection.write(`GET /v1/topics/quiet/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n${extra}\r\n`);
    return connection;
  };
  const first = connect();
  const id = /^id: (.+)$/m.exec(await first.until(/^id: .+\n\n/m))![1]!;
  first.socket.destroy();
  await http(v1('quiet/records'), { body: { missed: false } });
  const second = connect(`Last-Event-ID: ${id}\r\n`);
  expect(await second.until(/"missed"/)).toContain('{"missed":false}');
  second.socket.destroy();
});

test('everything is there again after a restart', async () => {
  await http(`${cluster.url}/v1/topics`, { body: { name: 'kept', partitions: 3 } });
  await http(v1('kept/records?key=a'), { body: [1, 2, 3] });
  const before = await http(v1('kept/records?offset=earliest'));
  expect(await cluster.stop()).toBe(0);
  await cluster.start();
  const after = await http(v1('kept/records'));
  expect(after.json.records).toEqual(before.json.records);
  expect(after.json.records).toHaveLength(3);
  const next = await http(v1('kept/records?key=a'), { body: 4 });
  expect(next.json.offsets[0].offset).toBe(3);
});

test('the REST v2 dialect sends and describes', async () => {
  const created = await http(`${cluster.url}/admin/topics`, {
    body: { topic_name: 'bridge', partitions_count: 2, replication_factor: 1 },
    headers: { 'content-type': 'application/json' },
  });
  expect(created.status).toBe(201);
  const sent = await http(`${cluster.url}/topics/bridge`, {
    body: JSON.stringify({
      records: [
        { key: 'k', value: { a: 1 } },
        { value: 'x', partition: 1 },
      ],
    }),
    headers: { 'content-type': 'application/vnd.kafka.json.v2+json' },
  });
  expect(sent.status).toBe(200);
  expect(sent.json.offsets).toHaveLength(2);
  const binary = await http(`${cluster.url}/topics/bridge/partitions/1`, {
    body: JSON.stringify({ records: [{ value: Buffer.from('raw').toString('base64') }] }),
    headers: { 'content-type': 'application/vnd.kafka.binary.v2+json' },
  });
  expect(binary.json.offsets).toEqual([{ partition: 1, offset: sent.json.offsets[1].offset + 1 }]);
  expect((await http(`${cluster.url}/topics`)).json).toContain('bridge');
  expect((await http(`${cluster.url}/topics/bridge`)).json).toMatchObject({
    name: 'bridge',
    partitions: [{ partition: 0 }, { partition: 1 }],
  });
  expect((await http(`${cluster.url}/topics/bridge/partitions/1/offsets`)).json).toEqual({
    beginning_offset: 0,
    end_offset: binary.json.offsets[0].offset + 1,
  });
});
