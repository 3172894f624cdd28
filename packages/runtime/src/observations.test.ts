import fc from 'fast-check';
import { expect, test } from 'vitest';
import { histogram, newRegistry } from './metrics.ts';
import { Observations } from './observations.ts';

const SPEC = { name: 'weir_test_seconds', help: 'For a test.', buckets: [0.001, 0.01, 0.5, 10] };

test('what is told of observations is what a histogram of prom-client tells of the same values', async () => {
  const values = fc.array(fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.constantFrom(...SPEC.buckets)));
  await fc.assert(
    fc.asyncProperty(values, async (observed) => {
      const [ours, theirs] = [newRegistry(), newRegistry()];
      const observations = new Observations(ours, SPEC);
      const model = histogram(theirs, SPEC);
      for (const value of observed) {
        observations.observe(value);
        model.observe(value);
      }
      expect(await ours.metrics()).toBe(await theirs.metrics());
    }),
  );
});
