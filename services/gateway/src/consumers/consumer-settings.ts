import { characters } from '@weir/base/characters.ts';
import { HTTP_CONSUMER_NAME_CHARS_MAX, HTTP_CONSUMER_WAIT_MS } from '@weir/base/group-limits.ts';
import { READ_BYTES_MAX, READ_WAIT_MS_MAX } from '@weir/base/limits.ts';
import type { OffsetReset } from '@weir/client/consumer/place-feeds.ts';
import { HttpFailure, invalidBody } from '../http/failure.ts';
import { parseObject } from '../json/body-shape.ts';
import type { RecordFormat } from '../rest/records-v2.ts';

/** What a consumer over HTTP is told when it is created. */
export interface HttpConsumerSettings {
  /** How its records are written. */
  readonly format: RecordFormat;
  readonly offsetReset: OffsetReset;
  readonly autoCommit: boolean;
  /** A read waits for so many bytes, as they are stored. */
  readonly minBytes: number;
  /** How long a read waits that does not say. */
  readonly waitMs: number;
}

/** A consumer that is to be created. */
export interface NewHttpConsumer {
  /** Undefined: it gets a name of ours. */
  readonly name: string | undefined;
  readonly settings: HttpConsumerSettings;
}

const FORMATS: readonly RecordFormat[] = ['binary', 'json', 'text'];
const RESETS: readonly OffsetReset[] = ['earliest', 'latest', 'none'];
const FIELDS = [
  'name',
  'format',
  'auto.offset.reset',
  'enable.auto.commit',
  'auto.commit.enable',
  'fetch.min.bytes',
  'consumer.request.timeout.ms',
  'isolation.level',
];

/**
 * The body of POST /consumers/{group}. Numbers and booleans may be strings, as Confluent's clients write them. Without transactions
 * both isolation levels are the same.
 *
 * @throws HttpFailure INVALID_REQUEST for a field that is unknown, INVALID_BODY for values that do not fit
 */
export function parseNewConsumer(body: Buffer): NewHttpConsumer {
  const fields = body.length === 0 ? {} : parseObject(body, FIELDS);
  const unknown = Object.keys(fields).filter((name) => !FIELDS.includes(name));
  if (unknown.length > 0) {
    const message = `"${unknown[0]!}" is unknown: a consumer has ${FIELDS.join(', ')}`;
    throw new HttpFailure('INVALID_REQUEST', message, {
      validationErrors: unknown.map((name) => `"${name}" is unknown`),
    });
  }
  const problems: string[] = [];
  const value = (name: string): unknown => (Object.hasOwn(fields, name) ? (fields[name] ?? undefined) : undefined);
  const choice = <Choice extends string>(name: string, choices: readonly Choice[], otherwise: Choice): Choice => {
    const given = value(name);
    const found = given === undefined ? otherwise : choices.find((one) => one === given);
    if (found === undefined) problems.push(`"${name}" is not one of ${choices.join(', ')}`);
    return found ?? otherwise;
  };
  const integer = (name: string, max: number, otherwise: number): number => {
    const given = value(name) ?? otherwise;
    const number = typeof given === 'string' && /^(0|[1-9]\d{0,9})$/.test(given) ? Number(given) : given;
    if (Number.isInteger(number) && (number as number) >= 0 && (number as number) <= max) return number as number;
    problems.push(`"${name}" is not a whole number from 0 to ${max}`);
    return otherwise;
  };
  const flag = (name: string): boolean | undefined => {
    const given = value(name);
    if (given === undefined || typeof given === 'boolean') return given;
    if (given !== 'true' && given !== 'false') problems.push(`"${name}" is not true or false`);
    return given === 'true';
  };
  const name = value('name');
  if (
    name !== undefined &&
    (typeof name !== 'string' || name === '' || characters(name) > HTTP_CONSUMER_NAME_CHARS_MAX)
  ) {
    problems.push(`"name" is not a string of 1 to ${HTTP_CONSUMER_NAME_CHARS_MAX} characters`);
  } else if (name?.isWellFormed() === false) problems.push('"name" has half a character, which no path can have');
  choice('isolation.level', ['read_committed', 'read_uncommitted'], 'read_uncommitted');
  const settings: HttpConsumerSettings = {
    format: choice('format', FORMATS, 'binary'),
    offsetReset: choice('auto.offset.reset', RESETS, 'latest'),
    autoCommit: flag('enable.auto.commit') ?? flag('auto.commit.enable') ?? true,
    minBytes: integer('fetch.min.bytes', READ_BYTES_MAX, 1),
    waitMs: integer('consumer.request.timeout.ms', READ_WAIT_MS_MAX, HTTP_CONSUMER_WAIT_MS),
  };
  if (problems.length > 0) throw invalidBody(problems);
  return { name: name as string | undefined, settings };
}
