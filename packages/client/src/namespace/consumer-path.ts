import { componentsOf, parsePath } from '@weir/base/tree-path.ts';

/** The root that brokers answer for. */
export const CONSUMERS = 'consumers';

/** A path below /consumers, in its one spelling. */
export interface ConsumerPath {
  readonly path: string;
  /** Undefined of /consumers itself. */
  readonly group: string | undefined;
}

/** What a path is below /consumers; undefined where it is not, or no path. */
export function consumerPathOf(text: string): ConsumerPath | undefined {
  const parsed = parsePath(text);
  if (!parsed.ok) return undefined;
  const [root, group] = componentsOf(parsed.path);
  if (root !== CONSUMERS) return undefined;
  return { path: parsed.path, group: group === undefined ? undefined : decodeURIComponent(group) };
}
