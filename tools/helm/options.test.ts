import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { OptionSpec, OptionSpecs } from '../../packages/base/src/options.ts';
import { processOptions } from '../../packages/runtime/src/run-main.ts';
import { brokerOptions } from '../../services/broker/src/options.ts';
import { coordinatorOptions } from '../../services/coordinator/src/options.ts';
import { gatewayOptions } from '../../services/gateway/src/options.ts';
import { CHART } from './chart.ts';

/** What of a JSON schema matters here. */
interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

const schema = JSON.parse(readFileSync(`${CHART}/values.schema.json`, 'utf8')) as Schema;

/** What the chart decides: addresses, places on the volume, and who a pod is. */
const CHARTS = ['id', 'coordinators', 'grpc-listen', 'grpc-advertise', 'http-listen', 'ops-listen', 'insecure'];
CHARTS.push(
  'peer-advertise',
  'kafka-listen',
  'kafka-advertise',
  'replication-listen',
  'replication-advertise',
  'store',
  'data-dir',
);
// Those of the store, which has values of its own: etcd.external.
CHARTS.push('etcd-prefix', 'etcd-ca', 'etcd-certificate', 'etcd-key', 'etcd-user', 'etcd-password-file');
/** One value for all brokers would put them into the same rack. */
const NO_USE = ['rack'];

test.for<[string, OptionSpecs]>([
  ['coordinator', coordinatorOptions],
  ['broker', brokerOptions],
  ['gateway', gatewayOptions],
])("%s.config takes every option that is not the chart's to decide, within the service's bounds", ([name, specs]) => {
  const config = schema.properties![name]!.properties!['config']!.properties!;
  const options = Object.entries<OptionSpec>({ ...specs, ...processOptions })
    .filter(([option]) => !CHARTS.includes(option) && !NO_USE.includes(option))
    .map(([option, spec]) => [option, takenBy(spec)]);
  const allowed = Object.entries(config).map(([option, each]) => [option, allowedBy(resolved(each))]);
  expect(Object.fromEntries(allowed)).toEqual(Object.fromEntries(options));
});

/** What a service takes for an option. */
function takenBy(spec: OptionSpec): unknown {
  switch (spec.type) {
    case 'integer':
      return { type: 'integer', minimum: spec.min, maximum: spec.max };
    case 'boolean':
      return { type: 'boolean' };
    case 'choice':
      return { enum: spec.choices };
    case 'string':
      return { type: 'string' };
  }
}

/** What the schema allows. A text may be written as a list as well: the service joins it with commas. */
function allowedBy({ type, enum: choices, minimum, maximum }: Schema): unknown {
  if (choices !== undefined) return { enum: choices };
  const single = Array.isArray(type) ? type.filter((each) => each !== 'array').join() : type;
  return { type: single, ...(minimum === undefined ? {} : { minimum, maximum }) };
}

function resolved(found: Schema): Schema {
  return found.$ref === undefined ? found : schema.definitions![found.$ref.replace('#/definitions/', '')]!;
}
