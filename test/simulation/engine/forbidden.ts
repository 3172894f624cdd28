/** What would let the machine into a run, and make it another one each time. */
const FORBIDDEN: readonly (readonly [owner: object, names: readonly string[]])[] = [
  [Math, ['random']],
  [Date, ['now']],
  [performance, ['now']],
  [globalThis, ['setTimeout', 'setInterval', 'setImmediate']],
];

let inside = false;

for (const [owner, names] of FORBIDDEN) {
  for (const name of names) {
    const real = Reflect.get(owner, name) as (...args: unknown[]) => unknown;
    const guarded = function (this: unknown, ...args: unknown[]): unknown {
      if (inside) throw new Error(`${name} was called in a simulation: time and chance are handed in`);
      return real.apply(this, args);
    };
    Reflect.set(owner, name, Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(real)));
  }
}

/** Runs something that may not reach for the machine's time and chance. */
export function forbidden(run: () => void): void {
  inside = true;
  try {
    run();
  } finally {
    inside = false;
  }
}
