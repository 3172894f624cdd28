import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Refusal } from '@weir/base/errors.ts';
import { ConfigOperationKind, ConfigResourceType } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { ConfigAlterationSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';

/** What has configs. `cluster`: the default for all brokers that have none of their own. */
export type ConfigResource =
  | { readonly type: 'topic'; readonly name: string }
  | { readonly type: 'broker'; readonly id: number }
  | { readonly type: 'cluster' };

/** What is to become of one resource's configs: all of it, or nothing. No config is named twice. */
export interface ConfigAlteration {
  readonly resource: ConfigResource;
  /** What `set` does not name is unset (Kafka's AlterConfigs); then there is only `set`. */
  readonly replaceAll?: boolean;
  readonly set?: Readonly<Record<string, string>>;
  /** Back to the default. */
  readonly unset?: readonly string[];
  /** Of list configs, what is added and what is taken out. */
  readonly append?: Readonly<Record<string, string>>;
  readonly subtract?: Readonly<Record<string, string>>;
}

/** What became of one resource. */
export interface AlteredConfigs {
  readonly resource: ConfigResource;
  /** Absent when it was altered. */
  readonly refusal?: Refusal;
}

/** An alteration as it is asked for. */
export function alterationMessage(alteration: ConfigAlteration): MessageInitShape<typeof ConfigAlterationSchema> {
  const { resource, replaceAll = false, set = {}, unset = [], append = {}, subtract = {} } = alteration;
  return {
    ...resourceMessage(resource),
    replaceAll,
    operations: [
      ...operations(set, ConfigOperationKind.SET),
      ...unset.map((name) => ({ name, kind: ConfigOperationKind.DELETE })),
      ...operations(append, ConfigOperationKind.APPEND),
      ...operations(subtract, ConfigOperationKind.SUBTRACT),
    ],
  };
}

function resourceMessage(resource: ConfigResource): { readonly type: ConfigResourceType; readonly name: string } {
  switch (resource.type) {
    case 'topic':
      return { type: ConfigResourceType.TOPIC, name: resource.name };
    case 'broker':
      return { type: ConfigResourceType.BROKER, name: String(resource.id) };
    case 'cluster':
      return { type: ConfigResourceType.BROKER, name: '' };
  }
}

function operations(
  values: Readonly<Record<string, string>>,
  kind: ConfigOperationKind,
): { readonly name: string; readonly kind: ConfigOperationKind; readonly value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name, kind, value }));
}
