import { KAFKA_CONFIG_RESOURCES_MAX } from '@weir/base/limits.ts';
import { ConfigOperationKind, ConfigResourceType } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { alterConfigs } from '@weir/kafka/apis/alter-configs.ts';
import type { incrementalAlterConfigs } from '@weir/kafka/apis/incremental-alter-configs.ts';
import { NO_RESULT, outcomeOf, outcomeOfFailure } from './admin.ts';
import type { Admin, Outcome } from './admin.ts';
import { RESOURCE, tooManyResources } from './configs.ts';
import type { Caller, Exchange } from './exchange.ts';
import { repeated } from './repeated.ts';

/** What is to become of one resource, in the words of either API. */
interface Alteration {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly {
    readonly name: string;
    readonly value: string | null;
    /** Kafka's number; undefined: set. */
    readonly configOperation?: number;
  }[];
}

const TYPES: Readonly<Record<number, ConfigResourceType>> = {
  [RESOURCE.topic]: ConfigResourceType.TOPIC,
  [RESOURCE.broker]: ConfigResourceType.BROKER,
};
/** By Kafka's numbers: set, delete, append, subtract. */
const KINDS = [
  ConfigOperationKind.SET,
  ConfigOperationKind.DELETE,
  ConfigOperationKind.APPEND,
  ConfigOperationKind.SUBTRACT,
];
const SET = 0;
const DELETE = 1;

/** Replaces all configs of resources by others. */
export async function answerAlterConfigs(admin: Admin, exchange: Exchange<typeof alterConfigs>): Promise<void> {
  const { resources, validateOnly } = exchange.request;
  if (resources.length > KAFKA_CONFIG_RESOURCES_MAX) return exchange.hangUp(tooManyResources(resources));
  const outcomes = await alter(admin, resources, { validateOnly, replaceAll: true, client: clientOf(exchange.caller) });
  exchange.answer({ throttleTimeMs: 0, responses: answersOf(resources, outcomes) });
}

/** Sets, unsets, adds to and takes from configs of resources. */
export async function answerIncrementalAlterConfigs(
  admin: Admin,
  exchange: Exchange<typeof incrementalAlterConfigs>,
): Promise<void> {
  const { resources, validateOnly } = exchange.request;
  if (resources.length > KAFKA_CONFIG_RESOURCES_MAX) return exchange.hangUp(tooManyResources(resources));
  const outcomes = await alter(admin, resources, {
    validateOnly,
    replaceAll: false,
    client: clientOf(exchange.caller),
  });
  exchange.answer({ throttleTimeMs: 0, responses: answersOf(resources, outcomes) });
}

/** One outcome a resource, in the order asked: each is altered as a whole, or not at all. */
async function alter(
  admin: Admin,
  asked: readonly Alteration[],
  {
    validateOnly,
    replaceAll,
    client,
  }: { readonly validateOnly: boolean; readonly replaceAll: boolean; readonly client: string },
): Promise<Outcome[]> {
  const again = repeated(asked.map(keyOf));
  const problems = asked.map((resource) => problemOf(resource, again.has(keyOf(resource))));
  const sound = asked.filter((_, i) => problems[i] === undefined);
  const outcomes: Outcome[] = [];
  if (sound.length > 0) {
    try {
      const resources = sound.map(({ resourceType, resourceName, configs }) => ({
        type: TYPES[resourceType]!,
        name: resourceName,
        replaceAll,
        operations: configs.map(({ name, value, configOperation = SET }) => ({
          name,
          value: value ?? '',
          kind: KINDS[configOperation]!,
        })),
      }));
      outcomes.push(...(await admin.alterConfigs({ resources, validateOnly, client })).map(outcomeOf));
    } catch (error) {
      const outcome = outcomeOfFailure(error);
      outcomes.push(...sound.map(() => outcome));
    }
  }
  return problems.map((problem) => problem ?? outcomes.shift() ?? NO_RESULT);
}

/** Who asks, for the audit log. */
function clientOf({ peer, clientId }: Caller): string {
  return `${peer}, Kafka client ${JSON.stringify(clientId)}`;
}

function keyOf({ resourceType, resourceName }: Alteration): string {
  return `${resourceType} ${resourceName}`;
}

/** What is wrong with it whatever its configs mean. */
function problemOf({ resourceType, resourceName, configs }: Alteration, isRepeated: boolean): Outcome | undefined {
  if (TYPES[resourceType] === undefined) return invalid(`resources of type ${resourceType} have no configs here`);
  if (isRepeated) return invalid(`the request has ${JSON.stringify(resourceName)} more than once`);
  const names = new Set(configs.map(({ name }) => name));
  if (names.size < configs.length) return invalid('the request has a config more than once');
  for (const { name, value, configOperation = SET } of configs) {
    if (KINDS[configOperation] === undefined) return invalid(`${name}: there is no operation ${configOperation}`);
    if (value === null && configOperation !== DELETE) return invalid(`${name} has no value`);
  }
  return undefined;
}

function invalid(message: string): Outcome {
  return outcomeOf({ code: 'INVALID_REQUEST', message });
}

function answersOf(
  asked: readonly Alteration[],
  outcomes: readonly Outcome[],
): (Outcome & { resourceType: number; resourceName: string })[] {
  return asked.map(({ resourceType, resourceName }, i) => ({ ...outcomes[i]!, resourceType, resourceName }));
}
