import { HTTP_CONSUMER_NAME_CHARS_MAX } from '@weir/base/group-limits.ts';
import {
  NODE_PATH_BYTES_MAX,
  READ_WAIT_MS_MAX,
  REPLICATION_FACTOR_MAX,
  TOPIC_CONFIGS_MAX,
  TOPIC_PARTITIONS_MAX,
} from '@weir/base/limits.ts';
import { TOPIC_CONFIGS } from '@weir/base/topic-configs.ts';

/** A JSON Schema (2020-12), as OpenAPI 3.1 has them. */
export type Schema = Readonly<Record<string, unknown>>;

/** The largest whole number that JSON's readers in JavaScript do not round: what is larger is refused, never rounded. */
const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

export const OFFSET = { type: 'integer', format: 'int64', minimum: 0, maximum: INTEGER_MAX } as const;
export const REVISION = { ...OFFSET } as const;
export const PARTITION = { type: 'integer', format: 'int32', minimum: 0, maximum: 0x7fff_ffff } as const;
export const BROKER = { type: 'integer', format: 'int32' } as const;
/** A difference of two offsets. */
export const DISTANCE = { type: 'integer', format: 'int64', minimum: -INTEGER_MAX, maximum: INTEGER_MAX } as const;
/** A node's version. */
export const VERSION = { type: 'integer', format: 'int64', minimum: 0, maximum: 0xffff_ffff } as const;

const TOPIC_CHARS = '[a-zA-Z0-9._-]';
/** A topic's name: neither "." nor "..". */
export const TOPIC = {
  type: 'string',
  minLength: 1,
  maxLength: 249,
  pattern: `^${TOPIC_CHARS}+$`,
  not: { enum: ['.', '..'] },
} as const;
/** One that users make, write and delete: those that begin with "__" are Weir's own. */
export const USERS_TOPIC = { ...TOPIC, not: { anyOf: [TOPIC.not, { pattern: '^__' }] } } as const;
/** Names of topics with commas between them. */
export const TOPIC_LIST = { type: 'string', pattern: `^${TOPIC_CHARS}{1,249}(,${TOPIC_CHARS}{1,249})*$` } as const;
/** A group's id, and a consumer's name. */
export const GROUP = { type: 'string', minLength: 1, maxLength: HTTP_CONSUMER_NAME_CHARS_MAX } as const;

export const BASE64 = {
  type: 'string',
  contentEncoding: 'base64',
  pattern: '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
} as const;

const PLACES = '1\\.[0-9a-f]{8}(\\.[0-9]{1,5}-[0-9]{1,16})*';
/** A place in a topic as one text. */
export const CURSOR = { type: 'string', pattern: `^${PLACES}$` } as const;
/** One that a reader has come to; empty is none. */
export const CURSOR_OR_NONE = { type: 'string', pattern: `^(${PLACES})?$` } as const;

const YEAR = '(19[7-9][0-9]|[2-9][0-9]{3})';
const LEAP_YEAR = '(19(7[26]|8[048]|9[26])|[2-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[3579][26])00)';
const DAY =
  `(${YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))` +
  `|${LEAP_YEAR}-02-29)`;
const HOUR_AND_MINUTE = '([01][0-9]|2[0-3]):[0-5][0-9]';
const TIME = `${HOUR_AND_MINUTE}(:[0-5][0-9](\\.[0-9]{1,3})?)?(Z|[+-]${HOUR_AND_MINUTE})?`;
/** Milliseconds since 1970, or an ISO date from 1970 on, for a pattern. */
const TIMESTAMP = `([0-9]{1,15}|${DAY}(T${TIME})?)`;

export const TIMESTAMP_TEXT = {
  type: 'string',
  pattern: `^${TIMESTAMP}$`,
  examples: ['1769846400000', '2026-01-31T08:00:00Z'],
} as const;

/** Where a group reads on. */
export const START_AT = {
  type: 'string',
  pattern: `^(earliest|latest|[0-9]{1,15}|@${TIMESTAMP})$`,
  examples: ['earliest', 'latest', '7', '@2026-01-31T12:00:00Z'],
} as const;

/** A time to wait, in milliseconds unless it says seconds. */
export const WAIT: Schema = {
  type: 'string',
  pattern: `^(${decimal(READ_WAIT_MS_MAX)}(ms)?|${decimal(READ_WAIT_MS_MAX / 1_000)}s)$`,
  default: '0',
};

/** An object of which every property is there unless it is named optional, and no other may be. */
export function closed(properties: Readonly<Record<string, Schema>>, optionalNames: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optionalNames.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

/** One of which no property has to be there. */
export const optional = (properties: Readonly<Record<string, Schema>>): Schema =>
  closed(properties, Object.keys(properties));

/** In a request, null is as good as nothing: that is how many libraries write a field that was not set. */
export function orNull(schema: Schema): Schema {
  const { description, default: otherwise, ...rest } = schema;
  return {
    anyOf: [rest, { type: 'null' }],
    ...(description === undefined ? {} : { description }),
    ...(otherwise === undefined ? {} : { default: otherwise }),
  };
}

export const list = (items: Schema, bounds: Schema = {}): Schema => ({ type: 'array', items, ...bounds });
/** Names a schema of the document. */
export const here = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** A whole number from 0 to a limit as text, without leading zeros. */
export function decimal(max: number): string {
  const digits = String(max);
  const shorter = digits.length === 1 ? [] : ['0', `[1-9][0-9]{0,${digits.length - 2}}`];
  const asLong = Array.from(digits, (digit, i) => {
    const least = i === 0 && digits.length > 1 ? 1 : 0;
    const below = Number(digit) - 1;
    const rest = digits.length - i - 1;
    return below < least ? [] : [`${digits.slice(0, i)}[${least}-${below}]${rest === 0 ? '' : `[0-9]{${rest}}`}`];
  });
  // Numbers with as many digits: those that fall below the limit at one of them, and the limit itself.
  return `(${[...shorter.slice(0, 2), ...asLong.flat(), digits].join('|')})`;
}

/** As it is, or as text: Confluent's clients write numbers so. */
export function integerOrText(max: number): Schema {
  return {
    anyOf: [
      { type: 'integer', minimum: 0, maximum: max },
      { type: 'string', pattern: `^${decimal(max)}$` },
    ],
  };
}

/** What a topic may be created with, all of it optional; partitions are counted under a name that each dialect has itself. */
export function topicSettings(partitions: string): Readonly<Record<string, Schema>> {
  return {
    [partitions]: orNull({ type: 'integer', minimum: 1, maximum: TOPIC_PARTITIONS_MAX }),
    replication_factor: orNull({
      type: 'integer',
      minimum: 1,
      maximum: REPLICATION_FACTOR_MAX,
      description: 'No more than there are brokers.',
    }),
    configs: orNull({
      type: 'object',
      description: 'As text, as a number or as a boolean; GET /v1/topics/{topic} tells those that are set.',
      propertyNames: { enum: Object.keys(TOPIC_CONFIGS) },
      additionalProperties: { type: ['string', 'number', 'boolean'] },
      maxProperties: TOPIC_CONFIGS_MAX,
    }),
  };
}

const HEX = '[0-9A-Fa-f]';
const TAIL = `%[89ABab]${HEX}`;
/** Percent-encoded UTF-8, as RFC 3629 has it. */
const ESCAPED =
  `%([0-7]${HEX}|([Cc][2-9A-Fa-f]|[Dd]${HEX})${TAIL}|[Ee]0%[ABab]${HEX}${TAIL}|[Ee][1-9A-Ca-cEeFf]${TAIL}${TAIL}` +
  `|[Ee][Dd]%[89]${HEX}${TAIL}|[Ff]0%[9ABab]${HEX}${TAIL}${TAIL}|[Ff][1-3]${TAIL}${TAIL}${TAIL}|[Ff]4%8${HEX}${TAIL}${TAIL})`;
const NODE_NAME = `([^/%]|${ESCAPED})+`;

const NODE_NAMES = `${NODE_NAME}(/${NODE_NAME})*`;

/** A node's path in a body. */
export const NODE_PATH = {
  type: 'string',
  maxLength: NODE_PATH_BYTES_MAX,
  pattern: `^/(${NODE_NAMES})?$`,
  not: { pattern: '/(\\.|%2[eE]){1,2}(/|$)' },
  examples: ['/locks/orders'],
} as const;

/** One of a node that may be made, changed and deleted, as the root may not. */
export const NODE_BELOW_ROOT = { ...NODE_PATH, pattern: `^/${NODE_NAMES}$` } as const;

/** A server-sent event, as a client's `EventSource` hands it out. */
export function event(names: readonly string[], data: readonly Schema[], id: string): Schema {
  return {
    description: 'Of each event of the stream.',
    type: 'object',
    properties: {
      event: { enum: names },
      id: { type: 'string', description: id },
      data: { type: 'string', contentMediaType: 'application/json', contentSchema: { anyOf: data } },
    },
    required: ['event', 'data'],
  };
}
