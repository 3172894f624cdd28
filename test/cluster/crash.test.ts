import { expect, test } from 'vitest';
import { runCrashes } from './crash.ts';

test('after ten kills in the middle of writes nothing acknowledged is missing and no offset is missing or twice', async () => {
  const report = await runCrashes({ kills: 10, seed: 1 });
  expect(report.lost).toEqual([]);
  expect(report.inconsistent).toEqual([]);
  // A run that wrote next to nothing would prove next to nothing.
  expect(report.acknowledged).toBeGreaterThan(1000);
}, 120_000);
