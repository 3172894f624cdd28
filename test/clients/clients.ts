import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './cache.ts';
import type { BuildStep } from './cache.ts';
import type { Command } from './program.ts';

/** A client that is tried: a directory beside this file holds its program and its manifest. */
export interface Client {
  readonly name: string;
  /** Programs that a machine may lack. */
  readonly needs: readonly string[];
  /** Installs and builds what is missing. @throws Error when that fails */
  prepare(say: (line: string) => void): Promise<Command>;
}

/** All of them. */
export const CLIENTS: readonly Client[] = [
  java(),
  shell('kafka-tools', []),
  shell('kcat', ['kcat']),
  python('confluent-python'),
  go('franz-go'),
  go('sarama'),
  go('kafka-go'),
  javascript('kafkajs'),
  javascript('platformatic'),
  python('aiokafka'),
  python('kafka-python'),
];

function sourceOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** What Maven puts into a directory. */
function jars(source: string, directory: string): BuildStep {
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${directory}/jars`];
  return { words: ['mvn', '-q', '-B', '-f', join(source, 'pom.xml'), ...goal], cwd: directory };
}

function java(): Client {
  const source = sourceOf('java');
  const make = (directory: string): BuildStep[] => [
    jars(source, directory),
    {
      words: ['javac', '-d', directory, '-cp', `${directory}/jars/*`, 'Main.java', 'Groups.java', 'GroupOffsets.java'],
      cwd: source,
    },
  ];
  return {
    name: 'java',
    needs: ['mvn', 'java', 'javac'],
    async prepare(say) {
      const directory = await build({ name: 'java', source }, make, say);
      return { words: ['java', '-Xmx512m', '-cp', `${directory}:${directory}/jars/*`, 'Main'], cwd: directory };
    },
  };
}

/** A script that uses Kafka's command line tools, if only to make topics. */
function shell(name: string, needs: readonly string[]): Client {
  const source = sourceOf('kafka-tools');
  return {
    name,
    needs: [...needs, 'mvn', 'java', 'bash'],
    async prepare(say) {
      const directory = await build({ name: 'kafka-tools', source }, (made) => [jars(source, made)], say);
      const words = ['bash', join(sourceOf(name), 'main.sh')];
      return { words, cwd: directory, environment: { CLASSPATH: `${directory}/jars/*` } };
    },
  };
}

function go(name: string): Client {
  const source = sourceOf(name);
  const make = (directory: string): BuildStep[] => [
    { words: ['go', 'build', '-mod=readonly', '-o', join(directory, 'client'), '.'], cwd: source },
  ];
  return {
    name,
    needs: ['go'],
    async prepare(say) {
      const directory = await build({ name, source, shared: sourceOf('go-groups') }, make, say);
      return { words: [join(directory, 'client')], cwd: directory };
    },
  };
}

function python(name: string): Client {
  const source = sourceOf(name);
  const make = (directory: string): BuildStep[] => [
    { words: ['python3', '-m', 'venv', directory], cwd: source },
    { words: [join(directory, 'bin/pip'), 'install', '-q', '-r', 'requirements.txt'], cwd: source },
  ];
  return {
    name,
    needs: ['python3'],
    async prepare(say) {
      const directory = await build({ name, source }, make, say);
      const environment = { PYTHONPATH: sourceOf('python-groups') };
      // Without files beside the source of what it has compiled.
      return { words: [join(directory, 'bin/python'), '-B', join(source, 'main.py')], cwd: directory, environment };
    },
  };
}

/** On the Node that runs this. The program is copied to its node_modules, where it finds them. */
function javascript(name: string): Client {
  const source = sourceOf(name);
  const shared = sourceOf('javascript-groups');
  const make = (directory: string): BuildStep[] => {
    for (const from of [source, shared]) cpSync(from, directory, { recursive: true });
    return [{ words: ['npm', 'install', '--no-audit', '--no-fund', '--no-package-lock'], cwd: directory }];
  };
  return {
    name,
    needs: ['npm'],
    async prepare(say) {
      const directory = await build({ name, source, shared }, make, say);
      return { words: [process.execPath, join(directory, 'main.mjs')], cwd: directory };
    },
  };
}
