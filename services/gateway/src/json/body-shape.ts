import { HttpFailure, invalidBody } from '../http/failure.ts';

/** What a field of a small JSON body must be. */
export type FieldShape =
  | { readonly type: 'string' }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  /** An object of strings, numbers and booleans. */
  | { readonly type: 'texts' };

/** A body's fields, by name. */
export type BodyShape = Readonly<Record<string, FieldShape & { readonly required?: true }>>;

type FieldValue<Shape> = Shape extends { type: 'string' }
  ? string
  : Shape extends { type: 'integer' }
    ? number
    : Readonly<Record<string, string>>;

/** The values of a body that fits. */
export type BodyValues<Shape extends BodyShape> = {
  readonly [Name in keyof Shape]: Shape[Name] extends { required: true }
    ? FieldValue<Shape[Name]>
    : FieldValue<Shape[Name]> | undefined;
};

/**
 * Parses a small JSON body and checks it; every problem is told, not only the first.
 *
 * @throws HttpFailure MALFORMED_JSON, or INVALID_BODY with all problems
 */
export function parseBody<const Shape extends BodyShape>(body: Buffer, shape: Shape): BodyValues<Shape> {
  const parsed = parseObject(body, Object.keys(shape));
  const problems = unknownFields(parsed, Object.keys(shape));
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape)) {
    const value = Object.hasOwn(parsed, name) ? parsed[name] : undefined;
    if (value === undefined || value === null) {
      if (field.required === true) problems.push(`"${name}" is missing`);
    } else {
      const problem = fieldProblem(field, value);
      if (problem === undefined) values[name] = field.type === 'texts' ? texts(value) : value;
      else problems.push(`"${name}" ${problem}`);
    }
  }
  if (problems.length > 0) throw invalidBody(problems);
  return values as BodyValues<Shape>;
}

/**
 * A body that is a JSON object, with fields of whatever type.
 *
 * @param fields those that it may have, for the message
 * @throws HttpFailure MALFORMED_JSON, INVALID_BODY
 */
export function parseObject(body: Buffer, fields: readonly string[]): Readonly<Record<string, unknown>> {
  const parsed = parseJson(body, `a JSON object with ${fields.join(', ')}`);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalidBody([`the body is not an object with ${fields.join(', ')}`]);
  }
  return parsed as Readonly<Record<string, unknown>>;
}

/** What is told of the fields that a body may not have. */
export function unknownFields(fields: Readonly<Record<string, unknown>>, known: readonly string[]): string[] {
  const names = Object.keys(fields).filter((name) => !known.includes(name));
  return names.map((name) => `"${name}" is unknown: expected ${known.join(', ')}`);
}

/** @param expected for the message @throws HttpFailure MALFORMED_JSON */
export function parseJson(body: Buffer, expected: string): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    const why = body.length === 0 ? 'the body is empty' : (error as Error).message;
    throw new HttpFailure('MALFORMED_JSON', `${why}: expected ${expected}`);
  }
}

function fieldProblem(field: FieldShape, value: unknown): string | undefined {
  switch (field.type) {
    case 'string':
      return typeof value === 'string' ? undefined : 'is not a string';
    case 'integer':
      return Number.isInteger(value) && (value as number) >= field.min && (value as number) <= field.max
        ? undefined
        : `is not a whole number from ${field.min} to ${field.max}`;
    case 'texts': {
      const fits =
        typeof value === 'object' &&
        !Array.isArray(value) &&
        Object.values(value as object).every((item) => ['string', 'number', 'boolean'].includes(typeof item));
      return fits ? undefined : 'is not an object of strings';
    }
  }
}

function texts(value: object): Record<string, string> {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, String(item)]));
}
