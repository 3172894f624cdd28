/**
 * What every client is asked to do. A program of test/clients/NAME gets these names in SCENARIO, separated by commas, does
 * them in that order and prints a JSON line for each: see ScenarioLine.
 */
export const SCENARIOS = [
  'roundtrip-none',
  'roundtrip-gzip',
  'roundtrip-snappy',
  'roundtrip-lz4',
  'roundtrip-zstd',
  'partitioner',
  'acks',
  'idempotent',
  'large',
  'offsets',
  'seek',
  'long-poll',
  'admin-topics',
  'admin-configs',
  'admin-records',
  'admin-cluster',
  'auto-create',
  'recreate',
  'group-range',
  'group-roundrobin',
  'group-cooperative',
  'group-static',
  'group-killed',
  'group-commits',
  'group-reset',
  'group-admin',
] as const;

const DETAIL_CHARACTERS_MAX = 300;

/** What a program prints of one scenario. */
interface ScenarioLine {
  readonly scenario: string;
  readonly ok: boolean;
  /** Why it failed, or a figure that is neither right nor wrong. */
  readonly detail?: string;
  /** Why this client cannot do it. `ok` means nothing then. */
  readonly na?: string;
  /** What a user of the client sees: values, names of errors. Has to be the same wherever it runs. */
  readonly seen?: Readonly<Record<string, string>>;
}

/** What came of one scenario of one client on one broker. */
export type Outcome =
  | { readonly kind: 'ok'; readonly detail: string; readonly seen: Readonly<Record<string, string>> }
  | { readonly kind: 'failed'; readonly reason: string; readonly seen: Readonly<Record<string, string>> }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'n/a'; readonly reason: string };

/** Reads a line that a program printed; undefined when it is something else that it printed. */
export function readLine(text: string): { readonly scenario: string; readonly outcome: Outcome } | undefined {
  if (!text.startsWith('{"')) return undefined;
  const line = JSON.parse(text) as ScenarioLine;
  return { scenario: line.scenario, outcome: outcomeOf(line) };
}

function outcomeOf({ ok, detail: said = '', na, seen = {} }: ScenarioLine): Outcome {
  if (na !== undefined) return { kind: 'n/a', reason: na };
  const detail = said.slice(0, DETAIL_CHARACTERS_MAX);
  return ok ? { kind: 'ok', detail, seen } : { kind: 'failed', reason: detail, seen };
}
