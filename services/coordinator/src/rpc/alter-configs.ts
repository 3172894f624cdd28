import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  AlterConfigsResponseSchema,
  AlterConfigsResultSchema,
  ConfigOperationKind,
  ConfigResourceType,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
  AlterConfigsResult,
  ConfigAlteration as ConfigAlterationMessage,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { AlterationResult, ConfigAlteration, ConfigOperation } from '../controller/alter-configs.ts';
import type { Coordinator } from '../coordinator.ts';

/** How much the audit log says of who asked. */
const CLIENT_CHARS_MAX = 500;

/** Answers AlterConfigs. Rejects with a WeirError when the request as a whole is refused. */
export function alterConfigs(
  coordinator: Coordinator,
  request: AlterConfigsRequest,
  peer: string,
): Promise<AlterConfigsResponse> {
  return new Promise((resolve, reject) => {
    const { resources, validateOnly, client } = request;
    if (resources.length > TOPICS_PER_REQUEST_MAX) {
      const message = `a request alters at most ${TOPICS_PER_REQUEST_MAX} resources, not ${resources.length}`;
      throw new WeirError('INVALID_REQUEST', message);
    }
    const requester = { peer, client: client.slice(0, CLIENT_CHARS_MAX) };
    const alterations = resources.map(alterationOf);
    coordinator.submit({ kind: 'alterConfigs', alterations, validateOnly, requester }, (result) => {
      if (result.kind === 'refused') return reject(new WeirError(result.refusal.code, result.refusal.message));
      const altered = result.kind === 'alterations' ? result.results : [];
      const results = altered.map((one, i) => resultMessage(one, resources[i]!));
      resolve(create(AlterConfigsResponseSchema, { results }));
    });
  });
}

function alterationOf({ type, name, replaceAll, operations }: ConfigAlterationMessage): ConfigAlteration {
  return {
    resource: { type: RESOURCE_TYPES[type] ?? 'unknown', name },
    replaceAll,
    operations: operations.map((operation) => ({
      name: operation.name,
      kind: OPERATION_KINDS[operation.kind] ?? 'unknown',
      value: operation.value,
    })),
  };
}

/** What a newer client knows and we do not is none of these. */
const RESOURCE_TYPES: Readonly<Partial<Record<ConfigResourceType, ConfigAlteration['resource']['type']>>> = {
  [ConfigResourceType.TOPIC]: 'topic',
  [ConfigResourceType.BROKER]: 'broker',
};

const OPERATION_KINDS: Readonly<Partial<Record<ConfigOperationKind, ConfigOperation['kind']>>> = {
  [ConfigOperationKind.SET]: 'set',
  [ConfigOperationKind.DELETE]: 'delete',
  [ConfigOperationKind.APPEND]: 'append',
  [ConfigOperationKind.SUBTRACT]: 'subtract',
};

function resultMessage(result: AlterationResult, { type, name }: ConfigAlterationMessage): AlterConfigsResult {
  switch (result.kind) {
    case 'refused': {
      const { code, message } = result.refusal;
      return create(AlterConfigsResultSchema, { type, name, code, message });
    }
    case 'altered':
      return create(AlterConfigsResultSchema, { type, name, code: 'NONE', revision: BigInt(result.revision) });
  }
}
