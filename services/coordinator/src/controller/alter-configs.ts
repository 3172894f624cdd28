import { brokerConfigsProblem, BROKER_CONFIGS, noBrokerConfig } from '@weir/base/broker-configs.ts';
import { definitionOf, listOf } from '@weir/base/config-definition.ts';
import type { ConfigTable } from '@weir/base/config-definition.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { noTopicConfig, TOPIC_CONFIGS, topicConfigsProblem } from '@weir/base/topic-configs.ts';
import { viewOf } from './brokers.ts';
import { NO_LEADER } from './image.ts';
import type { BrokerConfigsOwner, Change, ClusterImage, TopicRecord } from './image.ts';
import { elrsToClear, rulesOf } from './partition-rules.ts';
import { reassess } from './partition.ts';

type Configs = Readonly<Record<string, string>>;

/** What has configs, by the name that somebody gave it. */
export interface ConfigResource {
  /** `unknown`: a type that has no configs here. */
  readonly type: 'topic' | 'broker' | 'unknown';
  /** A topic's name, or a broker's id; empty for all brokers. */
  readonly name: string;
}

/** What is to become of one config. */
export interface ConfigOperation {
  readonly name: string;
  readonly kind: 'set' | 'delete' | 'append' | 'subtract' | 'unknown';
  readonly value: string;
}

/** What is to become of one resource's configs. */
export interface ConfigAlteration {
  readonly resource: ConfigResource;
  /** What no operation sets is unset. */
  readonly replaceAll: boolean;
  readonly operations: readonly ConfigOperation[];
}

/** Alters configs, each resource on its own. */
export interface AlterConfigs {
  readonly kind: 'alterConfigs';
  readonly alterations: readonly ConfigAlteration[];
  readonly validateOnly: boolean;
  readonly requester: Requester;
}

/** Who asked for something, as the audit log says it. */
export interface Requester {
  /** Whose call it is. */
  readonly peer: string;
  /** For whom they call, in their words; empty for themselves. */
  readonly client: string;
}

/** What became of one resource: `revision` is the one from which it is so, 0 when nothing was written. */
export type AlterationResult =
  | { readonly kind: 'refused'; readonly resource: ConfigResource; readonly refusal: Refusal }
  | { readonly kind: 'altered'; readonly resource: ConfigResource; readonly revision: number };

/** A resource that there is. */
type Target =
  | { readonly kind: 'topic'; readonly topic: TopicRecord; readonly configs: Configs }
  | { readonly kind: 'broker'; readonly owner: BrokerConfigsOwner; readonly configs: Configs };

/**
 * The steps of altering configs: a resource's configs are one value, so that they change together or not at all. What a lower
 * minimum of in-sync replicas forbids goes before it, and where unclean elections are allowed from now on nobody waits.
 */
export function* alterConfigs(
  image: ClusterImage,
  { alterations, validateOnly }: AlterConfigs,
): Generator<Change[], readonly AlterationResult[], void> {
  const asked = Map.groupBy(alterations, ({ resource }) => keyOf(resource));
  const changes: Change[] = [];
  const decided = alterations.map((alteration): Refusal | Change | undefined => {
    const { resource } = alteration;
    if (asked.get(keyOf(resource))!.length > 1) {
      return refusal('INVALID_REQUEST', `${shown(resource)} is in the request more than once`);
    }
    const target = targetOf(image, resource);
    if ('code' in target) return target;
    const wanted = altered(target, alteration);
    if (wanted.kind === 'refused') return wanted.refusal;
    if (sameConfigs(wanted.configs, target.configs)) return undefined;
    const change = changeOf(target, wanted.configs);
    if (!validateOnly) changes.push(change);
    return change;
  });
  yield [...elrsToClear(image, changes), ...changes];
  const results = decided.map((decision, i): AlterationResult => {
    const { resource } = alterations[i]!;
    if (decision !== undefined && 'code' in decision) return { kind: 'refused', resource, refusal: decision };
    const written = decision !== undefined && !validateOnly;
    return { kind: 'altered', resource, revision: written ? image.revisionOf(decision) || image.revision : 0 };
  });
  if (changes.length > 0) yield [...allowedElections(image)];
  return results;
}

/** Elections of partitions that nobody leads, which are allowed by what their configs are now. */
function* allowedElections(image: ClusterImage): Generator<Change, void, void> {
  const brokers = viewOf(image);
  for (const partition of image.partitions()) {
    if (partition.leader !== NO_LEADER) continue;
    const next = reassess(partition, { brokers, rules: rulesOf(image, partition) });
    if (next !== undefined) yield { kind: 'partition', partition: next };
  }
}

function targetOf(image: ClusterImage, resource: ConfigResource): Target | Refusal {
  const { type, name } = resource;
  switch (type) {
    case 'topic': {
      const topic = image.topics.get(name);
      if (topic === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no ${shown(resource)}`);
      const { revision: _, ...record } = topic;
      return { kind: 'topic', topic: record, configs: topic.configs };
    }
    case 'broker': {
      if (name === '') return { kind: 'broker', owner: 'default', configs: image.configsOf('default') };
      if (!/^(0|[1-9]\d{0,9})$/.test(name)) {
        return refusal('INVALID_REQUEST', `${shown(resource)} is none: brokers have numbers`);
      }
      const broker = [...image.brokers.values()].find(({ id }) => String(id) === name);
      if (broker === undefined) return refusal('BROKER_ID_NOT_REGISTERED', `there is no ${shown(resource)}`);
      return { kind: 'broker', owner: broker.id, configs: image.configsOf(broker.id) };
    }
    case 'unknown':
      return refusal('INVALID_REQUEST', 'only topics and brokers have configs that can be altered');
  }
}

type Wanted =
  | { readonly kind: 'configs'; readonly configs: Configs }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** The resource's configs as they are to be. */
function altered(target: Target, { replaceAll, operations }: ConfigAlteration): Wanted {
  const table: ConfigTable = target.kind === 'topic' ? TOPIC_CONFIGS : BROKER_CONFIGS;
  const configs: Record<string, string> = replaceAll ? {} : { ...target.configs };
  const touched = new Set<string>();
  for (const { name, kind, value } of operations) {
    if (touched.has(name)) return refused('INVALID_REQUEST', `config ${quoted(name)} is altered more than once`);
    touched.add(name);
    const definition = definitionOf(table, name);
    // What a newer version has set can be unset.
    if (definition === undefined && !(kind === 'delete' && Object.hasOwn(configs, name))) {
      return refused('INVALID_CONFIG', target.kind === 'topic' ? noTopicConfig(name) : noBrokerConfig(name));
    }
    if (kind === 'unknown' || (replaceAll && kind !== 'set')) {
      return refused('INVALID_REQUEST', `config ${quoted(name)} is altered in a way that there is none of`);
    }
    if (kind === 'delete') delete configs[name];
    else if (kind === 'set') configs[name] = value;
    else if (definition?.type !== 'list') {
      return refused('INVALID_CONFIG', `${quoted(name)} is not a list: it can be set and unset, not ${kind}ed`);
    } else {
      const before = listOf(configs[name] ?? definition.default);
      const items = listOf(value);
      configs[name] = (
        kind === 'append'
          ? [...before, ...items.filter((item) => !before.includes(item))]
          : before.filter((item) => !items.includes(item))
      ).join(',');
    }
  }
  const problem = problemOf(target, configs);
  return problem === undefined ? { kind: 'configs', configs } : { kind: 'refused', refusal: problem };
}

function problemOf(target: Target, configs: Configs): Refusal | undefined {
  // What was there before and stays has passed, of whichever version it was.
  const fresh = Object.fromEntries(Object.entries(configs).filter(([name, value]) => target.configs[name] !== value));
  if (target.kind === 'broker') {
    const problem = brokerConfigsProblem(target.owner === 'default' ? 'cluster' : 'broker', fresh);
    return problem === undefined ? undefined : refusal('INVALID_CONFIG', problem);
  }
  const known = Object.entries(configs).filter(([name]) => definitionOf(TOPIC_CONFIGS, name) !== undefined);
  const problem = topicConfigsProblem(fresh) ?? topicConfigsProblem(Object.fromEntries(known));
  if (problem !== undefined) return refusal('INVALID_CONFIG', problem);
  for (const name of new Set([...Object.keys(target.configs), ...Object.keys(configs)])) {
    if (definitionOf(TOPIC_CONFIGS, name)?.live !== false || configs[name] === target.configs[name]) continue;
    const is = target.configs[name];
    const message = `${name} is settled when a topic is created, and this one has ${is === undefined ? 'none of its own' : is}`;
    return refusal('INVALID_CONFIG', message);
  }
  return undefined;
}

function changeOf(target: Target, configs: Configs): Change {
  switch (target.kind) {
    case 'topic':
      return { kind: 'topic', topic: { ...target.topic, configs } };
    case 'broker':
      return { kind: 'brokerConfigs', brokerConfigs: { owner: target.owner, configs } };
  }
}

function refused(code: Refusal['code'], message: string): Wanted {
  return { kind: 'refused', refusal: refusal(code, message) };
}

function sameConfigs(a: Configs, b: Configs): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function keyOf({ type, name }: ConfigResource): string {
  return `${type} ${name}`;
}

/** A resource in words. */
export function shown({ type, name }: ConfigResource): string {
  return type === 'broker' && name === '' ? 'the cluster-wide default' : `${type} ${quoted(name)}`;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 249));
}
