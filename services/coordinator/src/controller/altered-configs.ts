import { shown } from './alter-configs.ts';
import type { ConfigResource } from './alter-configs.ts';
import type { Change, ClusterImage } from './image.ts';

type Configs = Readonly<Record<string, string>>;

/** What became other of one resource's configs, to be audited. */
export interface AlteredConfigs {
  readonly resource: ConfigResource;
  /** By name; null: it was not set, or is not any more. */
  readonly configs: Readonly<Record<string, { readonly old: string | null; readonly new: string | null }>>;
}

/** What a change that the image does not have yet alters of configs; undefined when it alters none. */
export function alteredConfigs(image: ClusterImage, change: Change): AlteredConfigs | undefined {
  if (change.kind === 'topic') {
    const { name, configs } = change.topic;
    return differences({ type: 'topic', name }, image.topics.get(name)?.configs ?? {}, configs);
  }
  if (change.kind !== 'brokerConfigs') return undefined;
  const { owner, configs } = change.brokerConfigs;
  const name = owner === 'default' ? '' : String(owner);
  return differences({ type: 'broker', name }, image.configsOf(owner), configs);
}

function differences(resource: ConfigResource, before: Configs, after: Configs): AlteredConfigs | undefined {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const others = [...names].filter((name) => before[name] !== after[name]);
  if (others.length === 0) return undefined;
  const configs = others.map((name) => [name, { old: before[name] ?? null, new: after[name] ?? null }] as const);
  return { resource, configs: Object.fromEntries(configs) };
}

/** The same as a sentence. */
export function alterationInWords({ resource, configs }: AlteredConfigs): string {
  const values = Object.entries(configs).map(
    ([name, { old, new: value }]) => `${name} from ${old ?? 'unset'} to ${value ?? 'unset'}`,
  );
  return `configs of ${shown(resource)} were altered: ${values.join(', ')}`;
}
