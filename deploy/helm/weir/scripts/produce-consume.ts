import { spawnSync } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';
import { endOffsets } from './kafka.ts';

/**
 * What `helm test` runs, in a pod of the release's image: records go in over HTTP and over gRPC, and come out of both,
 * in a topic that only this run knows and that it deletes again; and each leader of it is where Kafka clients are told
 * that it is. It ends with 1 when anything is not as it should be.
 */

const gateway = process.env['WEIR_TEST_GATEWAY']!;
const kafka = process.env['WEIR_TEST_KAFKA']!;
const topic = `weir-test-${Date.now()}-${process.pid}`;
const records = `${gateway}/v1/topics/${topic}/records`;
const values = Array.from({ length: 20 }, (_, number) => ({ number }));
const lines = Array.from({ length: 20 }, (_, number) => `line ${number}`);

try {
  step(`creating ${topic} over HTTP`);
  await call(`${gateway}/v1/topics`, { name: topic, partitions: 3 });
  step(`producing ${values.length} records over HTTP`);
  await call(records, values);
  step(`producing ${lines.length} records over gRPC`);
  weir(['produce', topic], `${lines.join('\n')}\n`);
  const expected = [...values.map((value) => JSON.stringify(value)), ...lines].toSorted();
  step('consuming them over HTTP');
  const answer = (await call(`${records}?limit=1000`)) as { records: { value: unknown }[] };
  same(
    answer.records.map(({ value }) => (typeof value === 'string' ? value : JSON.stringify(value))),
    expected,
  );
  step('consuming them over gRPC');
  same(weir(['consume', topic]).trimEnd().split('\n'), expected);
  step(`asking the leaders for their last offsets over Kafka's protocol, beginning at ${kafka}`);
  const ends = await endOffsets(kafka, topic);
  const end = ends.values().reduce((sum, each) => sum + each, 0n);
  if (end !== BigInt(expected.length)) throw new Error(`${expected.length} records were expected, ${end} are there`);
} finally {
  step(`deleting ${topic}`);
  weir(['topic', 'delete', topic, '--yes', '--if-exists']);
}
step('all is well');

function step(what: string): void {
  console.log(what);
}

async function call(url: string, body?: unknown): Promise<unknown> {
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(url, body === undefined ? {} : request);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** The command line of the image; WEIR_COORDINATORS says where to. */
function weir(words: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync('weir', words, { input, encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`weir ${words.join(' ')} failed: ${stderr}${error?.message ?? ''}`);
  return stdout;
}

function same(found: readonly string[], expected: readonly string[]): void {
  if (isDeepStrictEqual(found.toSorted(), expected)) return;
  throw new Error(`${expected.length} records were expected, ${found.length} came: ${found.join(', ')}`);
}
