import { NODE_PATH_BYTES_MAX } from './limits.ts';
import { refusal } from './errors.ts';
import type { Refusal } from './errors.ts';

/** The root, which is always there. */
export const ROOT = '/';

/** A path in its one spelling, or why there is none. */
export type ParsedPath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly refusal: Refusal };

/**
 * Reads a path: "/" or "/a/b", each component percent-encoded as in a URL. Every name has one spelling, that of
 * `encodeURIComponent`, whichever it came in: else one name could be two nodes.
 *
 * @param options.prefix - the last component may be empty: a number is put behind it
 */
export function parsePath(text: string, { prefix = false }: { readonly prefix?: boolean } = {}): ParsedPath {
  if (text === ROOT) return { ok: true, path: ROOT };
  const shown = JSON.stringify(text.slice(0, 200));
  if (!text.startsWith('/')) return invalid(`the path ${shown} does not begin with "/"`);
  const components = text.slice(1).split('/');
  const encoded: string[] = [];
  for (const [i, component] of components.entries()) {
    if (component === '' && !(prefix && i === components.length - 1)) {
      return invalid(`the path ${shown} has an empty component: "/" stands between two names, and not at the end`);
    }
    const name = decoded(component);
    if (name === undefined) {
      return invalid(`"${component.slice(0, 200)}" in a path is not UTF-8 in percent-encoding: write % as %25`);
    }
    if (name === '.' || name === '..')
      return invalid(`the path ${shown} has the component "${name}", which is no name`);
    encoded.push(encodeURIComponent(name));
  }
  const path = `/${encoded.join('/')}`;
  if (path.length > NODE_PATH_BYTES_MAX) {
    return invalid(`a path has at most ${NODE_PATH_BYTES_MAX} bytes in percent-encoding, this one ${path.length}`);
  }
  return { ok: true, path };
}

/** The path of the node above; the root's own is the root. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? ROOT : path.slice(0, at);
}

/** The last component, percent-encoded; empty for the root. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path of a child. */
export function childOf(parent: string, name: string): string {
  return parent === ROOT ? `/${name}` : `${parent}/${name}`;
}

/** A path's components, none for the root. */
export function componentsOf(path: string): string[] {
  return path === ROOT ? [] : path.slice(1).split('/');
}

/** Whether a path is the other one or lies below it. */
export function isWithin(path: string, root: string): boolean {
  return path === root || root === ROOT || path.startsWith(`${root}/`);
}

function decoded(component: string): string | undefined {
  try {
    const name = decodeURIComponent(component);
    // A lone half of a surrogate pair has no encoding.
    encodeURIComponent(name);
    return name;
  } catch {
    return undefined;
  }
}

function invalid(message: string): ParsedPath {
  return { ok: false, refusal: refusal('INVALID_PATH', message) };
}
