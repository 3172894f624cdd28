import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addressProblem, declareOptions } from '@weir/base/options.ts';
import { loadOptions, parseArguments } from './load-options.ts';
import { temporaryDirectory } from './test-world.ts';

const specs = declareOptions({
  id: { type: 'integer', default: 1, min: 0, max: 100, description: 'Which one' },
  'grpc-listen': { type: 'string', default: '127.0.0.1:1', check: addressProblem, description: 'Where' },
  flush: { type: 'choice', choices: ['commit', 'interval'], default: 'commit', description: 'When' },
  insecure: { type: 'boolean', default: false, description: 'Whether' },
  rack: { type: 'string', optional: true, description: 'Rack' },
});

const load = (words: string[], environment: NodeJS.ProcessEnv = {}) =>
  loadOptions(specs, { words, environment, environmentPrefix: 'WEIR_BROKER_' });

test('what nobody sets has its default', () => {
  expect(load([])).toEqual({
    ok: true,
    values: { id: 1, 'grpc-listen': '127.0.0.1:1', flush: 'commit', insecure: false, rack: undefined },
  });
});

test('a word wins over the environment, which wins over the file', () => {
  const config = join(temporaryDirectory(), 'weir.yaml');
  writeFileSync(config, 'id: 3\nflush: interval\nrack: r1\n');
  const environment = { WEIR_BROKER_ID: '4', WEIR_BROKER_RACK: 'r2' };
  expect(load(['--config', config, '--id', '5'], environment)).toMatchObject({
    ok: true,
    values: { id: 5, rack: 'r2', flush: 'interval' },
  });
});

test('every problem is named with where it came from', () => {
  const result = load(['--id', '101', '--grpc-listne', 'x:1', '--insecure=maybe', 'extra'], {
    WEIR_BROKER_FLUSH: 'never',
    WEIR_BROKER_COLOUR: 'red',
  });
  expect(result.ok ? [] : result.problems.toSorted()).toEqual([
    '"extra" is not expected here',
    '--grpc-listne is not an option; did you mean --grpc-listen?',
    '--id: "101" is not a whole number from 0 to 100',
    '--insecure: "maybe" is neither true nor false',
    'WEIR_BROKER_COLOUR is not an option',
    'WEIR_BROKER_FLUSH: "never" is not one of commit, interval',
  ]);
});

test('variables that Kubernetes makes for services of a namespace are not taken for options', () => {
  const environment = {
    WEIR_BROKER_SERVICE_HOST: '10.0.0.1',
    WEIR_BROKER_SERVICE_PORT_GRPC: '7071',
    WEIR_BROKER_PORT: 'tcp://10.0.0.1:7071',
    WEIR_BROKER_PORT_7071_TCP_ADDR: '10.0.0.1',
  };
  expect(load([], environment).ok).toBe(true);
});

test('a flag takes no value unless it is true or false', () => {
  expect(parseArguments(specs, ['--insecure', 'topic', '--id=7', '--', '--id'])).toEqual({
    values: { insecure: 'true', id: '7' },
    positionals: ['topic', '--id'],
    problems: [],
  });
  expect(parseArguments(specs, ['--insecure', 'false']).values).toEqual({ insecure: 'false' });
  expect(parseArguments(specs, ['--rack']).problems).toEqual(['--rack needs a value']);
  expect(parseArguments(specs, ['--id', '1', '--id', '2']).problems).toEqual(['--id is given twice']);
  expect(parseArguments(specs, ['--id', '-5']).values).toEqual({ id: '-5' });
});

test('a file that is missing or not a mapping is named', () => {
  const config = join(temporaryDirectory(), 'weir.yaml');
  writeFileSync(config, '- 1\n');
  expect(load(['--config', config])).toEqual({
    ok: false,
    problems: [`--config ${config} is not a YAML mapping of options`],
  });
  expect(load(['--config', '/nowhere.yaml']).ok).toBe(false);
});
