import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadOptions } from '../../packages/runtime/src/load-options.ts';
import { brokerOptions } from '../../services/broker/src/options.ts';
import { coordinatorOptions } from '../../services/coordinator/src/options.ts';
import { gatewayOptions } from '../../services/gateway/src/options.ts';
import { IMAGE } from './image.ts';

interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
}

const FOLDER = 'deploy/docker';
const OPTIONS = { coordinator: coordinatorOptions, broker: brokerOptions, gateway: gatewayOptions };
const { services } = parse(readFileSync(join(FOLDER, 'compose.yaml'), 'utf8'), { merge: true }) as {
  services: Record<string, ComposeService>;
};

test.each(Object.keys(OPTIONS) as (keyof typeof OPTIONS)[])(
  'compose runs the %s on the image that is built, with options that there are',
  (kind) => {
    const { image, command } = services[kind]!;
    expect(image).toBe(`\${WEIR_IMAGE:-${IMAGE}}`);
    expect(command![0]).toBe(kind);
    const environmentPrefix = `WEIR_${kind.toUpperCase()}_`;
    const words = command!.slice(1).map(withDefaults);
    const loaded = loadOptions(OPTIONS[kind], { words, environment: {}, environmentPrefix });
    expect(loaded).toMatchObject({ ok: true });
  },
);

test('Kafka clients reach the broker where it tells them to, from this machine and from containers', () => {
  const { command, ports } = services['broker']!;
  const listeners = (option: string): string[] =>
    withDefaults(command!.find((word) => word.startsWith(`--${option}=`))!)
      .slice(option.length + 3)
      .split(',');
  expect(listeners('kafka-listen')).toEqual(['inside=0.0.0.0:9093', 'host=0.0.0.0:9092']);
  expect(listeners('kafka-advertise')).toEqual(['inside=broker:9093', 'host=127.0.0.1:9092']);
  expect(ports!.map(withDefaults)).toEqual(['127.0.0.1:9092:9092']);
});

test('every file that compose mounts is there', () => {
  const mounted = Object.values(services)
    .flatMap(({ volumes = [] }) => volumes)
    .map((volume) => volume.split(':')[0]!)
    .filter((source) => source.startsWith('.'));
  expect(mounted.length).toBeGreaterThan(3);
  expect(mounted.filter((source) => !existsSync(join(FOLDER, source)))).toEqual([]);
});

/** As compose reads a text where the environment has none of the variables. */
function withDefaults(text: string): string {
  return text.replaceAll(/\$\{\w+:?-([^}]*)\}/g, '$1');
}
