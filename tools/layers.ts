import { parseSync } from 'oxc-parser';

/**
 * The layout's rules, checked on the syntax tree: who may import whom, and who may touch the world. They are stated in
 * docs/ARCHITECTURE.md ("Rules that a check enforces").
 */

/** What a package may import, besides itself. Tests beside a source may import what they like. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'packages/base': [],
  proto: [],
  'packages/records': ['base'],
  'packages/kafka': ['base', 'records'],
  'packages/log': ['base', 'records'],
  'packages/runtime': ['base', 'proto', 'records', 'log'],
  // Kafka's schemas of what consumers tell each other: native members are in groups with Kafka's.
  'packages/client': ['base', 'proto', 'records', 'kafka', 'runtime'],
  'services/coordinator': ['base', 'proto', 'records', 'runtime', 'client'],
  'services/broker': ['base', 'proto', 'records', 'kafka', 'log', 'runtime', 'client'],
  'services/gateway': ['base', 'proto', 'records', 'runtime', 'client'],
  'packages/cli': ['base', 'proto', 'records', 'runtime', 'client', 'coordinator', 'broker', 'gateway'],
};

/** Modules that reach out of the process, and libraries that do. Type-only imports are free. */
const WORLD_MODULES = [
  /^node:(fs|fs\/promises|net|http|http2|https|tls|dgram|dns|child_process|worker_threads|os|process|timers|timers\/promises|perf_hooks|crypto|sqlite|readline|tty)$/,
  /^(@grpc\/|fastify$|@fastify\/|prom-client$|pino$|@opentelemetry\/)/,
];

/** Globals that are the world: time, chance, the environment, the network. */
const WORLD_GLOBALS = new Set([
  'process',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'performance',
  'fetch',
  'crypto',
  'WebSocket',
]);

/** Members of otherwise pure globals that are the world. */
const WORLD_MEMBERS = new Set(['Date.now', 'Math.random', 'AbortSignal.timeout']);

/** In these no promise may appear: they decide, others wait. */
const CORES = [
  /^packages\/(records|log)\/src\//,
  /^services\/broker\/src\/(partition|replication|group)\//,
  /^services\/coordinator\/src\/(controller|session|namespace)\//,
];

/** A breach of a rule. */
export interface Breach {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

/** Every breach in one source file, whose path is relative to the repository's root. */
export function findBreaches(file: string, source: string): Breach[] {
  const breaches: Breach[] = [];
  const report = (start: number, rule: string): void => {
    breaches.push({ file, line: source.slice(0, start).split('\n').length, rule });
  };
  const isTest = file.endsWith('.test.ts');
  if (isTest || !/^(packages|services|proto)\//.test(file)) return breaches;
  const { program } = parseSync(file, source);
  const owner = Object.keys(ALLOWED).find((path) => file.startsWith(`${path}/`));
  if (owner === undefined) {
    report(0, 'is in a package that the layers do not know');
    return breaches;
  }
  const self = owner.split('/').at(-1)!;
  const world = mayTouchWorld(file);
  const core = CORES.some((pattern) => pattern.test(file));
  const own = ownNames(program as unknown as Node);
  walk(program as unknown as Node, [], (node, parents) => {
    const module = importedModule(node);
    if (module !== undefined) {
      const target = /^@weir\/([a-z-]+)\//.exec(module.from)?.[1];
      if (target !== undefined && target !== self && !ALLOWED[owner]!.includes(target)) {
        report(node.start, `${self} may not import ${target}`);
      }
      if (module.from.startsWith('.') && escapes(file, module.from, owner)) {
        report(node.start, `${module.from} leaves the package`);
      }
      if (!world && !module.typeOnly && WORLD_MODULES.some((pattern) => pattern.test(module.from))) {
        report(node.start, `${module.from} is the world: only packages/runtime, main.ts and *.node.ts import it`);
      }
    }
    if (!world) {
      const touched = touchedGlobal(node, parents);
      // What a module itself calls so is not the global.
      if (touched !== undefined && !own.has(touched))
        report(node.start, `${touched} is the world: it has to be handed in`);
    }
    if (core && usesPromise(node)) report(node.start, 'no promises in a core: decide now, act elsewhere');
  });
  return breaches;
}

function mayTouchWorld(file: string): boolean {
  return file.startsWith('packages/runtime/') || file.endsWith('/main.ts') || file.endsWith('.node.ts');
}

function importedModule(node: Node): { from: string; typeOnly: boolean } | undefined {
  switch (node.type) {
    case 'ImportDeclaration': {
      const specifiers = (node['specifiers'] as { importKind?: string }[] | undefined) ?? [];
      const eachType = specifiers.length > 0 && specifiers.every((specifier) => specifier.importKind === 'type');
      return { from: literal(node['source']), typeOnly: node['importKind'] === 'type' || eachType };
    }
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return node['source'] == null
        ? undefined
        : { from: literal(node['source']), typeOnly: node['exportKind'] === 'type' };
    case 'ImportExpression':
      return { from: literal(node['source']), typeOnly: false };
    default:
      return undefined;
  }
}

/** Names that a module has from others, or gives to constants of its own. */
function ownNames(program: Node): Set<string> {
  const names = new Set<string>();
  for (const statement of program['body'] as Node[]) {
    const declared = (statement['declaration'] as Node | null | undefined) ?? statement;
    if (declared.type === 'ImportDeclaration') {
      for (const { local } of declared['specifiers'] as { local: Node }[]) names.add(String(local['name']));
    } else if (declared.type === 'VariableDeclaration') {
      for (const { id } of declared['declarations'] as { id: Node }[]) names.add(String(id['name']));
    }
  }
  return names;
}

function literal(node: unknown): string {
  const { value } = node as { value?: unknown };
  return typeof value === 'string' ? value : '';
}

function escapes(file: string, from: string, owner: string): boolean {
  const resolved = new URL(from, `file:///${file}`).pathname.slice(1);
  return !resolved.startsWith(`${owner}/`);
}

function touchedGlobal(node: Node, parents: readonly Node[]): string | undefined {
  if (node.type === 'MemberExpression' || node.type === 'NewExpression') {
    const name = node.type === 'MemberExpression' ? dotted(node) : undefined;
    if (name !== undefined && WORLD_MEMBERS.has(name)) return name;
    const isBareDate =
      node.type === 'NewExpression' &&
      (node['callee'] as Node).type === 'Identifier' &&
      (node['callee'] as Node)['name'] === 'Date' &&
      (node['arguments'] as unknown[]).length === 0;
    return isBareDate ? 'new Date()' : undefined;
  }
  if (node.type !== 'Identifier' || !WORLD_GLOBALS.has(String(node['name']))) return undefined;
  const parent = parents.at(-1);
  if (parent === undefined || parent.type.startsWith('TS')) return undefined;
  const isPropertyName =
    (parent.type === 'MemberExpression' && parent['property'] === node && parent['computed'] !== true) ||
    (['Property', 'PropertyDefinition', 'MethodDefinition'].includes(parent.type) && parent['key'] === node);
  return isPropertyName ? undefined : String(node['name']);
}

function dotted(node: Node): string | undefined {
  const object = node['object'] as Node;
  const property = node['property'] as Node;
  if (object.type !== 'Identifier' || property.type !== 'Identifier') return undefined;
  return `${String(object['name'])}.${String(property['name'])}`;
}

function usesPromise(node: Node): boolean {
  if (node.type === 'AwaitExpression') return true;
  if (node['async'] === true) return true;
  return node.type === 'Identifier' && node['name'] === 'Promise';
}

function walk(node: Node, parents: Node[], visit: (node: Node, parents: readonly Node[]) => void): void {
  visit(node, parents);
  parents.push(node);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) walk(item, parents, visit);
    } else if (isNode(value)) walk(value, parents, visit);
  }
  parents.pop();
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}
