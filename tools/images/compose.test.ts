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
    const loaded = loadOptions(OPTIONS[kind], { words: command!.slice(1), environment: {}, environmentPrefix });
    expect(loaded).toMatchObject({ ok: true });
  },
);

test('every file that compose mounts is there', () => {
  const mounted = Object.values(services)
    .flatMap(({ volumes = [] }) => volumes)
    .map((volume) => volume.split(':')[0]!)
    .filter((source) => source.startsWith('.'));
  expect(mounted.length).toBeGreaterThan(3);
  expect(mounted.filter((source) => !existsSync(join(FOLDER, source)))).toEqual([]);
});
