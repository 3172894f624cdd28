import { expect, test } from 'vitest';
import { runCli } from './cli.ts';
import { defineCommand, UsageError } from './command.ts';
import type { CommandTree } from './command.ts';
import { commands } from './commands.ts';
import { TestTerminal } from './test-terminal.ts';

const greet = defineCommand({
  summary: 'greet somebody',
  positionals: [{ name: 'WHO', description: 'somebody' }],
  options: {
    times: { type: 'integer', default: 1, min: 1, max: 3, description: 'How often' },
    output: { type: 'choice', choices: ['text', 'json'], default: 'text', description: 'How' },
  },
  shorts: { n: 'times', o: 'output' },
  examples: ['weir say hello Ada'],
  run({ positionals, options, terminal }) {
    if (positionals[0] === 'nobody') return Promise.reject(new UsageError('nobody is not there'));
    if (positionals[0] === 'all') return Promise.reject(new Error('they are too many'));
    terminal.out(`${options.output} ${positionals[0]} ${options.times}`);
    return Promise.resolve(0);
  },
});
const tree: CommandTree = {
  say: {
    kind: 'group',
    summary: 'say something',
    children: { hello: { kind: 'command', summary: 'greet somebody', load: () => Promise.resolve(greet) } },
  },
};

async function run(
  words: string[],
  environment: Record<string, string> = {},
  from = tree,
): Promise<{ code: number | undefined; output: string; errors: string }> {
  const terminal = new TestTerminal();
  const code = await runCli(words, from, { terminal, environment });
  return { code, output: terminal.output, errors: terminal.errors };
}

test('a command gets its words and options, long, short and from the environment', async () => {
  expect(await run(['say', 'hello', 'Ada', '--times', '2'])).toMatchObject({ code: 0, output: 'text Ada 2' });
  expect(await run(['say', 'hello', '-n', '3', 'Ada', '-o', 'json'])).toMatchObject({ output: 'json Ada 3' });
  expect(await run(['say', 'hello', 'Ada'], { WEIR_OUTPUT: 'json' })).toMatchObject({ output: 'json Ada 1' });
  expect(await run(['say', 'hello', 'Ada', '-o', 'text'], { WEIR_OUTPUT: 'json' })).toMatchObject({
    output: 'text Ada 1',
  });
});

test('a wrong command line ends with 2 and names everything that is wrong', async () => {
  const result = await run(['say', 'hello', '--times', '9', '--tims', '1']);
  expect(result.code).toBe(2);
  expect(result.errors).toContain('WHO is missing');
  expect(result.errors).toContain('--times: "9" is not a whole number from 1 to 3');
  expect(result.errors).toContain('--tims is not an option; did you mean --times?');
  expect(result.errors).toContain('See weir say hello --help');
  expect((await run(['say', 'hello', 'Ada', 'Bob'])).errors).toContain('"Bob" is not expected here');
  expect((await run(['say', 'hello', 'Ada'], { WEIR_OUTPUT: 'xml' })).errors).toContain('WEIR_OUTPUT: "xml"');
  expect(await run(['say', 'hello', 'nobody'])).toMatchObject({ code: 2 });
});

test('what cannot be brought back is not deleted by a command line that lacks something', async () => {
  const unsure = await run(['topic', 'delete', 'orders', 'clicks'], {}, commands);
  expect(unsure.code).toBe(2);
  expect(unsure.errors).toContain('--yes is missing: orders, clicks would be deleted');
  expect((await run(['topic', 'delete', '--yes'], {}, commands)).errors).toContain('TOPIC is missing');
  expect((await run(['topic', 'delete', '--help'], {}, commands)).output).toContain('topic delete TOPIC… ');
  expect((await run(['topic', 'trim', 'orders'], {}, commands)).errors).toContain('--before is missing');
  for (const before of ['-1', 'all', '1e3', '99999999999999999']) {
    const { code, errors } = await run(['topic', 'trim', 'orders', `--before=${before}`], {}, commands);
    expect([code, errors]).toEqual([2, expect.stringContaining('neither an offset nor "end"')]);
  }
});

test('records are not given up by a command line that does not say yes, nor is a partition named by a word', async () => {
  const unclean = await run(['topic', 'elect-leaders', '--topic', 'orders', '--unclean'], {}, commands);
  expect(unclean).toMatchObject({ code: 2, errors: expect.stringContaining('--yes is missing: partitions of orders') });
  const described = await run(['partition', 'describe', 'orders', 'first'], {}, commands);
  expect(described).toMatchObject({ code: 2, errors: expect.stringContaining('"first" is not the index') });
});

test('a command line that does not say what of whose configs changes ends with 2', async () => {
  const wrong: readonly [string[], string][] = [
    [['config', 'set', 'a=1'], 'Say --topic TOPIC, --broker ID or --cluster'],
    [['config', 'describe'], 'Say --topic TOPIC, --broker ID or --cluster'],
    [['config', 'set', 'a=1', '--topic', 't', '--cluster'], 'exclude each other'],
    [['config', 'set', 'a', '--cluster'], '"a" is not NAME=VALUE'],
    [['config', 'set', 'a=1', 'a=2', '--cluster'], 'a is there more than once'],
    [['config', 'set', '--cluster'], 'NAME=VALUE is missing'],
    [['config', 'unset', 'a', '--topic', '../up'], '--topic: '],
    [['topic', 'alter', 'orders'], 'nothing to alter'],
    [['topic', 'alter', 'orders', '--configs', 'a'], '--configs: "a" is not NAME=VALUE'],
  ];
  for (const [words, why] of wrong) {
    const { code, errors } = await run(words, {}, commands);
    expect([code, errors]).toEqual([2, expect.stringContaining(why)]);
  }
});

test('a command that fails ends with 1 and says why', async () => {
  expect(await run(['say', 'hello', 'all'])).toEqual({
    code: 1,
    output: '',
    errors: 'weir say hello: they are too many\n',
  });
});

test('what is no command is answered with the commands that there are', async () => {
  const result = await run(['user', 'list'], {}, commands);
  expect(result.code).toBe(2);
  expect(result.errors).toContain('"user"');
  expect(result.errors).toContain(
    'dev, coordinator, broker, gateway, topic, partition, config, produce, consume, group, bench, cluster',
  );
  expect(result.errors).not.toContain('dev-service');
  expect((await run([], {}, commands)).code).toBe(2);
  expect((await run(['toString'], {}, commands)).code).toBe(2);
});

test('help is there on every level and goes to standard output', async () => {
  for (const words of [['--help'], ['help'], ['-h'], ['say', '--help'], ['say', 'hello', '--help']]) {
    const { code, output, errors } = await run(words);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('Usage: weir');
  }
  const { output } = await run(['say', 'hello', '--help']);
  expect(output).toContain('short: -n');
  expect(output).toContain('weir say hello Ada');
  expect((await run(['--version'])).output).toMatch(/^weir \d+\.\d+\.\d+\n$/);
});

test('below the name of a service are commands about such services; all else is for the service', async () => {
  const wrong = await run(['broker', 'drian', '1'], {}, commands);
  expect([wrong.code, wrong.errors]).toEqual([
    2,
    expect.stringContaining('weir broker has no command "drian". There are: list, drain, undrain, unregister'),
  ]);
  expect((await run(['broker', 'help'], {}, commands)).output).toContain('  drain ');
  for (const [words, why] of [
    [['drain'], 'ID is missing'],
    [['drain', 'one'], '"one" is not a broker\'s number'],
    [['drain', '1', '--timeout', '0s'], '--timeout: "0s" is not 1 to 3600 seconds, as 60 or 60s'],
    [['unregister', '1', '2'], '"2" is not expected here'],
  ] as const) {
    const { code, errors } = await run(['broker', ...words], {}, commands);
    expect([code, errors]).toEqual([2, expect.stringContaining(why)]);
  }
});

test('what stands after -- is no option, and no call for help', async () => {
  expect(await run(['say', 'hello', '--', '--help'])).toMatchObject({ code: 0, output: 'text --help 1' });
});

test('every client command describes itself', async () => {
  for (const words of [
    ['topic', 'create'],
    ['topic', 'list'],
    ['topic', 'describe'],
    ['topic', 'alter'],
    ['topic', 'trim'],
    ['topic', 'delete'],
    ['config', 'list'],
    ['config', 'describe'],
    ['config', 'set'],
    ['config', 'unset'],
    ['produce'],
    ['consume'],
    ['cluster', 'info'],
    ['topic', 'elect-leaders'],
    ['partition', 'list'],
    ['partition', 'describe'],
    ['broker', 'list'],
    ['broker', 'drain'],
    ['broker', 'undrain'],
    ['broker', 'unregister'],
  ]) {
    const { code, output } = await run([...words, '--help'], {}, commands);
    expect(code).toBe(0);
    expect(output).toContain('--coordinators');
  }
});
