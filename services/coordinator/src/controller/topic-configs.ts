import {
  CONFIG_VALUE_LENGTH_MAX,
  GROUP_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  RETENTION_MS,
  SEGMENT_BYTES,
  SEGMENT_MS,
  TOPIC_CONFIGS_MAX,
} from '@weir/base/limits.ts';

/** Smallest segment that may be asked for: Kafka's bound, below which a partition is all file handles. */
const SEGMENT_BYTES_MIN = 1_048_576;
/** Largest: positions in a segment are 32-bit. */
const SEGMENT_BYTES_MAX = 0x7fff_ffff;

type ConfigSpec =
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  | {
      readonly type: 'integer';
      /** -1 where it stands for "no limit". */
      readonly min: number;
      readonly max: number;
      readonly default: number;
    };

/** What may be set of a topic. A config that does nothing yet is not in here. */
const CONFIGS: Readonly<Record<string, ConfigSpec>> = {
  flush: { type: 'choice', choices: ['commit', 'interval'] },
  'max.message.bytes': { type: 'integer', min: 1, max: GROUP_BYTES_MAX, default: MESSAGE_BYTES_MAX },
  'retention.bytes': { type: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER, default: -1 },
  'retention.ms': { type: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER, default: RETENTION_MS },
  'segment.bytes': { type: 'integer', min: SEGMENT_BYTES_MIN, max: SEGMENT_BYTES_MAX, default: SEGMENT_BYTES },
  'segment.ms': { type: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER, default: SEGMENT_MS },
};

/** Why a topic's configs are refused, or undefined when they are fine. */
export function configsProblem(configs: Readonly<Record<string, string>>): string | undefined {
  const names = Object.keys(configs);
  if (names.length > TOPIC_CONFIGS_MAX) return `a topic has at most ${TOPIC_CONFIGS_MAX} configs, not ${names.length}`;
  for (const [name, value] of Object.entries(configs)) {
    const problem = configProblem(name, value);
    if (problem !== undefined) return problem;
  }
  const largest = integerConfig(configs, 'max.message.bytes');
  const segment = integerConfig(configs, 'segment.bytes');
  if (largest > segment) {
    return `max.message.bytes ${largest} is more than segment.bytes ${segment}: a batch has to fit a segment`;
  }
  return undefined;
}

function configProblem(name: string, value: string): string | undefined {
  const spec = Object.hasOwn(CONFIGS, name) ? CONFIGS[name] : undefined;
  if (spec === undefined) {
    return `${JSON.stringify(name.slice(0, CONFIG_VALUE_LENGTH_MAX))} is not a topic config; there are ${Object.keys(CONFIGS).join(', ')}`;
  }
  const shown = JSON.stringify(value.slice(0, CONFIG_VALUE_LENGTH_MAX));
  switch (spec.type) {
    case 'choice':
      return spec.choices.includes(value) ? undefined : `${name} ${shown} is not one of ${spec.choices.join(', ')}`;
    case 'integer': {
      const parsed = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
      if (parsed >= spec.min && parsed <= spec.max) return undefined;
      return `${name} ${shown} is not a whole number from ${spec.min}${spec.min === -1 ? ' (no limit)' : ''} to ${spec.max}`;
    }
  }
}

function integerConfig(configs: Readonly<Record<string, string>>, name: 'max.message.bytes' | 'segment.bytes'): number {
  const spec = CONFIGS[name];
  const fallback = spec?.type === 'integer' ? spec.default : 0;
  return Object.hasOwn(configs, name) ? Number(configs[name]) : fallback;
}
